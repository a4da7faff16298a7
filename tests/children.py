"""Work in a process of its own, forked from a server that has imported everything, so that a start costs nothing.

deltalake does some of its requests while it holds Python's lock, so a faulty server of a test has to be in another
process than the work that meets it.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from functools import cache
from typing import TYPE_CHECKING, Any

from pinflow.errors import PinflowError
from tests.forks import arm, context

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.process import BaseProcess

    from pinflow.config import Settings
    from pinflow.jobs.pipelines import Pipeline
    from pinflow.jobs.runtime import Runtime

__all__ = ["FAILED", "abandoning", "job", "maintenance", "replaying", "retrying", "run", "start"]

FAILED = 75
"""Exit code of work that ended with an error of ours, whose text is in the file that was named."""

BOUND_S = 60.0


def start(
    work: Callable[..., object],
    settings: Settings,
    *args: object,
    at: str = "",
    by: str = "KILL",
    says: str = "",
) -> BaseProcess:
    """Start work on settings; it is killed (or stopped, by STOP) at a crash point, and tells its error in a file."""
    aws = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    process = context().Process(target=_body, args=(work, settings, args, at, by, says, aws), daemon=True)
    process.start()
    return process


def run(work: Callable[..., object], settings: Settings, *args: object, **how: Any) -> int | None:
    """Start work, and wait until it has ended; its exit code."""
    process = start(work, settings, *args, **how)
    process.join(BOUND_S)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise TimeoutError(f"the work took longer than {BOUND_S:g} s")
    return process.exitcode


def _body(
    work: Callable[..., object],
    settings: Settings,
    args: Any,
    at: str,
    by: str,
    says: str,
    aws: dict[str, str],
) -> None:
    from pathlib import Path

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]  # of the test that has started the server
    os.environ.update(aws)
    logging.disable(logging.CRITICAL)
    arm(at, by)
    try:
        work(settings, *args)
    except PinflowError as error:
        if says:
            Path(says).write_text(str(error))
        sys.exit(FAILED)


def job(settings: Settings, name: str, retry_seconds: float = 30.0) -> None:
    """Run land, stream or batch until nothing is left."""
    from pinflow.jobs.clean.clean import clean_jobs
    from pinflow.jobs.land.land import land_jobs
    from pinflow.jobs.runtime import Runtime
    from pinflow.steps.worker import run as work

    with Runtime(settings) as runtime:
        cleaning = cache(lambda: clean_jobs(runtime, name))  # type: ignore[arg-type]
        landing = lambda: land_jobs(runtime, drain=True)  # noqa: E731
        jobs: Any = landing if name == "land" else cleaning
        work(
            runtime.store,
            jobs,
            stop=threading.Event(),
            poll_seconds=0,
            drain=True,
            retry_seconds=retry_seconds,
        )


def maintenance(settings: Settings) -> None:
    """Maintain everything once."""
    from pinflow.jobs.maintain.maintain import maintain
    from pinflow.jobs.runtime import Runtime

    with Runtime(settings) as runtime:
        maintain(runtime)


def replaying(settings: Settings, table: str) -> None:
    """Replay one table."""
    from pinflow.jobs.replay.replay import replay
    from pinflow.jobs.runtime import Runtime

    with Runtime(settings) as runtime:
        replay(runtime, _pipeline(runtime, table))


def retrying(settings: Settings, table: str) -> None:
    """Replay the quarantine of one table."""
    from pinflow.jobs.replay.quarantine import retry_quarantine
    from pinflow.jobs.runtime import Runtime

    with Runtime(settings) as runtime:
        retry_quarantine(runtime, _pipeline(runtime, table))


def abandoning(settings: Settings, table: str) -> None:
    """Give up the replay of one table."""
    from pinflow.jobs.replay.abandon import abandon
    from pinflow.jobs.runtime import Runtime

    with Runtime(settings) as runtime:
        abandon(runtime, _pipeline(runtime, table))


def _pipeline(runtime: Runtime, table: str) -> Pipeline:
    from pinflow.jobs.pipelines import pipelines

    (pipeline,) = [pipeline for pipeline in pipelines(runtime.config.id) if pipeline.table == table]
    return pipeline
