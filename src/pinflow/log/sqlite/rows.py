"""The rows of a SQLite log: finding, adding and reading them inside somebody's transaction."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

import msgspec

from pinflow.errors import UnknownPartitionError, UnknownTopicError
from pinflow.log.records import Records, size_of
from pinflow.log.sqlite.clock import microseconds

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from pinflow.log.records import ProduceBatch

__all__ = [
    "Row",
    "StoredRecords",
    "Topic",
    "batches_from",
    "cap",
    "insert",
    "offset_range",
    "offsets_of",
    "rows_of",
    "topic_row",
]

_encode = msgspec.msgpack.Encoder().encode


class Topic(NamedTuple):
    """A topic's number among the rows, and its number of partitions."""

    id: int
    partitions: int


def topic_row(db: sqlite3.Connection, topic: str, *, live: bool = True) -> Topic:
    """The row of a topic; with `live`, of one that was not deleted.

    Raises:
        UnknownTopicError: There is no such topic.
    """
    row = db.execute("SELECT id, partitions, live FROM topic WHERE name = ?", (topic,)).fetchone()
    if row is None or (live and not row[2]):
        raise UnknownTopicError(f"there is no topic {topic!r}", where=topic, hint="pinflow status")
    return Topic(row[0], row[1])


class Row(NamedTuple):
    """What an append adds to a partition: its records as one body, the last of them accepted by batch `at`."""

    topic: str
    partition: int | None
    records: int
    body: bytes
    at: int


class StoredRecords(Records, frozen=True, array_like=True, gc=False):
    """Records as the body of a row.

    `earlier` says, as pairs of microseconds and a number of records, how much earlier than the row's time they were
    accepted; None where all the row is one batch.
    """

    earlier: list[tuple[int, int]] | None = None

    @property
    def plain(self) -> Records:
        """The records without their times."""
        return Records(self.values, self.keys, self.headers)

    def timestamps(self, accepted_at: int) -> list[int]:
        """When each was accepted, given the row's time, microseconds since 1970 UTC."""
        if self.earlier is None:
            return [accepted_at] * len(self)
        return [accepted_at - before for before, count in self.earlier for _ in range(count)]


def rows_of(batches: Sequence[ProduceBatch]) -> list[Row]:
    """The rows of an append, one a partition, in the order in which their last records came."""
    merged: dict[tuple[str, int | None], list[int]] = {}
    for at, batch in enumerate(batches):
        merged.setdefault((batch.topic, batch.partition), []).append(at)
    rows = []
    for (topic, partition), members in merged.items():
        records, last = Records.concat([batches[at].records for at in members]), members[-1]
        earlier = [(last - at, len(batches[at].records)) for at in members] if len(members) > 1 else None
        body = _encode(StoredRecords(records.values, records.keys, records.headers, earlier))
        rows.append(Row(topic, partition, len(records), body, last))
    return sorted(rows, key=attrgetter("at"))


def insert(db: sqlite3.Connection, added: Row, accepted_at: int) -> int:
    """Add a row at the end of its partition, accepted at a time, and return its first offset.

    Raises:
        UnknownTopicError: There is no such topic.
        UnknownPartitionError: There is no such partition.
    """
    topic, partition, count, body, _ = added
    row = topic_row(db, topic)
    if partition is None or not 0 <= partition < row.partitions:
        raise UnknownPartitionError(
            f"topic {topic!r} has partitions 0 to {row.partitions - 1}, not {partition}", where=topic
        )
    tail = db.execute(
        "SELECT next FROM tail WHERE topic = ? AND partition = ?", (row.id, partition)
    ).fetchone()
    first = int(tail[0])
    db.execute(
        "INSERT INTO batch (topic, partition, first, count, accepted_at, crc, body) VALUES (?,?,?,?,?,?,?)",
        (row.id, partition, first, count, accepted_at, crc32(body), body),
    )
    db.execute(
        "UPDATE tail SET next = ? WHERE topic = ? AND partition = ?", (first + count, row.id, partition)
    )
    return first


def offsets_of(batches: Sequence[ProduceBatch], firsts: dict[tuple[str, int | None], int]) -> list[int]:
    """The first offset of every batch, given that of every partition; batches of one partition follow each other."""
    offsets = []
    for batch in batches:
        topic_partition = (batch.topic, batch.partition)
        offsets.append(firsts[topic_partition])
        firsts[topic_partition] += len(batch.records)
    return offsets


def offset_range(db: sqlite3.Connection, topic: int, partition: int) -> tuple[int, int]:
    """The first offset still kept, and the next one to be given out.

    Raises:
        UnknownPartitionError: There is no such partition.
    """
    tail = db.execute(
        "SELECT next FROM tail WHERE topic = ? AND partition = ?", (topic, partition)
    ).fetchone()
    if tail is None:
        raise UnknownPartitionError(f"the topic has no partition {partition}")
    (begin,) = db.execute(
        "SELECT min(first) FROM batch WHERE topic = ? AND partition = ?", (topic, partition)
    ).fetchone()
    end = int(tail[0])
    begin = end if begin is None else int(begin)
    return begin, end


def batches_from(
    db: sqlite3.Connection, topic: int, partition: int, start: int, end: int
) -> Iterator[tuple[int, int, tuple[int, bytes]]]:
    """The rows that hold offsets from `start` on: first offset, accepted at in microseconds, (crc, body)."""
    if start >= end:
        return
    (first,) = db.execute(
        "SELECT max(first) FROM batch WHERE topic = ? AND partition = ? AND first <= ?",
        (topic, partition, start),
    ).fetchone()
    rows = db.execute(
        "SELECT first, accepted_at, crc, body FROM batch"
        " WHERE topic = ? AND partition = ? AND first >= ? AND first < ? ORDER BY first",
        (topic, partition, first, end),
    )
    for first_offset, accepted_at, crc, body in rows:
        yield first_offset, microseconds(accepted_at), (crc, body)


def cap(records: Records, skip: int, max_records: int, max_bytes: int) -> Records:
    """The records after `skip` that still fit: at least one, at most `max_records`."""
    rest = records.slice(skip, skip + max(1, max_records))
    if rest.headers is None and sum(map(len, filter(None, rest.values))) <= max_bytes:
        return rest
    size = 0
    for index, value in enumerate(rest.values):
        size += len(value) if value is not None else 0
        size += size_of(rest.headers[index]) if rest.headers is not None else 0
        if size > max_bytes and index:
            return rest.slice(0, index)
    return rest
