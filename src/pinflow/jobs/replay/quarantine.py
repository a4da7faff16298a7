"""replay quarantine, for one pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pinflow.errors import AbsentError
from pinflow.jobs.clean.clean import CleanJob, pipeline_reader
from pinflow.jobs.clean.moving import QuarantineReader
from pinflow.steps.slices import RowSlice
from pinflow.steps.standing import read_step
from pinflow.steps.steps import Steps

if TYPE_CHECKING:
    from pinflow.jobs.pipelines import Pipeline
    from pinflow.jobs.runtime import Runtime

__all__ = ["Retried", "retry_quarantine"]


class Retried(msgspec.Struct, frozen=True):
    """One pipeline: how many rejected records were tried again, and how many moved (in a dry run: would move)."""

    side: str
    dataset: str
    table: str
    tried: int
    moved: int


def retry_quarantine(runtime: Runtime, pipeline: Pipeline, *, dry_run: bool = False) -> Retried:
    """Try a pipeline's rejected records by the current rules, and move those that come clean; see `jobs.clean.moving`.

    The first move fences a running worker of the pipeline's job, which then ends.

    Raises:
        AbsentError: The pipeline's job has committed nothing yet.
        FencedError: A worker planned a step at the same time; try again.
    """
    table, quarantine = pipeline.tables_of(runtime.tables, pipeline.generation(runtime.store))
    if not read_step(pipeline.job, table):
        raise AbsentError(
            "nothing was cleaned yet", where=pipeline.job, hint=f"pinflow {pipeline.side} --drain"
        )
    reader = QuarantineReader(pipeline, quarantine, runtime.engine, pipeline_reader(runtime, pipeline))
    moved = 0
    if dry_run:
        while slices := reader.fetch_next({}):
            moved += sum(len(piece.offsets) for piece in slices if isinstance(piece, RowSlice))
    else:
        steps = Steps(runtime.store, CleanJob(pipeline, reader, runtime.tables, runtime.engine))
        while plan := steps.advance():
            moved += sum(len(each.offsets) for each in plan.row_offsets)
    return Retried(pipeline.side, pipeline.dataset.name, pipeline.table, reader.tried, moved)
