"""The records of a step on their way through DuckDB: their fields as Arrow columns, and themselves, for quarantine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arro3.core import Array, DataType, RecordBatch, Table

from pinflow.engine.json_columns import json_columns
from pinflow.engine.protocol import RecordId

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pinflow.datasets import Dataset
    from pinflow.log import Chunk

__all__ = ["ParsedRecords", "raw_columns"]

ROWS_A_BATCH = 32_768
"""Rows of an Arrow batch handed over: DuckDB's threads take one batch each."""


def raw_columns(dataset: Dataset) -> tuple[tuple[str, str], ...]:
    """What the SQL of a dataset reads: each column and its kind, as the dialect layer names kinds."""
    lineage = {"_topic": "text", "_partition": "int", "_offset": "int", "_accepted_at": "time"}
    return tuple((dict.fromkeys([*dataset.raw, "_broken"], "text") | lineage).items())


class ParsedRecords:
    """Records of one topic, each known by its row: the place in which it came.

    Attributes:
        table: Their fields as texts, `_broken`, `_not_object`, `_row`, `_partition`, `_offset` and `_accepted_us`,
            microseconds since 1970 UTC. Those that are refused are not in it.
    """

    def __init__(
        self, dataset: Dataset, chunks: Iterable[Chunk], refused: Mapping[RecordId, str] | None = None
    ) -> None:
        self._dataset = dataset
        self._values: list[bytes | None] = []
        self._partitions: list[int] = []
        self._offsets: list[int] = []
        self._accepted_us: list[int] = []
        self._refused: dict[int, str] = {}
        batches: list[RecordBatch] = []
        done = 0
        for chunk in chunks:
            self._add(chunk, refused or {})
            while len(self._values) - done >= ROWS_A_BATCH:
                batches.append(self._batch(range(done, done + ROWS_A_BATCH)))
                done += ROWS_A_BATCH
        if done < len(self._values) or not batches:
            batches.append(self._batch(range(done, len(self._values))))
        self.table = Table.from_batches(batches)

    def _add(self, chunk: Chunk, refused: Mapping[RecordId, str]) -> None:
        if refused:
            for row, offset in enumerate(chunk.offsets, len(self._values)):
                if (reason := refused.get(RecordId(chunk.partition, offset))) is not None:
                    self._refused[row] = reason
        self._values += chunk.records.values
        self._partitions += [chunk.partition] * len(chunk)
        self._offsets += chunk.offsets
        self._accepted_us += chunk.timestamps

    def _batch(self, span: range) -> RecordBatch:
        rows = [row for row in span if row not in self._refused] if self._refused else span
        found = json_columns(_at(self._values, rows), self._dataset.raw)
        lineage = self._lineage(rows)
        return RecordBatch.from_arrays(
            [*found.texts, found.broken, found.not_object, *lineage.values()],
            names=[*self._dataset.raw, "_broken", "_not_object", *lineage],
        )

    def _lineage(self, rows: Sequence[int]) -> dict[str, Array]:
        return {
            "_row": Array(list(rows), type=DataType.int32()),
            "_partition": Array(_at(self._partitions, rows), type=DataType.int32()),
            "_offset": Array(_at(self._offsets, rows), type=DataType.int64()),
            "_accepted_us": Array(_at(self._accepted_us, rows), type=DataType.int64()),
        }

    def rejects(self, reasons: Iterable[tuple[int, str, bytes | None]]) -> Table:
        """What quarantine keeps of those refused, and of these rows: each with its reason and its `_not_object`."""
        found = [*reasons, *((row, reason, self._values[row]) for row, reason in self._refused.items())]
        rows = [row for row, _, _ in found]
        texts = [
            None if value is None else value.decode("utf-8", "replace") for value in _at(self._values, rows)
        ]
        columns = {
            "raw": Array(texts, type=DataType.string()),
            "raw_bytes": Array([exact for _, _, exact in found], type=DataType.binary()),
            "reason": Array([reason for _, reason, _ in found], type=DataType.string()),
            **self._lineage(rows),
        }
        return Table.from_arrays(list(columns.values()), names=list(columns))


def _at(column: list[Any], rows: Sequence[int]) -> list[Any]:
    """The entries of a column at rows."""
    return column[rows.start : rows.stop] if isinstance(rows, range) else [column[row] for row in rows]
