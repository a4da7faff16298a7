"""replay quarantine: rejected records that the current rules accept move to the clean table, each exactly once.

A move is a step of the pipeline's own job:

1. **Plan.** The plan names one by one the records that come clean; positions do not move.
2. **Do.** The records are read from quarantine and cleaned.
3. **Receipt.** The sums count them as rows instead of rejects, and count their cells that a rule made NULL. The receipt
   names the moved records.
4. **Commit.** Samples of such cells and the clean rows are appended, with the transaction (job, step).
5. **Settle.** The same records are removed from quarantine, with the same transaction.

If the process is killed before 4, nothing was moved, and the next replay or worker resumes the step from its plan. If
it is killed before 5, the next one settles the step before anything else. A moved row keeps its offset, so it is
superseded from the start if the table has a later record of its post.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from arro3.core import Table as Arrow

from pinflow.engine import RecordsInMemory, View, as_int
from pinflow.jobs.clean.isolating import clean_isolating
from pinflow.jobs.pipelines import QUARANTINE
from pinflow.jobs.readers.readers import Reader
from pinflow.lake.tables.protocol import Append, RowOffsets
from pinflow.log import Chunk, Records
from pinflow.steps.plan import Plan, Tally
from pinflow.steps.slices import RowSlice, Slice
from pinflow.steps.steps import Prepared

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from arro3.core.types import ArrowStreamExportable

    from pinflow.engine import Engine, Session
    from pinflow.jobs.pipelines import Pipeline
    from pinflow.lake.tables.protocol import Table

__all__ = ["QuarantineReader", "prepare_move"]

RECORDS_A_STEP = 10_000
"""The most that one removal from quarantine may name (`jobs.maintain.superseded_rows`)."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

BYTES_A_STEP = 64 << 20
"""Text that is cleaned at once; a larger record is cleaned alone."""


class QuarantineReader(Reader):
    """A `Reader` that finds rejected records that come clean now; it tries each record once.

    `reader` is the pipeline's own reader, for a pending step of its worker that has to be finished first.
    """

    kind = "move"

    def __init__(self, pipeline: Pipeline, quarantine: Table, engine: Engine, reader: Reader) -> None:
        self._reader = reader
        self._pipeline = pipeline
        self._quarantine = quarantine
        self._engine = engine
        self._untried: list[tuple[int, int, int]] | None = None
        self.tried = 0

    def fetch_next(self, positions: dict[int, str]) -> Sequence[Slice]:  # noqa: ARG002 - positions do not move
        """See `Reader.fetch_next`: slices that name records, and move no position."""
        if self._untried is None:
            self._untried = _list_rejects(self._quarantine, self._engine)
        while self._untried:
            taken = self._take_batch()
            self.tried += sum(len(each.offsets) for each in taken)
            clean = _find_clean(
                self._pipeline, self._engine, read_rejects(self._quarantine, self._engine, taken)
            )
            if clean:
                return [RowSlice(each.partition, each.offsets) for each in clean]
        return []

    def read(self, slices: Iterable[Slice]) -> Iterable[Chunk]:
        """See `Reader.read`: for a step that another worker has planned, and that is not a move."""
        return self._reader.read(slices)

    def _take_batch(self) -> list[RowOffsets]:
        untried = self._untried or []
        size = count = 0
        for _, _, nbytes in untried[:RECORDS_A_STEP]:
            if count and size + nbytes > BYTES_A_STEP:
                break
            size += nbytes
            count += 1
        taken, self._untried = untried[:count], untried[count:]
        return _group_offsets((partition, offset) for partition, offset, _ in taken)


