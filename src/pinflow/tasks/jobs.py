"""The jobs that move records: land, adopt, batch, stream."""

from __future__ import annotations

import logging
import os
import threading
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pinflow.errors import TransientError, UsageError
from pinflow.tasks.defaults import SILENT, chosen_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client.registry import Collector

    from pinflow.config import Settings
    from pinflow.jobs.pipelines import Side
    from pinflow.jobs.runtime import Runtime
    from pinflow.progress import Progress
    from pinflow.steps.observer import Observer
    from pinflow.steps.steps import Job


__all__ = ["METRICS_FILE", "JobResult", "adopt", "batch", "land", "serve_process_metrics", "stream"]

METRICS_FILE = "PINFLOW_METRICS_FILE"
"""A file that a supervisor names in the environment; the address of the metrics is written to it."""

_log = logging.getLogger(__name__)


class JobResult(msgspec.Struct, frozen=True):
    """How many records the steps of a job have covered."""

    job: str
    records: int


def land(
    settings: Settings | None = None,
    *,
    drain: bool = True,
    stop: threading.Event | None = None,
    progress: Progress = SILENT,
    metrics_port: int | None = None,
) -> JobResult:
    """Move records of every topic from the log to the landing zone.

    Args:
        settings: The configuration; by default what `pinflow.settings()` returns.
        drain: Return when nothing is left to do. Without it, go on until `stop` is set.
        stop: Ends the work after the steps under way.
        progress: Watches it.
        metrics_port: Serve counters to Prometheus on this port of 127.0.0.1 meanwhile; 0 takes a free one.

    Raises:
        FencedError: Another worker lands too, and `worker.fenced` is not "wait".
        PinflowError: A topic cannot be landed; the others are done.
    """
    from pinflow.jobs.land.land import land_jobs
    from pinflow.jobs.reports.receipt_metrics import LandMetrics
    from pinflow.jobs.reports.status import status as report
    from pinflow.jobs.runtime import Runtime

    chosen = chosen_settings(settings)
    with (
        Runtime(chosen) as runtime,
        _serve_metrics(chosen, None, lambda: LandMetrics(runtime.store), metrics_port) as observer,
    ):
        records = _run(
            runtime,
            lambda: land_jobs(runtime, drain=drain),
            total=(lambda: sum(each.to_land for each in report(runtime))) if drain else None,
            poll_seconds=chosen.config.land.poll_seconds,
            drain=drain,
            stop=stop,
            progress=progress,
            observer=observer,
        )
    return JobResult("land", records)


def adopt(
    prefix: str,
    settings: Settings | None = None,
    *,
    accept_gaps: bool = False,
    stop: threading.Event | None = None,
    progress: Progress = SILENT,
) -> JobResult:
    """Copy what a Kafka Connect S3 sink wrote into the landing zone, as `pinflow land --adopt` does.

    Args:
        prefix: A folder below the lake (`topics/`), a folder of the disk (`/data/topics`, `./topics`), or a URL.
        settings: The configuration; by default what `pinflow.settings()` returns.
        accept_gaps: Take what is there though offsets are missing.
        stop: Ends the work after the steps under way.
        progress: Watches it.

    Raises:
        GapError: Offsets are missing.
        CorruptError: Records are there twice, with other content.
        UsageError: The prefix cannot be adopted.
    """
    from pinflow.jobs.land.adopt import adopt_jobs
    from pinflow.jobs.runtime import Runtime

    if not prefix.isprintable():
        raise UsageError(
            f"the name of the folder has control characters: {prefix!a}",
            where="--adopt",
            hint="name a folder below the lake, a path or a URL",
        )
    with Runtime(chosen_settings(settings)) as runtime:
        jobs = adopt_jobs(runtime, prefix, accept_gaps=accept_gaps)
        records = _run(
            runtime,
            lambda: jobs,
            total=lambda: sum(job.records for job in jobs),
            poll_seconds=0,
            drain=True,
            stop=stop,
            progress=progress,
            stand_by=False,
        )
    return JobResult("land", records)


def batch(
    settings: Settings | None = None,
    *,
    drain: bool = True,
    stop: threading.Event | None = None,
    progress: Progress = SILENT,
    metrics_port: int | None = None,
) -> JobResult:
    """Clean landed records into the tables pin, geo and user. Arguments and errors are those of `land`."""
    return _clean("batch", settings, drain, stop, progress, metrics_port)


