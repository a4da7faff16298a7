"""`pinflow land`, `pinflow batch`, `pinflow stream`."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import click

from pinflow.cli.common import command_options, echo_json, json_option, stop_on_signals
from pinflow.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client.registry import Collector

    from pinflow.cli.show import Bar
    from pinflow.config import Settings
    from pinflow.jobs.pipelines import Side

__all__ = ["batch", "land", "stream"]

drain_option = click.option("--drain", is_flag=True, help="End when nothing is left to do.")
metrics_option = click.option(
    "--metrics-port",
    type=click.IntRange(0, 65_535),
    help="Serve counters to Prometheus on this port of 127.0.0.1; 0 takes a free one.",
)


@click.command
@drain_option
@click.option("--adopt", metavar="PREFIX", help="Copy in what a Kafka Connect S3 sink wrote there, and end.")
@click.option("--accept-gaps", is_flag=True, help="With --adopt: though offsets are missing.")
@metrics_option
@json_option
@command_options
def land(
    settings: Settings,
    *,
    drain: bool,
    adopt: str | None,
    accept_gaps: bool,
    metrics_port: int | None,
    as_json: bool,
) -> None:
    """Move records from the log to the landing zone.

    Every topic is landed. An object is written when there are enough records for it, or when the oldest has waited
    long enough (land.flush_records, land.flush_bytes, land.flush_seconds).

    PREFIX is a folder below the lake (topics/), a folder of the disk (/data/topics, ./topics), or a URL (s3://...).
    """
    if adopt is not None and metrics_port is not None:
        raise click.UsageError("--metrics-port does not go with --adopt")
    if adopt is not None:
        if not adopt.isprintable():
            raise click.UsageError(
                f"--adopt {adopt!r}: the name has control characters; name a folder below the lake, a path or a URL"
            )
        _adopt(settings, adopt, accept_gaps=accept_gaps, as_json=as_json)
        return
    if accept_gaps:
        raise click.UsageError("--accept-gaps goes with --adopt")
    from pinflow.cli.show import Bar
    from pinflow.jobs.land.land import land_jobs
    from pinflow.jobs.reports.metrics import LandMetrics
    from pinflow.jobs.reports.status import status
    from pinflow.jobs.runtime import Runtime
    from pinflow.steps.observer import ProgressObserver
    from pinflow.steps.worker import run

    stop = stop_on_signals()
    with (
        Runtime(settings) as runtime,
        _metrics(lambda: [LandMetrics(runtime.store)], metrics_port),
        Bar() as bar,
    ):
        if drain:
            _start(bar, lambda: sum(each.to_land for each in status(runtime)))
        records = run(
            runtime.store,
            lambda: land_jobs(runtime, drain=drain),
            observer=ProgressObserver(bar),
            stop=stop,
            poll_seconds=settings.config.land.poll_seconds,
            drain=drain,
            retry_seconds=settings.config.worker.retry_seconds,
            stand_by_seconds=_stand_by_seconds(settings),
        )
    _report("land", records, as_json=as_json)


def _adopt(settings: Settings, prefix: str, *, accept_gaps: bool, as_json: bool) -> None:
    from pinflow.cli.show import Bar
    from pinflow.jobs.land.adopt import adopt_jobs
    from pinflow.jobs.runtime import Runtime
    from pinflow.steps.observer import ProgressObserver
    from pinflow.steps.worker import run

    stop = stop_on_signals()
    with Runtime(settings) as runtime, Bar() as bar:
        jobs = adopt_jobs(runtime, prefix, accept_gaps=accept_gaps)
        bar.start(sum(job.records for job in jobs), "records")
        records = run(
            runtime.store,
            lambda: jobs,
            observer=ProgressObserver(bar),
            stop=stop,
            poll_seconds=0,
            drain=True,
            retry_seconds=settings.config.worker.retry_seconds,
        )
    _report("land", records, as_json=as_json)


@click.command
@drain_option
@metrics_option
@json_option
@command_options
def batch(settings: Settings, *, drain: bool, metrics_port: int | None, as_json: bool) -> None:
    """Clean landed records into the tables pin, geo and user.

    Runs every batch.every_seconds until stopped, or once with --drain.
    """
    seconds = settings.config.batch.every_seconds
    _clean(settings, "batch", seconds, drain=drain, metrics_port=metrics_port, as_json=as_json)


@click.command
@drain_option
@metrics_option
@json_option
@command_options
def stream(settings: Settings, *, drain: bool, metrics_port: int | None, as_json: bool) -> None:
    """Clean records of the log into the tables <id>_pin_table, <id>_geo_table and <id>_user_table."""
    seconds = settings.config.stream.poll_seconds
    _clean(settings, "stream", seconds, drain=drain, metrics_port=metrics_port, as_json=as_json)


def _clean(
    settings: Settings,
    side: Side,
    poll_seconds: float,
    *,
    drain: bool,
    metrics_port: int | None,
    as_json: bool,
) -> None:
    from pinflow.cli.show import Bar
    from pinflow.jobs.clean.clean import clean_jobs
    from pinflow.jobs.pipelines import side_pipelines
    from pinflow.jobs.reports.metrics import SideMetrics
    from pinflow.jobs.reports.status import status
    from pinflow.jobs.runtime import Runtime
    from pinflow.steps.observer import ProgressObserver
    from pinflow.steps.worker import run

    stop = stop_on_signals()
    with (
        Runtime(settings) as runtime,
        _metrics(lambda: [SideMetrics(runtime.tables, side, settings.config.id)], metrics_port),
        Bar() as bar,
    ):
        if drain:
            tables = [pipeline.topic for pipeline in side_pipelines(side, settings.config.id)]
            _start(bar, lambda: sum(each.to_clean for each in status(runtime) if each.topic in tables))
        records = run(
            runtime.store,
            cache(lambda: clean_jobs(runtime, side)),
            observer=ProgressObserver(bar),
            stop=stop,
            poll_seconds=poll_seconds,
            drain=drain,
            threads=settings.config.engine.threads,
            retry_seconds=settings.config.worker.retry_seconds,
            stand_by_seconds=_stand_by_seconds(settings),
        )
    _report(side, records, as_json=as_json)


def _start(bar: Bar, total: Callable[[], int]) -> None:
    """Begin to count, if it can be told now up to what; the job itself waits for parts that are away."""
    try:
        bar.start(total(), "records")
    except TransientError as error:
        click.echo(f"pinflow: {error.what}", err=True)


@contextmanager
def _metrics(collector: Callable[[], list[Collector]], port: int | None) -> Iterator[None]:
    """Serve the counters of a job while it runs, if that is asked for."""
    if port is None:
        yield
        return
    from pinflow.jobs.reports.metrics import serve_metrics

    with serve_metrics(collector(), port) as address:
        click.echo(f"metrics at {address}", err=True)
        yield


def _stand_by_seconds(settings: Settings) -> float | None:
    worker = settings.config.worker
    return worker.takeover_seconds if worker.fenced == "wait" else None


def _report(job: str, records: int, *, as_json: bool) -> None:
    if as_json:
        echo_json({"job": job, "records": records})
    else:
        click.echo(f"{job}: {records:,} records", err=True)
