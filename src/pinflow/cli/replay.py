"""`pinflow replay run`, `quarantine` and `abandon`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from pinflow.cli.common import command_options, echo_json
from pinflow.cli.options import common_options, json_option
from pinflow.cli.replay_old_spelling import ReplayGroup

if TYPE_CHECKING:
    from pinflow.config import Settings
    from pinflow.jobs.pipelines import Side
    from pinflow.jobs.replay.abandon import Abandoned
    from pinflow.jobs.replay.quarantine import Retried
    from pinflow.jobs.replay.replay import Replayed

__all__ = ["replay"]

side_argument = click.argument("side", type=click.Choice(["batch", "stream"]))
dataset_argument = click.argument("dataset", type=click.Choice(["pin", "geo", "user"]), required=False)


@click.group(cls=ReplayGroup)
@common_options
def replay(**_: object) -> None:
    """Rebuild tables by the rules of today, try rejected records again, or give a replay up."""


@replay.command(short_help="Rebuild the tables of a side, and swap them in.")
@side_argument
@dataset_argument
@click.option(
    "--from",
    "origin",
    type=click.Choice(["landing", "log"]),
    default="landing",
    show_default=True,
    help="Where the records are read from.",
)
@click.option("--dry-run", is_flag=True, help="Report only; swap nothing.")
@json_option
@command_options
def run(
    settings: Settings,
    *,
    side: Side,
    dataset: str | None,
    origin: Literal["landing", "log"],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Rebuild the tables of SIDE by the rules of today, report what differs, and swap them in.

    Each dataset's clean table and quarantine are swapped in one step. Killed anywhere, run it again. A worker of the
    side that runs meanwhile waits with this dataset's job, and goes on in the new tables.
    """
    from pinflow import tasks

    replayed = tasks.replay(side, dataset, settings, origin=origin, dry_run=dry_run)
    echo_json(replayed) if as_json else _print_replayed(replayed)


@replay.command(short_help="Try the rejected records of a side again.")
@side_argument
@dataset_argument
@click.option("--dry-run", is_flag=True, help="Report only; move nothing.")
@json_option
@command_options
def quarantine(settings: Settings, *, side: Side, dataset: str | None, dry_run: bool, as_json: bool) -> None:
    """Try the rejected records of SIDE alone, and move those that are clean now to the clean table.

    A worker of the side that runs is fenced by the first move, and ends: start it again.
    """
    from pinflow import tasks

    retried = tasks.retry_quarantine(side, dataset, settings, dry_run=dry_run)
    echo_json(retried) if as_json else _print_retried(retried, dry_run=dry_run)


@replay.command(short_help="Give up a replay that was begun.")
@side_argument
@dataset_argument
@json_option
@command_options
def abandon(settings: Settings, *, side: Side, dataset: str | None, as_json: bool) -> None:
    """Give up a replay that was begun and holds a job of SIDE. The tables stay what they are."""
    from pinflow import tasks

    abandoned = tasks.abandon_replay(side, dataset, settings)
    echo_json(abandoned) if as_json else _print_abandoned(abandoned)


def _print_abandoned(found: list[Abandoned]) -> None:
    from pinflow.cli.show import print_rows

    verdicts = [
        f"of {each.worker}, given up" if each.abandoned else "no replay holds the job" for each in found
    ]
    print_rows(
        ["table", "replay"], [[each.table, verdict] for each, verdict in zip(found, verdicts, strict=True)]
    )


def _print_retried(found: list[Retried], *, dry_run: bool) -> None:
    import msgspec

    from pinflow.cli.show import print_rows

    names = ["side", "dataset", "table", "tried", "would be moved" if dry_run else "moved"]
    print_rows(names, [msgspec.structs.astuple(each) for each in found])


def _print_replayed(found: list[Replayed]) -> None:
    from pinflow.cli.show import print_rows

    rows: list[list[object]] = []
    for each in found:
        what = each.difference
        if not each.compared:
            continue
        rows.append([each.table, "posts", what.before, what.after, None])
        rows += [[each.table, "posts that came", None, None, what.added]] if what.added else []
        rows += [[each.table, "posts that went", None, None, what.removed]] if what.removed else []
        rows += [[each.table, name, None, None, count] for name, count in what.changed.items() if count]
        rows += [[each.table, reason.reason, reason.before, reason.after, None] for reason in what.reasons]
        rows += [
            [each.table, f"cells of {cell.field} made NULL", cell.before, cell.after, None]
            for cell in each.cells or []
        ]
    print_rows(["table", "what", "before", "after", "changed"], rows)
    for each in found:
        if not each.compared:
            verdict = "cannot be compared with what stood before"
        else:
            verdict = "differs" if each.difference.any else "is the same"
        end = "and was swapped in" if each.swapped else "nothing was swapped"
        click.echo(f"replay: {each.table} of {each.records:,} records {verdict}, {end}", err=True)
