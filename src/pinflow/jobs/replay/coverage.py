"""What a replay has to cover: the progress of a pipeline's job, by its table or, if that cannot be used, by its plans.

If another program has changed or deleted a table, the table does not show what was committed to it, or takes no more
commits. The plans still show it: a plan is put only when the step before it is committed. So a replay covers the newest
plan, whether or not it was committed: it reads the same records again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pinflow.datasets.naming import require_dataset, require_side
from pinflow.errors import AbsentError, ChangedTableError, CorruptError
from pinflow.jobs.pipelines import side_pipelines
from pinflow.steps.ledger import newest_step, read_plan, read_receipt
from pinflow.steps.plan import Tally, add_tallies
from pinflow.steps.slices import RowSlice
from pinflow.steps.standing import read_standing, read_step

if TYPE_CHECKING:
    from pinflow.jobs.pipelines import Pipeline, Side
    from pinflow.jobs.runtime import Runtime
    from pinflow.lake.store.objects import Store
    from pinflow.lake.tables.protocol import Tables
    from pinflow.steps.plan import Plan

__all__ = ["Coverage", "cleaned_pipelines", "coverage"]


class Coverage(NamedTuple):
    """The last step to cover, and after it the positions and the sums over all steps, by partition."""

    step: int
    positions: dict[int, str]
    totals: dict[int, Tally]


def coverage(runtime: Runtime, pipeline: Pipeline, *, by_plans: bool = False) -> Coverage:
    """The progress of the pipeline's job; with `by_plans` by its plans, whatever its tables say.

    Raises:
        AbsentError: It has committed nothing yet.
    """
    if by_plans or not _can_commit(runtime, pipeline):
        return _read_plans(runtime, pipeline)
    found = read_standing(runtime.store, pipeline.job, pipeline.open_table(runtime.tables))
    if not found.step:
        raise _absent_error(pipeline)
    return Coverage(found.step, found.positions, found.totals)


def cleaned_pipelines(tables: Tables, side: Side, user_id: str, dataset: str | None) -> list[Pipeline]:
    """The pipeline of a dataset, or without one all of a side, if their jobs have committed anything.

    Raises:
        AbsentError: None of them has.
    """
    require_side(side)
    if dataset is not None:
        require_dataset(dataset)
    found = [
        pipeline for pipeline in side_pipelines(side, user_id) if dataset in (None, pipeline.dataset.name)
    ]
    made = [pipeline for pipeline in found if _has_cleaned(tables, pipeline)]
    if not made:
        raise AbsentError("nothing was cleaned yet", where=tables.store.url, hint=f"pinflow {side} --drain")
    return made


def _has_cleaned(tables: Tables, pipeline: Pipeline) -> bool:
    """Whether the pipeline's job has ever committed a step, even if its table was deleted since."""
    try:
        committed = read_step(pipeline.job, pipeline.open_table(tables)) > 0
    except ChangedTableError:
        return True
    return committed or newest_step(tables.store, pipeline.job) > 1


def _can_commit(runtime: Runtime, pipeline: Pipeline) -> bool:
    """Whether a worker can commit to the tables, and none of their commits is lost."""
    table, quarantine = pipeline.tables_of(runtime.tables, pipeline.generation(runtime.store))
    try:
        for each in (table, quarantine):
            if each.exists():
                each.require_writable()
        newest = newest_step(runtime.store, pipeline.job)
        step = read_step(pipeline.job, table)
    except ChangedTableError:
        return False
    return newest <= step + 1


def _read_plans(runtime: Runtime, pipeline: Pipeline) -> Coverage:
    step = newest_step(runtime.store, pipeline.job)
    plan = read_plan(runtime.store, pipeline.job, step) if step else None
    if plan is not None and plan.kind == "swap" and pipeline.generation(runtime.store).step < step:
        step -= 1  # the fence of an unfinished replay: no worker can have committed it
        plan = read_plan(runtime.store, pipeline.job, step) if step else None
    if plan is None:
        raise _absent_error(pipeline)
    return Coverage(step, plan.positions, _totals(runtime.store, plan))


def _totals(store: Store, plan: Plan) -> dict[int, Tally]:
    """The sums after a step, by its receipt. Without one only its number of records is known, and the sums before."""
    try:
        return read_receipt(store, plan).totals
    except CorruptError:  # its worker ended before it put the receipt
        before = (
            read_receipt(store, read_plan(store, plan.job, plan.step - 1)).totals if plan.step > 1 else {}
        )
    covered = [piece for piece in plan.slices if not isinstance(piece, RowSlice)]
    return add_tallies(before, {piece.partition: Tally(piece.records) for piece in covered})


def _absent_error(pipeline: Pipeline) -> AbsentError:
    return AbsentError("nothing was cleaned yet", where=pipeline.job, hint=f"pinflow {pipeline.side} --drain")
