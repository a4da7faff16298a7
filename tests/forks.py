"""Processes forked from a server that has imported everything, so that a start costs milliseconds of CPU."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from multiprocessing.context import ForkServerContext

__all__ = ["arm", "context", "run_command"]

PRELOADED = [
    "tests.children",
    "tests.crash.soak",
    "pinflow.cli.main",
    *(
        f"pinflow.cli.{name}"
        for name in ("audit", "config", "emulate", "gateway", "jobs", "maintain", "query")
    ),
    *(f"pinflow.cli.{name}" for name in ("demo", "doctor", "replay", "show", "source", "topics", "up")),
    "pinflow.engine.duckdb.engine",
    "pinflow.gateway",
    "pinflow.jobs.clean.clean",
    "pinflow.jobs.land.adopt",
    "pinflow.jobs.land.land",
    "pinflow.jobs.maintain.maintain",
    "pinflow.jobs.replay.abandon",
    "pinflow.jobs.replay.quarantine",
    "pinflow.jobs.replay.replay",
    "pinflow.jobs.reports.audit",
    "pinflow.lake.store.s3",
    "pinflow.log.kafka.log",
    "pinflow.log.kinesis.log",
    "pinflow.log.sqlite.log",
    "pinflow.query.ask",
    "pinflow.source.mysql",
    "pinflow.source.sqlite",
    "pinflow.stations.demo",
    "pinflow.steps.worker",
]
"""What one of these processes may need. Python starts one server a process, by the first list that it is given."""


def context() -> ForkServerContext:
    """Where such processes are made; the server starts with the first."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(PRELOADED)
    return made


def arm(point: str, signal_name: str = "KILL") -> None:
    """Have this process end at a failpoint, `land.planned:3` the third time; at none if it is empty."""
    from pinflow import failpoints

    os.environ[failpoints.SIGNAL_VARIABLE] = signal_name
    failpoints._armed, _, count = point.partition(":")
    failpoints._left = int(count or 1)


def run_command(
    args: Sequence[str], env: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run `pinflow` to its end in a forked process, as `subprocess.run` would in a new one."""
    with tempfile.TemporaryDirectory(prefix="pinflow-command-") as name:
        out, err = Path(name, "out"), Path(name, "err")
        process = context().Process(
            target=_command, args=(list(args), dict(env), str(Path.cwd()), str(out), str(err))
        )
        process.start()
        try:
            process.join(timeout)
            if process.exitcode is None:
                raise subprocess.TimeoutExpired(
                    ["pinflow", *args], timeout, out.read_bytes(), err.read_bytes()
                )
        finally:
            if process.exitcode is None:
                process.kill()
                process.join()
        return subprocess.CompletedProcess(
            ["pinflow", *args], process.exitcode, out.read_text(), err.read_text()
        )


def _command(args: list[str], env: dict[str, str], folder: str, out: str, err: str) -> None:
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    for path, number in ((out, 1), (err, 2)):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(opened, number)
        os.close(opened)
    # Those that Python begins with; the command then puts its own in their place.
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w")  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w")  # type: ignore[misc]
    sys.argv = ["pinflow", *args]
    from pinflow import failpoints
    from pinflow.__main__ import main

    arm(env.get(failpoints.VARIABLE, ""), env.get(failpoints.SIGNAL_VARIABLE, "KILL"))
    main()
