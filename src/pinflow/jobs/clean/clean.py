"""stream and batch: one job with two readers.

`stream` reads the log and fills the stream tables; `batch` reads the landing zone and fills the batch tables. Both do
the same between: the dataset's SQL makes clean rows, and rejected records go to quarantine in the same step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinflow.engine import Input
from pinflow.errors import GapError
from pinflow.failpoints import hit
from pinflow.jobs.clean.isolating import clean_isolating
from pinflow.jobs.clean.moving import prepare_move
from pinflow.jobs.pipelines import Pipeline, Side, side_pipelines
from pinflow.jobs.readers.acceptance import Acceptance
from pinflow.jobs.readers.readers import LandingReader, LogReader, Reader
from pinflow.lake.landing.zone import Landing
from pinflow.lake.tables.protocol import Append, Remove, Span
from pinflow.steps.plan import Tally
from pinflow.steps.slices import RowSlice
from pinflow.steps.steps import Job, Prepared

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pinflow.engine import Cleaned, Engine
    from pinflow.jobs.runtime import Runtime
    from pinflow.lake.tables.protocol import Tables
    from pinflow.log import Chunk
    from pinflow.steps.generations import Generation
    from pinflow.steps.plan import Plan, Receipt
    from pinflow.steps.slices import Slice

__all__ = ["CleanJob", "clean_jobs", "pipeline_reader"]


class CleanJob(Job):
    """A `Job` that cleans one pipeline; by default under the pipeline's own name, into its current tables."""

    def __init__(
        self,
        pipeline: Pipeline,
        reader: Reader,
        tables: Tables,
        engine: Engine,
        *,
        generation: Generation | None = None,
        name: str = "",
    ) -> None:
        self.name = name or pipeline.job
        self.kind = reader.kind
        self.rules = pipeline.dataset.rules
        self._pipeline = pipeline
        self._tables = tables
        self._generation = generation
        self.renew()
        self._reader = reader
        self._engine = engine

    def renew(self) -> None:
        """See `Job`: a replay may have swapped the tables."""
        generation = self._generation or self._pipeline.generation(self._tables.store)
        self.table, self._quarantine = self._pipeline.tables_of(self._tables, generation)
        self._nulled = self._pipeline.open_nulled(self._tables, generation)

    def fetch_next(self, positions: dict[int, str]) -> Sequence[Slice]:
        """See `Job`."""
        return self._reader.fetch_next(positions)

    def prepare(self, plan: Plan, before: Mapping[int, Tally]) -> Prepared:
        """See `Job`: samples and quarantine come first, so that the commit to the clean table ends the step.

        Each of the two is committed if it has rows, or may have had rows under the rules of another worker.
        """
        if plan.kind == "move":
            return prepare_move(
                self._pipeline, self.table, self._quarantine, self._nulled, self._engine, plan, self.rules
            )
        acceptance = Acceptance(before, plan.made_at if self._reader.has_foreign_times() else None)
        cleaned = clean_isolating(
            self._engine,
            self._pipeline.dataset,
            _StepRecords(self._pipeline.topic, plan.slices, self._reader, acceptance),
        )
        _require_complete(plan, cleaned)
        changes = [(self.table, Append(cleaned.rows))]
        if plan.rules != self.rules or any(each.rejected for each in cleaned.outcomes.values()):
            changes.insert(0, (self._quarantine, Append(cleaned.rejects)))
        if plan.rules != self.rules or any(each.cells for each in cleaned.outcomes.values()):
            changes.insert(0, (self._nulled, Append(cleaned.nulled)))
        spans = [Span(number, each.first, each.last) for number, each in cleaned.outcomes.items()]
        tallies = {
            number: Tally(each.records, each.rows, each.rejected, dict(each.cells))
            for number, each in cleaned.outcomes.items()
        }
        return Prepared(acceptance.add_latest(tallies), changes, spans=spans)

    def after_commit(self, plan: Plan, receipt: Receipt) -> None:
        """See `Job`: publish the positions, and remove records from quarantine that the step has moved."""
        self._reader.show_progress(plan.positions)
        if receipt.moved:
            hit("replay", "moved")
            self._quarantine.commit(self.name, receipt.step, Remove(receipt.moved))
            hit("replay", "settled")


class _StepRecords(Input):
    """The records of a plan, by the reader that found them, with times that do not run backwards."""

    def __init__(self, topic: str, slices: Sequence[Slice], reader: Reader, acceptance: Acceptance) -> None:
        self.topic = topic
        self.slices = slices
        self._reader = reader
        self._acceptance = acceptance

    def chunks(self) -> Iterator[Chunk]:
        """See `Input.chunks`."""
        return self._acceptance.correct_times(self._reader.read(self.slices))


def clean_jobs(runtime: Runtime, side: Side) -> list[CleanJob]:
    """The three jobs of a side, each with its own engine, so that they can run in threads."""
    pipelines = side_pipelines(side, runtime.config.id)
    return [
        CleanJob(
            pipeline, pipeline_reader(runtime, pipeline), runtime.tables, runtime.new_engine(len(pipelines))
        )
        for pipeline in pipelines
    ]


def pipeline_reader(runtime: Runtime, pipeline: Pipeline) -> Reader:
    """The reader of a pipeline's job."""
    if pipeline.side == "stream":
        return LogReader(lambda: runtime.bound_log, pipeline.topic, runtime.config.stream)
    return LandingReader(Landing(runtime.store), pipeline.topic, runtime.config.batch)


def _require_complete(plan: Plan, cleaned: Cleaned) -> None:
    for piece in plan.slices:
        outcome = cleaned.outcomes.get(piece.partition)
        found = outcome.records if outcome is not None else 0
        if not isinstance(piece, RowSlice) and found != piece.records:
            raise GapError(
                f"{found} of {piece.records} records of step {plan.step} were found in partition {piece.partition}, "
                "or clean.sql has dropped some",
                where=plan.job,
                hint="pinflow audit --deep",
            )
