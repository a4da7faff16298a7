"""The last net below the rules: a record at whose value a rule fails goes to quarantine, and all others are cleaned.

The shipped rules fail at no value; the net is for custom rules and for faults of an engine. The records of the step
are halved until those that fail alone are found. The search is deterministic in the records, so a repeated step has
the same result. It is also bounded: if most records of a step fail, or very many, the rule is broken. Then the error
is raised, and no record goes to quarantine that a corrected rule would accept. Records that are in quarantine already
may all fail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinflow.engine import RecordId, RecordsInMemory
from pinflow.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pinflow.datasets import Dataset
    from pinflow.engine import Cleaned, Engine, Input
    from pinflow.log import Chunk

__all__ = ["clean_isolating"]

MOST_FAILING = 1_000
"""Records of one step that may fail: to isolate one takes a cleaning for each halving, some hundred ms in all."""

FEW_FAILING = 100
"""Up to this many failing records are isolated even if they are more than half of the step; more show a broken rule."""

LONGEST_REASON = 500
"""Characters of the engine's message that a reason keeps: the message may quote a long value."""


def clean_isolating(engine: Engine, dataset: Dataset, records: Input, *, all_may: bool = False) -> Cleaned:
    """Clean records; reject those at which a rule fails, with the engine's message as the reason.

    Args:
        engine: The engine that cleans.
        dataset: The dataset whose rules apply.
        records: The records; their chunks are read again only after a failure, and then all are kept in memory.
        all_may: Whether all records may fail without the rule being broken, as those in quarantine may.

    Raises:
        RecordError: A rule fails at most records, or at too many, or only at several together.
    """
    try:
        return engine.clean(dataset, records)
    except RecordError:
        chunks = [chunk for chunk in records.chunks() if len(chunk)]
        most = None if all_may else max(sum(map(len, chunks)) // 2, FEW_FAILING)
        search = _Search(engine, dataset, records.topic, most)
        search.isolate(chunks)
        if not search.failing:
            raise
        return engine.clean(dataset, RecordsInMemory(records.topic, chunks), search.failing)


class _Search:
    """Finds the records that fail alone. If more than `most` do, the rule is broken; None sets no bound."""

    def __init__(self, engine: Engine, dataset: Dataset, topic: str, most: int | None) -> None:
        self._most = most
        self._engine = engine
        self._dataset = dataset
        self._topic = topic
        self.failing: dict[RecordId, str] = {}

    def isolate(self, chunks: Sequence[Chunk]) -> None:
        """Clean records together; if they fail, try each half."""
        records = sum(map(len, chunks))
        if not records:
            return
        try:
            self._engine.clean(self._dataset, RecordsInMemory(self._topic, chunks))
        except RecordError as error:
            if records > 1:
                for half in _split(chunks, records // 2):
                    self.isolate(half)
                return
            (chunk,) = chunks
            record = RecordId(chunk.partition, chunk.offsets[0])
            self.failing[record] = f"a rule fails at it: {error.what[:LONGEST_REASON]}"
            self._require_few(error)

    def _require_few(self, error: RecordError) -> None:
        if self._most is not None and len(self.failing) > min(self._most, MOST_FAILING):
            raise RecordError(
                f"the rules fail at {len(self.failing):,} records of a step, or more: {error.what}",
                where=f"{self._dataset.where('clean')} or reject.sql, on {self._topic}",
                hint="correct the rule, then start the job again: it resumes the step",
            ) from error


def _split(chunks: Sequence[Chunk], first: int) -> tuple[list[Chunk], list[Chunk]]:
    """The first `first` records and the others, without empty chunks."""
    before: list[Chunk] = []
    after: list[Chunk] = []
    left = first
    for chunk in chunks:
        cut = min(left, len(chunk))
        left -= cut
        before += [chunk.slice(0, cut)] if cut else []
        after += [chunk.slice(cut, len(chunk))] if cut < len(chunk) else []
    return before, after
