"""replay quarantine, for one pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pinflow.errors import AbsentError
from pinflow.jobs.clean.clean import CleanJob, pipeline_reader
from pinflow.jobs.clean.moving import QuarantineReader
from pinflow.steps.steps import Steps

if TYPE_CHECKING:
    from pinflow.jobs.pipelines import Pipeline
    from pinflow.jobs.runtime import Runtime

__all__ = ["Retried", "retry_quarantine"]


class Retried(msgspec.Struct, frozen=True):
    """One pipeline: rejected records tried again, and how many of them are (or in a dry run would be) clean now."""

    side: str
    dataset: str
    table: str
    tried: int
    moved: int


def retry_quarantine(runtime: Runtime, pipeline: Pipeline, *, dry_run: bool = False) -> Retried:
    """Try a pipeline's rejected records by the rules of today, and move what is now clean; see `jobs.clean.moving`.

    A worker of the pipeline's job that runs is fenced by the first move, and ends.

    Raises:
        AbsentError: The pipeline's job has committed nothing yet.
        FencedError: A worker moved at the same time; try again.
    """
    table, quarantine = pipeline.tables_of(runtime.store, pipeline.generation(runtime.store))
    if not table.exists() or not table.version_of(pipeline.job):
        raise AbsentError(
            "nothing was cleaned yet", where=pipeline.job, hint=f"pinflow {pipeline.side} --drain"
        )
    reader = QuarantineReader(pipeline, quarantine, runtime.engine, pipeline_reader(runtime, pipeline))
    moved = 0
    if dry_run:
        anywhere = _Anywhere()
        while slices := reader.fetch_next(anywhere):
            moved += sum(len(piece.offsets) for piece in slices)
    else:
        steps = Steps(runtime.store, CleanJob(pipeline, reader, runtime.store, runtime.engine))
        while plan := steps.advance():
            moved += sum(len(piece.offsets) for piece in plan.slices)
    return Retried(pipeline.side, pipeline.dataset.name, pipeline.table, reader.tried, moved)


class _Anywhere(dict[int, str]):
    """Positions for a survey that nobody will commit."""

    def __missing__(self, partition: int) -> str:
        return ""
