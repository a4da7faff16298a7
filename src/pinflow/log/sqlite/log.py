"""The embedded log: one SQLite file in WAL mode, full sync, one row an appended batch.

Rows:

- `identity`: one row, drawn when the file was made, which no other log has.
- `topic`: a name, its number of partitions, and whether it lives.
- `tail`: the next offset of every partition. It outlives its topic, so that offsets never start again.
- `batch`: consecutive records of one partition as one msgpack body, with their first offset, count, the time the
  last of them was accepted (microseconds since 1970 UTC) and the CRC-32 of the body.
- `clock`: the last time that rows that are gone have had, see `clock`.
- `answered`: the responses of requests that may come again, see `idempotency`.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple, final
from zlib import crc32

import msgspec

from pinflow.errors import (
    CorruptError,
    GapError,
)
from pinflow.failpoints import hit
from pinflow.findings import Finding
from pinflow.log.offsets import offset_of, position_at
from pinflow.log.partition import CountedOffsets, Partition
from pinflow.log.protocol import IdempotentLog
from pinflow.log.records import (
    AppendResult,
    Capabilities,
    Chunk,
    IdempotencyKey,
    PartitionRange,
    ProduceBatch,
    Records,
    StoredResponse,
)
from pinflow.log.sqlite.clock import days_ahead, exact_from, keep_last, next_moment
from pinflow.log.sqlite.file import Reading, Transaction, connect, path_of
from pinflow.log.sqlite.idempotency import find, store
from pinflow.log.sqlite.reader import ImmutableConnection
from pinflow.log.sqlite.rows import (
    StoredRecords,
    batches_from,
    cap,
    insert,
    offset_range,
    offsets_of,
    rows_of,
    topic_row,
)
from pinflow.log.sqlite.topics import SqliteTopics
from pinflow.log.sqlite.trim import BATCHES_A_TRIM, TrimLimits, find_droppable

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

__all__ = ["SqliteLog"]

_decode = msgspec.msgpack.Decoder(StoredRecords).decode

DAYS_AHEAD = 1.0
"""A clock is set back by less now and then, and nobody needs to know."""


@final
class SqliteLog(IdempotentLog):
    """The embedded log on a SQLite file, `sqlite:///path/to/log.db`."""

    capabilities = Capabilities(idempotent=True)

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        self._path = path_of(url)
        self._read_only = read_only
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._topics = SqliteTopics(self)

    def append(self, batches: Sequence[ProduceBatch]) -> list[AppendResult]:
        """See `EventLog.append`: one transaction, one row a partition, one fsync; no two batches share a time."""
        return self.append_idempotent(batches, ())

    def append_idempotent(
        self, batches: Sequence[ProduceBatch], keys: Sequence[IdempotencyKey]
    ) -> list[AppendResult]:
        """See `IdempotentLog.append_idempotent`: the keys are rows of the same transaction."""
        rows = rows_of(batches)
        with self.transaction() as db:
            moment = next_moment(db)
            firsts = {(row.topic, row.partition): insert(db, row, moment + row.at) for row in rows}
            offsets = offsets_of(batches, firsts)
            appended = [(first, len(batch.records)) for first, batch in zip(offsets, batches, strict=True)]
            if keys:
                store(db, keys, appended)
            hit("log", "inserted")
        hit("log", "committed")
        return [AppendResult(range(first, first + count)) for first, count in appended]

    def stored_responses(self, keys: Sequence[bytes]) -> dict[bytes, StoredResponse]:
        """See `IdempotentLog.stored_responses`."""
        with self.reading() as db:
            return find(db, keys)

    def read(
        self, topic: str, partition: int, position: str | None, *, max_records: int, max_bytes: int
    ) -> Chunk:
        """See `EventLog.read`."""
        with self.reading() as db:
            return self._read(db, _ReadRequest(topic, partition, position, max_records, max_bytes))

    def _read(self, db: sqlite3.Connection, wanted: _ReadRequest) -> Chunk:
        topic, partition, position, max_records, max_bytes = wanted
        row = topic_row(db, topic, live=False)
        begin, end = offset_range(db, row.id, partition)
        start = begin if position is None else offset_of(position)
        if start > end:
            raise CorruptError(
                f"the log ends at offset {end}, but was read up to {start} before: it has lost records",
                where=f"{topic} partition {partition} of {self._path}",
                hint="bring the file back from a copy",
            )
        if start < begin:
            raise GapError(
                f"offsets {start} to {begin - 1} are no longer in the log",
                where=f"{topic} partition {partition} of {self._path}",
                hint="pinflow audit",
            )
        offsets: list[int] = []
        timestamps: list[int] = []
        parts: list[Records] = []
        size = 0
        for first, accepted_at, body in batches_from(db, row.id, partition, start, end):
            records = self._decode_row(body, topic, partition, first)
            skip = max(0, start - first)
            part = cap(records.plain, skip, max_records - len(offsets), max_bytes - size)
            offsets += range(first + skip, first + skip + len(part))
            timestamps += records.timestamps(accepted_at)[skip : skip + len(part)]
            parts.append(part)
            size += len(body)
            if len(part) < len(records) - skip or len(offsets) >= max_records or size >= max_bytes:
                break
        stop = offsets[-1] + 1 if offsets else start
        merged = Records.concat(parts) if parts else Records([])
        return Chunk(topic, partition, position_at(start), position_at(stop), offsets, timestamps, merged)

    def describe(self, topic: str) -> list[Partition]:
        """See `EventLog.describe`: all are open."""
        return [
            Partition(partition, numbering=CountedOffsets(begin, end))
            for partition, (begin, end) in self._offset_ranges(topic)
        ]

    def ranges(self, topic: str, known: Mapping[int, str] | None = None) -> list[PartitionRange]:  # noqa: ARG002 - it counts
        """See `EventLog.ranges`."""
        return [
            PartitionRange(partition, position_at(begin), position_at(end), accepted=end)
            for partition, (begin, end) in self._offset_ranges(topic)
        ]

    def _offset_ranges(self, topic: str) -> list[tuple[int, tuple[int, int]]]:
        with self.reading() as db:
            row = topic_row(db, topic, live=False)
            tails = db.execute("SELECT partition FROM tail WHERE topic = ? ORDER BY partition", (row.id,))
            return [(partition, offset_range(db, row.id, partition)) for (partition,) in tails.fetchall()]

    @property
    def topics(self) -> SqliteTopics:
        """See `EventLog.topics`."""
        return self._topics

    @property
    def identity(self) -> str:
        """See `EventLog.identity`: drawn when the file was made."""
        with self.reading() as db:
            (identity,) = db.execute("SELECT id FROM identity").fetchone()
        return str(identity)

    @property
    def exact_from(self) -> int | None:
        """See `EventLog.exact_from`: from the first append of a version that sees to it."""
        with self.reading() as db:
            return exact_from(db)

    def trim(
        self,
        topic: str,
        partition: int,
        committed: Sequence[str],
        *,
        older_than_ms: int | None,
        keep_bytes: int | None,
    ) -> int:
        """See `EventLog.trim`: whole batches, some a transaction. The file keeps its size; the room is used again."""
        with self.reading() as db:
            row = topic_row(db, topic, live=False)
            limits = TrimLimits(min(map(offset_of, committed), default=0), older_than_ms, keep_bytes)
            firsts, dropped = find_droppable(db, row.id, partition, limits)
        for at in range(0, len(firsts), BATCHES_A_TRIM):
            last = firsts[at : at + BATCHES_A_TRIM][-1]
            with self.transaction() as db:
                keep_last(db)
                db.execute(
                    "DELETE FROM batch WHERE topic = ? AND partition = ? AND first <= ?",
                    (row.id, partition, last),
                )
        return dropped

    def check(self) -> list[Finding]:
        """See `EventLog.check`: times of acceptance that a wrong clock has put far ahead."""
        with self.reading() as db:
            ahead = days_ahead(db) if exact_from(db) is not None else 0.0
        if ahead < DAYS_AHEAD:
            return []
        what = f"times of acceptance are {ahead:,.0f} days ahead of the clock, which was wrong once"
        return [
            Finding(
                what,
                "order is kept; log.retention_seconds drops nothing until then, log.retention_bytes does",
            )
        ]

    def close(self) -> None:
        """See `EventLog.close`."""
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()
            self._local = threading.local()

    def connection(self) -> sqlite3.Connection:
        """This thread's connection, opened on first use, and again when another has begun to write."""
        db: sqlite3.Connection | None = getattr(self._local, "db", None)
        if isinstance(db, ImmutableConnection) and db.outdated:
            with self._lock:
                self._connections.remove(db)
            db.close()
            db = None
        if db is None:
            db = self._local.db = connect(self._path, read_only=self._read_only)
            with self._lock:
                self._connections.append(db)
        return db

    def reading(self) -> Reading:
        """This thread's connection for reading, which raises SQLite's errors as ours."""
        return Reading(self.connection(), str(self._path))

    def transaction(self) -> Transaction:
        """A write transaction on this thread's connection; waits `BUSY_TIMEOUT_S` for another writer."""
        return Transaction(self.connection(), str(self._path))

    def _decode_row(self, body: tuple[int, bytes], topic: str, partition: int, first: int) -> StoredRecords:
        crc, data = body
        if crc32(data) != crc:
            raise CorruptError(
                f"the batch at offset {first} fails its checksum",
                where=f"{topic} partition {partition} of {self._path}",
                hint="bring the file back from a copy; pinflow audit --deep says what has landed",
            )
        return _decode(data)


class _ReadRequest(NamedTuple):
    topic: str
    partition: int
    position: str | None
    max_records: int
    max_bytes: int
