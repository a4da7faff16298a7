"""`pinflow replay`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from pinflow.cli.common import command_options, echo_json
from pinflow.cli.options import json_option

if TYPE_CHECKING:
    from pinflow.config import Settings
    from pinflow.jobs.pipelines import Side
    from pinflow.jobs.replay.abandon import Abandoned
    from pinflow.jobs.replay.quarantine import Retried
    from pinflow.jobs.replay.replay import Replayed

__all__ = ["replay"]


@click.command
@click.argument("side", type=click.Choice(["batch", "stream"]))
@click.argument("dataset", type=click.Choice(["pin", "geo", "user"]), required=False)
@click.option(
    "--from",
    "origin",
    type=click.Choice(["landing", "log"]),
    default="landing",
    show_default=True,
    help="Where the records are read from.",
)
@click.option("--quarantine", is_flag=True, help="Try rejected records alone, and move what is now clean.")
@click.option("--dry-run", is_flag=True, help="Report only; swap and move nothing.")
@click.option("--abandon", is_flag=True, help="Give up a replay that was begun and holds the side's job.")
@json_option
@command_options
def replay(
    settings: Settings,
    *,
    side: Side,
    dataset: str | None,
    origin: Literal["landing", "log"],
    quarantine: bool,
    dry_run: bool,
    abandon: bool,
    as_json: bool,
) -> None:
    """Rebuild the tables of a side by the rules of today, say what differs, and swap them in.

    Each dataset's clean table and quarantine are swapped in one step. Killed anywhere, run it again. A worker of the
    side that runs meanwhile waits with this dataset's job, and goes on in the new tables.
    """
    from pinflow.errors import UsageError
    from pinflow.jobs.replay.abandon import abandon as give_up
    from pinflow.jobs.replay.quarantine import retry_quarantine
    from pinflow.jobs.replay.replay import replay as run
    from pinflow.jobs.replay.standing import cleaned_roads
    from pinflow.jobs.runtime import Runtime

    if abandon and (quarantine or dry_run):
        raise UsageError("--abandon stands alone", hint=f"pinflow replay {side} --abandon")
    with Runtime(settings) as runtime:
        chosen = cleaned_roads(runtime.store, side, settings.config.id, dataset)
        if abandon:
            abandoned = [give_up(runtime, pipeline) for pipeline in chosen]
            echo_json(abandoned) if as_json else _print_abandoned(abandoned)
            return
        if quarantine:
            retried = [retry_quarantine(runtime, pipeline, dry_run=dry_run) for pipeline in chosen]
            echo_json(retried) if as_json else _print_retried(retried, dry_run=dry_run)
            return
        replayed = [run(runtime, pipeline, origin=origin, dry_run=dry_run) for pipeline in chosen]
    echo_json(replayed) if as_json else _print_replayed(replayed)


def _print_abandoned(found: list[Abandoned]) -> None:
    from pinflow.cli.show import print_rows

    verdicts = [f"of {each.worker}, given up" if each.abandoned else "none holds the job" for each in found]
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
