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

from pinflow.errors import FencedError
from pinflow.failpoints import hit
from pinflow.lake.tables.protocol import Nothing
from pinflow.steps.generations import put_generation
from pinflow.steps.standing import read_standing

if TYPE_CHECKING:
    from pinflow.jobs.pipelines import Pipeline
    from pinflow.jobs.runtime import Runtime
    from pinflow.steps.generations import Generation
    from pinflow.steps.plan import Plan

__all__ = ["Abandoned", "abandon"]


class Abandoned(msgspec.Struct, frozen=True):
    """One pipeline: whether a replay held its job, and who had begun it."""

    side: str
    dataset: str
    table: str
    abandoned: bool
    worker: str = ""


def abandon(runtime: Runtime, pipeline: Pipeline) -> Abandoned:
    """Give up the replay that holds the job of a pipeline, if one does; what it has built is left to `maintain`.

    Raises:
        FencedError: The replay goes on at this moment, and has swapped its tables in.
    """
    current = pipeline.generation(runtime.store)
    plan = _read_fence(runtime, pipeline, current)
    if plan is None:
        return Abandoned(pipeline.side, pipeline.dataset.name, pipeline.table, abandoned=False)
    table, _ = pipeline.tables_of(runtime.tables, current)
    before = read_standing(runtime.store, pipeline.job, table)
    kept = msgspec.structs.replace(
        current,
        number=current.number + 1,
        swapped_at=max(plan.made_at, time.time_ns() // 1_000_000),
        step=plan.step,
        totals=before.totals,
    )
    put_generation(runtime.store, pipeline.table, kept)  # 1
    hit("abandon", "kept")
    if pipeline.generation(runtime.store).table != current.table:
        raise FencedError(
            "the replay has swapped its tables in meanwhile", where=pipeline.table, hint="pinflow status"
        )
    table.commit(pipeline.job, plan.step, Nothing())  # 2
    hit("abandon", "stamped")
    return Abandoned(pipeline.side, pipeline.dataset.name, pipeline.table, abandoned=True, worker=plan.worker)


def _read_fence(runtime: Runtime, pipeline: Pipeline, current: Generation) -> Plan | None:
    """The plan by which a replay holds the job, if one does."""
    table, _ = pipeline.tables_of(runtime.tables, current)
    return read_standing(runtime.store, pipeline.job, table).held_by if table.exists() else None