def stream(
    settings: Settings | None = None,
    *,
    drain: bool = True,
    stop: threading.Event | None = None,
    progress: Progress = SILENT,
    metrics_port: int | None = None,
) -> JobResult:
    """Clean records of the log into the stream tables. Arguments and errors are those of `land`."""
    return _clean("stream", settings, drain, stop, progress, metrics_port)


def _clean(
    side: Side,
    settings: Settings | None,
    drain: bool,
    stop: threading.Event | None,
    progress: Progress,
    metrics_port: int | None,
) -> JobResult:
    from pinflow.jobs.clean.clean import clean_jobs
    from pinflow.jobs.pipelines import side_pipelines
    from pinflow.jobs.reports.receipt_metrics import SideMetrics
    from pinflow.jobs.reports.status import status as report
    from pinflow.jobs.runtime import Runtime

    chosen = chosen_settings(settings)
    config = chosen.config
    topics = [pipeline.topic for pipeline in side_pipelines(side, config.id)]
    with (
        Runtime(chosen) as runtime,
        _serve_metrics(
            chosen, side, lambda: SideMetrics(runtime.tables, side, config.id), metrics_port
        ) as observer,
    ):

        def to_clean() -> int:
            return sum(each.to_clean for each in report(runtime) if each.topic in topics)

        records = _run(
            runtime,
            cache(lambda: clean_jobs(runtime, side)),
            total=to_clean if drain else None,
            poll_seconds=config.batch.every_seconds if side == "batch" else config.stream.poll_seconds,
            drain=drain,
            stop=stop,
            progress=progress,
            observer=observer,
            threads=config.engine.threads,
        )
    return JobResult(side, records)


def _run(
    runtime: Runtime,
    jobs: Callable[[], Iterable[Job]],
    *,
    total: Callable[[], int] | None,
    poll_seconds: float,
    drain: bool,
    stop: threading.Event | None,
    progress: Progress,
    observer: Observer | None = None,
    threads: int = 1,
    stand_by: bool = True,
) -> int:
    """Run jobs and count up to `total`, if there is one, for who watches. Returns the records covered."""
    from pinflow.steps.observer import Observers, ProgressObserver
    from pinflow.steps.worker import run

    worker = runtime.config.worker
    if total is not None:
        _start(progress, total)
    try:
        return run(
            runtime.store,
            jobs,
            observer=Observers([ProgressObserver(progress), *([observer] if observer is not None else [])]),
            stop=stop or threading.Event(),
            poll_seconds=poll_seconds,
            drain=drain,
            threads=threads,
            retry_seconds=worker.retry_seconds,
            stand_by_seconds=worker.takeover_seconds if stand_by and worker.fenced == "wait" else None,
        )
    finally:
        progress.stop()


def _start(progress: Progress, total: Callable[[], int]) -> None:
    """Begin to count, if the total can be known now; the job itself waits for parts that are away."""
    try:
        progress.start(total(), "records")
    except TransientError as error:
        _log.warning("%s", error.what)


@contextmanager
def _serve_metrics(
    settings: Settings, side: Side | None, receipts: Callable[[], Collector], port: int | None
) -> Iterator[Observer | None]:
    """Serve the metrics of a job while it runs, if that is asked for; gives what its steps are to be reported to."""
    if port is None:
        yield None
        return
    from pinflow.jobs.reports.lag import LagMetrics
    from pinflow.jobs.reports.step_metrics import StepMetrics

    steps = StepMetrics()
    with LagMetrics(settings, side) as lag, serve_process_metrics([receipts(), lag, steps], port):
        yield steps


@contextmanager
def serve_process_metrics(collectors: Iterable[Collector], port: int | None) -> Iterator[None]:
    """Serve metrics while the context lasts, if there is a port; their address is logged, and written for a supervisor.

    Raises:
        UnavailableError: The port is taken, or not to be had.
    """
    if port is None:
        yield
        return
    from pinflow.jobs.reports.receipt_metrics import serve_metrics

    with serve_metrics(collectors, port) as address:
        _log.info("metrics at %s", address)
        if path := os.environ.get(METRICS_FILE):
            whole = Path(f"{path}.new")
            whole.write_text(address, encoding="utf-8")
            whole.replace(path)
        yield