def prepare_move(
    pipeline: Pipeline, table: Table, quarantine: Table, nulled: Table, engine: Engine, plan: Plan, rules: str
) -> Prepared:
    """Do a move by these rules. Deterministic in the plan and the rules; records that are rejected again stay."""
    chunks = read_rejects(quarantine, engine, plan.row_offsets)
    cleaned = clean_isolating(engine, pipeline.dataset, RecordsInMemory(pipeline.topic, chunks), all_may=True)
    clean = set(_record_ids(cleaned.rows))
    moved = _group_offsets(
        (piece.partition, offset)
        for piece in plan.row_offsets
        for offset in piece.offsets
        if (piece.partition, offset) in clean
    )
    cells = {partition: dict(each.cells) for partition, each in cleaned.outcomes.items()}
    tallies = {
        each.partition: Tally(0, len(each.offsets), -len(each.offsets), cells[each.partition])
        for each in moved
    }
    changes = [(table, Append(cleaned.rows))]
    if plan.rules != rules or any(cells.values()):
        changes.insert(0, (nulled, Append(cleaned.nulled)))
    return Prepared(tallies, changes, moved, spans=plan.row_offsets)


def read_rejects(quarantine: Table, engine: Engine, row_offsets: Sequence[RowOffsets]) -> list[Chunk]:
    """Read records of quarantine as they came, by their offsets."""
    session = engine.session([View("rejects", quarantine.snapshot(), QUARANTINE, _bounds_sql(row_offsets))])
    try:
        return [_chunk(session, each) for each in row_offsets]
    finally:
        session.close()


def _chunk(session: Session, row_offsets: RowOffsets) -> Chunk:
    wanted = set(row_offsets.offsets)
    rows = session.ask(
        "SELECT _offset, _accepted_at, raw, raw_bytes, _topic FROM rejects"  # noqa: S608
        f" WHERE _partition = {row_offsets.partition} ORDER BY _offset",
        where="replay quarantine",
    ).rows
    rows = [row for row in rows if row[0] in wanted]
    return Chunk(
        topic=str(rows[0][4]) if rows else "",
        partition=row_offsets.partition,
        start="",
        end="",
        offsets=[as_int(row[0]) for row in rows],
        timestamps=[_microseconds(row[1]) for row in rows],
        records=Records([_original_bytes(row[2], row[3]) for row in rows]),
    )


def _original_bytes(raw: object, raw_bytes: object) -> bytes | None:
    """The exact bytes: quarantine keeps them if the record is not a JSON object, else its text has them all."""
    if isinstance(raw_bytes, bytes):
        return raw_bytes
    return raw.encode() if isinstance(raw, str) else None


def _bounds_sql(row_offsets: Sequence[RowOffsets]) -> str:
    bounds = " OR ".join(
        f"(_partition = {each.partition} AND _offset >= {min(each.offsets)} AND _offset <= {max(each.offsets)})"
        for each in row_offsets
    )
    return f"SELECT * FROM {{table}} WHERE {bounds}"  # noqa: S608


def _list_rejects(quarantine: Table, engine: Engine) -> list[tuple[int, int, int]]:
    """Partition, offset and approximate bytes of every rejected record."""
    columns = "SELECT _partition, _offset, length(raw) AS size FROM {table}"
    session = engine.session([View("rejects", quarantine.snapshot(), QUARANTINE, columns)])
    try:
        rows = session.ask(
            "SELECT _partition, _offset, size FROM rejects ORDER BY _partition, _offset",
            where="replay quarantine",
        ).rows
    finally:
        session.close()
    return [(as_int(a), as_int(b), as_int(c) if c is not None else 0) for a, b, c in rows]


def _find_clean(pipeline: Pipeline, engine: Engine, chunks: list[Chunk]) -> list[RowOffsets]:
    return _group_offsets(
        _record_ids(
            clean_isolating(
                engine, pipeline.dataset, RecordsInMemory(pipeline.topic, chunks), all_may=True
            ).rows
        )
    )


def _record_ids(rows: ArrowStreamExportable) -> list[tuple[int, int]]:
    table = Arrow.from_arrow(rows)
    return list(zip(table.column("_partition").to_pylist(), table.column("_offset").to_pylist(), strict=True))


def _group_offsets(pairs: Iterable[tuple[int, int]]) -> list[RowOffsets]:
    found: dict[int, list[int]] = {}
    for partition, offset in pairs:
        found.setdefault(partition, []).append(offset)
    return [RowOffsets(partition, sorted(offsets)) for partition, offsets in sorted(found.items())]


def _microseconds(value: object) -> int:
    if not isinstance(value, datetime):
        raise TypeError(f"not a time: {value!r}")
    return (value.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
