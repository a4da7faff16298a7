"""The rows of a SQLite log: finding, adding and reading them inside somebody's transaction."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from pinflow.errors import UnknownPartitionError, UnknownTopicError
from pinflow.log.records import size_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from pinflow.log.records import Produce, Records

__all__ = ["Topic", "batches_from", "capped", "extent", "insert", "offsets_of", "topic_row"]


class Topic(NamedTuple):
    """A topic's number among the rows, and its number of partitions."""

    id: int
    partitions: int


def topic_row(db: sqlite3.Connection, topic: str, *, live: bool = True) -> Topic:
    """The row of a topic, which must be live unless told otherwise.

    Raises:
        UnknownTopicError: There is none.
    """
    row = db.execute("SELECT id, partitions, live FROM topic WHERE name = ?", (topic,)).fetchone()
    if row is None or (live and not row[2]):
        raise UnknownTopicError(f"there is no topic {topic!r}", where=topic, hint="pinflow status")
    return Topic(row[0], row[1])


def insert(db: sqlite3.Connection, place: tuple[str, int], count: int, body: bytes) -> int:
    """Add a batch at the end of a partition (`place` is topic and partition), and return its first offset.

    Raises:
        UnknownTopicError: There is no such topic.
        UnknownPartitionError: There is no such partition.
    """
    topic, partition = place
    row = topic_row(db, topic)
    if not 0 <= partition < row.partitions:
        raise UnknownPartitionError(
            f"topic {topic!r} has partitions 0 to {row.partitions - 1}, not {partition}", where=topic
        )
    tail = db.execute(
        "SELECT next FROM tail WHERE topic = ? AND partition = ?", (row.id, partition)
    ).fetchone()
    first = int(tail[0])
    db.execute(
        "INSERT INTO batch (topic, partition, first, count, accepted_at, crc, body) VALUES (?,?,?,?,?,?,?)",
        (row.id, partition, first, count, time.time_ns() // 1_000_000, crc32(body), body),
    )
    db.execute(
        "UPDATE tail SET next = ? WHERE topic = ? AND partition = ?", (first + count, row.id, partition)
    )
    return first


def offsets_of(batches: Sequence[Produce], firsts: dict[tuple[str, int], int]) -> list[int]:
    """The first offset of every batch, given that of every partition; batches of one partition follow each other."""
    offsets = []
    for batch in batches:
        place = (batch.topic, batch.partition)
        offsets.append(firsts[place])
        firsts[place] += len(batch.records)
    return offsets


def extent(db: sqlite3.Connection, topic: int, partition: int) -> tuple[int, int]:
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
    """The batches that hold offsets from `start` on: first offset, accepted at, (crc, body)."""
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
        yield first_offset, accepted_at, (crc, body)


def capped(records: Records, skip: int, max_records: int, max_bytes: int) -> Records:
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
