"""Giving up a replay that has fenced its job and did not finish: the tables stay as they are, and the job goes on.

1. **Keep.** Put the next generation, if absent, with the current folders, and with the job's sums as the sums of the
   fencing step. The replay would put the same generation at its swap: the first put wins, and the other raises.
2. **Stamp.** Make an empty commit to the table, with the transaction (job, step): the step is committed.

If it is killed, run it again.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from pinflow.errors import FencedError
from pinflow.failpoints import hit
from pinflow.lake.tables.protocol import Nothing
from pinflow.steps.generations import put_generation
from pinflow.steps.ledger import pending_plan
from pinflow.steps.standing import read_standing, read_step

if TYPE_CHECKING:
    from pinflow.jobs.pipelines import Pipeline
    from pinflow.jobs.runtime import Runtime
    from pinflow.steps.generations import Generation
    from pinflow.steps.plan import Plan

__all__ = ["Abandoned", "abandon"]


class Abandoned(msgspec.Struct, frozen=True):
    """One pipeline: whether a replay held its job, and the worker that had begun it."""

    side: str
    dataset: str
    table: str
    abandoned: bool
    worker: str = ""


def abandon(runtime: Runtime, pipeline: Pipeline) -> Abandoned:
    """Give up the replay that holds the job of a pipeline, if there is one; `maintain` removes its build later.

    Raises:
        FencedError: The replay has just finished, and has swapped its tables in.
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
    """The plan by which a replay holds the job, if there is one."""
    table, _ = pipeline.tables_of(runtime.tables, current)
    pending = (
        pending_plan(runtime.store, pipeline.job, read_step(pipeline.job, table)) if table.exists() else None
    )
    return pending if pending is not None and pending.is_held else None
