"""replay --quarantine for one road."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pinflow.errors import AbsentError
from pinflow.jobs.clean.clean import CleanJob, road_reader
from pinflow.jobs.clean.moving import QuarantineReader
from pinflow.steps.steps import Steps

if TYPE_CHECKING:
    from pinflow.jobs.pipelines import Road
    from pinflow.jobs.runtime import Parts

__all__ = ["Retried", "retry_quarantine"]


class Retried(msgspec.Struct, frozen=True):
    """One road: rejected records tried again, and how many of them are (or in a dry run would be) clean now."""

    side: str
    dataset: str
    table: str
    tried: int
    moved: int


def retry_quarantine(parts: Parts, road: Road, *, dry_run: bool = False) -> Retried:
    """Try every rejected record of a road by the rules of today, and move what is now clean; see `jobs.clean.moving`.

    A worker of the road's job that runs is fenced by the first move, and ends.

    Raises:
        AbsentError: The road's job has committed nothing yet.
        FencedError: A worker moved at the same time; try again.
    """
    table, quarantine = road.tables_of(parts.store, road.generation(parts.store))
    if not table.exists() or not table.version_of(road.job):
        raise AbsentError("nothing was cleaned yet", where=road.job, hint=f"pinflow {road.side} --drain")
    reader = QuarantineReader(road, quarantine, parts.engine, road_reader(parts, road))
    moved = 0
    if dry_run:
        anywhere = _Anywhere()
        while slices := reader.survey(anywhere):
            moved += sum(len(piece.offsets) for piece in slices)
    else:
        steps = Steps(parts.store, CleanJob(road, reader, parts.store, parts.engine))
        while plan := steps.advance():
            moved += sum(len(piece.offsets) for piece in plan.slices)
    return Retried(road.side, road.dataset.name, road.table, reader.tried, moved)


class _Anywhere(dict[int, str]):
    """Positions for a survey that nobody will commit."""

    def __missing__(self, partition: int) -> str:
        return ""
