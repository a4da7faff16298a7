"""`pinflow maintain`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from pinflow.cli.arguments import FiniteRange
from pinflow.cli.common import command_options, echo_json, stop_on_signals
from pinflow.cli.options import json_option, metrics_option

if TYPE_CHECKING:
    from pinflow.config import Settings
    from pinflow.jobs.maintain.maintain import Maintained

__all__ = ["maintain"]

LONGEST_PAUSE_S = 1e9
"""Some thirty years; Python cannot wait for much longer."""


@click.command
@click.option("--dry-run", is_flag=True, help="Change nothing; report what would be done to the tables.")
@click.option(
    "--every",
    type=FiniteRange(min=0, min_open=True, max=LONGEST_PAUSE_S),
    help="Run again after this many seconds, until stopped.",
)
@metrics_option
@json_option
@command_options
def maintain(
    settings: Settings, *, dry_run: bool, every: float | None, metrics_port: int | None, as_json: bool
) -> None:
    """Keep log, tables and plans small, beside running jobs and readers.

    Trims the log, removes superseded rows, joins small files, writes checkpoints, deletes what is past
    maintain.retention_hours. Safe at any kill; run it again. With --every, --json writes one line a run.
    """
    from pinflow import tasks
    from pinflow.jobs.reports.maintain_metrics import MaintainMetrics
    from pinflow.jobs.reports.step_metrics import StepMetrics
    from pinflow.tasks.jobs import serve_process_metrics

    stop = stop_on_signals()
    failed = False
    runs, steps = MaintainMetrics(), StepMetrics()
    with serve_process_metrics([runs, steps], metrics_port):
        while not stop.is_set():
            done = tasks.maintain(settings, dry_run=dry_run, observer=steps)
            runs.ran(done)
            if as_json:
                echo_json(done, indent=2 if every is None else 0)
            else:
                _print(done)
            failed = bool(done.problems)
            if every is None:
                break
            stop.wait(every)
    if failed:
        sys.exit(1)


def _print(done: Maintained) -> None:
    import msgspec

    from pinflow.cli.show import print_rows

    names = [
        "table",
        "superseded rows",
        "files joined",
        "commits deleted",
        "files deleted",
        "plans deleted",
    ]
    print_rows(names, [msgspec.structs.astuple(each) for each in done.tables])
    for topic, records in done.trimmed.items():
        click.echo(f"maintain: {records:,} records were removed from the log of {topic}", err=True)
    for folder in done.generations:
        click.echo(f"maintain: generation {folder} {'would be' if done.dry_run else 'was'} deleted", err=True)
    for problem in done.problems:
        click.echo(f"maintain: {problem}", err=True)
