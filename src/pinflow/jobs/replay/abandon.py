"""Giving a replay up that was fenced and not finished: the tables stay what they are, and the job goes on.

1. **Keep.** The next generation is put, if absent, with the folders that are current, and with what the job has come to
   as what the fencing step came to. It is what the replay would put at its swap: of the two one is first, and the other
   is told.
2. **Stamp.** An empty commit to the table carries the transaction (job, step): the step is committed.

Killed anywhere, it is run again.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from pinflow.crash import reached
from pinflow.errors import FencedError
from pinflow.steps.generations import put_generation
from pinflow.steps.ledger import last_receipt, pending_plan

if TYPE_CHECKING:
    from pinflow.jobs.pipelines import Road
    from pinflow.jobs.runtime import Parts
    from pinflow.steps.generations import Generation
    from pinflow.steps.ledger import Plan

__all__ = ["Abandoned", "abandon"]


class Abandoned(msgspec.Struct, frozen=True):
    """One road: whether a replay held its job, and who had begun it."""

    side: str
    dataset: str
    table: str
    abandoned: bool
    worker: str = ""


def abandon(parts: Parts, road: Road) -> Abandoned:
    """Give up the replay that holds the job of a road, if one does; what it has built is left to `maintain`.

    Raises:
        FencedError: The replay goes on at this moment, and has swapped its tables in.
    """
    current = road.generation(parts.store)
    plan = _fence_of(parts, road, current)
    if plan is None:
        return Abandoned(road.side, road.dataset.name, road.table, abandoned=False)
    table, _ = road.tables_of(parts.store, current)
    before = last_receipt(parts.store, road.job, table)
    kept = msgspec.structs.replace(
        current,
        number=current.number + 1,
        swapped_at=max(plan.made_at, time.time_ns() // 1_000_000),
        step=plan.step,
        totals=before.totals if before is not None else {},
    )
    put_generation(parts.store, road.table, kept)  # 1
    reached("abandon", "kept")
    if road.generation(parts.store).table != current.table:
        raise FencedError(
            "the replay has swapped its tables in meanwhile", where=road.table, hint="pinflow status"
        )
    table.stamp(road.job, plan.step)  # 2
    reached("abandon", "stamped")
    return Abandoned(road.side, road.dataset.name, road.table, abandoned=True, worker=plan.worker)


def _fence_of(parts: Parts, road: Road, current: Generation) -> Plan | None:
    """The plan by which a replay holds the job, if one does."""
    table, _ = road.tables_of(parts.store, current)
    if not table.exists():
        return None
    pending = pending_plan(parts.store, road.job, table.version_of(road.job))
    return pending if pending is not None and pending.command else None
