"""`pinflow land`, `pinflow batch`, `pinflow stream`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pinflow.cli.common import command_options, echo_json, stop_on_signals
from pinflow.cli.options import json_option, metrics_option

if TYPE_CHECKING:
    from pinflow.config import Settings
    from pinflow.tasks import JobResult

__all__ = ["batch", "land", "stream"]

drain_option = click.option("--drain", is_flag=True, help="End when nothing is left to do.")


@click.command
@drain_option
@click.option("--adopt", metavar="PREFIX", help="Copy in what a Kafka Connect S3 sink wrote there, and end.")
@click.option("--accept-gaps", is_flag=True, help="With --adopt: even if offsets are missing.")
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
    if adopt is None and accept_gaps:
        raise click.UsageError("--accept-gaps goes with --adopt")
    from pinflow import tasks
    from pinflow.cli.show import Bar

    stop = stop_on_signals()
    with Bar() as bar:
        if adopt is not None:
            done = tasks.adopt(adopt, settings, accept_gaps=accept_gaps, stop=stop, progress=bar)
        else:
            done = tasks.land(settings, drain=drain, stop=stop, progress=bar, metrics_port=metrics_port)
    _report(done, as_json=as_json)


@click.command
@drain_option
@metrics_option
@json_option
@command_options
def batch(settings: Settings, *, drain: bool, metrics_port: int | None, as_json: bool) -> None:
    """Clean landed records into the tables pin, geo and user.

    Runs every batch.every_seconds until stopped, or once with --drain.
    """
    from pinflow import tasks
    from pinflow.cli.show import Bar

    stop = stop_on_signals()
    with Bar() as bar:
        done = tasks.batch(settings, drain=drain, stop=stop, progress=bar, metrics_port=metrics_port)
    _report(done, as_json=as_json)


@click.command
@drain_option
@metrics_option
@json_option
@command_options
def stream(settings: Settings, *, drain: bool, metrics_port: int | None, as_json: bool) -> None:
    """Clean records of the log into the tables <id>_pin_table, <id>_geo_table and <id>_user_table."""
    from pinflow import tasks
    from pinflow.cli.show import Bar

    stop = stop_on_signals()
    with Bar() as bar:
        done = tasks.stream(settings, drain=drain, stop=stop, progress=bar, metrics_port=metrics_port)
    _report(done, as_json=as_json)


def _report(done: JobResult, *, as_json: bool) -> None:
    if as_json:
        echo_json(done)
    else:
        click.echo(f"{done.job}: {done.records:,} records", err=True)
