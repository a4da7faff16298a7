"""How far the job of a pipeline has come, for a replay: by its table, or where that cannot be used, by its plans.

A table that another program has changed or deleted does not say what was committed to it, or can take no step any more.
The plans still do: one is put only when the step before it is committed. So a replay covers the newest plan, whether or
not it was committed: it reads the same records again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pinflow.errors import AbsentError, ChangedTableError, CorruptError, UnavailableError
from pinflow.jobs.pipelines import side_pipelines
from pinflow.steps.ledger import Tally, last_plan, last_receipt, read_plan, read_receipt

if TYPE_CHECKING:
    from pinflow.jobs.pipelines import Pipeline, Side
    from pinflow.jobs.runtime import Runtime
    from pinflow.lake.store.objects import Store
    from pinflow.steps.ledger import Plan

__all__ = ["Standing", "cleaned_roads", "standing"]

LOOKS = 20
"""Looks at a job that moves meanwhile."""


class Standing(NamedTuple):
    """The last step, and after it the positions and the sums over all steps, by partition."""

    step: int
    positions: dict[int, str]
    totals: dict[int, Tally]


def standing(runtime: Runtime, pipeline: Pipeline, *, by_plans: bool = False) -> Standing:
    """How far the pipeline's job has come; with `by_plans` whatever its tables say.

    Raises:
        AbsentError: It has done nothing yet.
        UnavailableError: It moves all the time.
    """
    if by_plans or not _goes_on(runtime, pipeline):
        return _by_plans(runtime, pipeline)
    table = pipeline.open_table(runtime.store)
    for _ in range(LOOKS):
        plan, receipt = (
            last_plan(runtime.store, pipeline.job, table),
            last_receipt(runtime.store, pipeline.job, table),
        )
        if plan is None or receipt is None:
            raise _nothing(pipeline)
        if plan.step == receipt.step:
            return Standing(plan.step, plan.positions, receipt.totals)
    raise UnavailableError("the job moves all the time", where=pipeline.job, hint="try again")


def cleaned_roads(store: Store, side: Side, user_id: str, dataset: str | None) -> list[Pipeline]:
    """The pipeline of a dataset, or without one all of a side whose jobs have done anything.

    Raises:
        AbsentError: None has.
    """
    found = [
        pipeline for pipeline in side_pipelines(side, user_id) if dataset in (None, pipeline.dataset.name)
    ]
    made = [pipeline for pipeline in found if _has_cleaned(store, pipeline)]
    if not made:
        raise AbsentError("nothing was cleaned yet", where=store.url, hint=f"pinflow {side} --drain")
    return made


def _has_cleaned(store: Store, pipeline: Pipeline) -> bool:
    """Whether the pipeline's job has committed a step, be its table gone by now."""
    try:
        table = pipeline.open_table(store)
        return (table.exists() and table.version_of(pipeline.job) > 0) or _newest_step(
            store, pipeline.job
        ) > 1
    except ChangedTableError:
        return True


def _goes_on(runtime: Runtime, pipeline: Pipeline) -> bool:
    """Whether a worker can commit to the tables, and no commit of theirs is lost."""
    table, quarantine = pipeline.tables_of(runtime.store, pipeline.generation(runtime.store))
    try:
        for each in (table, quarantine):
            if each.exists():
                each.require_writable()
        newest = _newest_step(runtime.store, pipeline.job)
        step = table.version_of(pipeline.job) if table.exists() else 0
    except ChangedTableError:
        return False
    return newest <= step + 1


def _by_plans(runtime: Runtime, pipeline: Pipeline) -> Standing:
    step = _newest_step(runtime.store, pipeline.job)
    plan = read_plan(runtime.store, pipeline.job, step) if step else None
    if plan is not None and plan.swaps and pipeline.generation(runtime.store).step < step:
        step -= 1  # the fence of a replay that has not ended: no worker can have committed it
        plan = read_plan(runtime.store, pipeline.job, step) if step else None
    if plan is None:
        raise _nothing(pipeline)
    return Standing(step, plan.positions, _totals(runtime.store, plan))


def _totals(store: Store, plan: Plan) -> dict[int, Tally]:
    """The sums after a step, by its receipt. Where it got none, only its records are known, beside those before it."""
    try:
        return read_receipt(store, plan.job, plan.step).totals
    except CorruptError:  # its worker died, or was refused, before it
        totals = dict(read_receipt(store, plan.job, plan.step - 1).totals) if plan.step > 1 else {}
    for piece in plan.slices:
        totals[piece.partition] = totals.get(piece.partition, Tally()) + Tally(piece.records)
    return totals


def _newest_step(store: Store, job: str) -> int:
    """The highest step of which there is a plan; 0 for none."""
    names = (path.rpartition("/")[2] for path in store.list(f"plans/{job}"))
    return max((int(name.partition(".")[0]) for name in names if name.partition(".")[0].isdigit()), default=0)


def _nothing(pipeline: Pipeline) -> AbsentError:
    return AbsentError("nothing was cleaned yet", where=pipeline.job, hint=f"pinflow {pipeline.side} --drain")
