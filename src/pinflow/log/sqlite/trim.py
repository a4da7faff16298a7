"""Which batches of a SQLite log may be dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pinflow.log.sqlite.clock import microseconds

if TYPE_CHECKING:
    import sqlite3

__all__ = ["BATCHES_A_TRIM", "TrimLimits", "find_droppable"]

BATCHES_A_TRIM = 500
"""Batches dropped in one transaction. A gateway that appends waits for it, so it must take milliseconds only."""


class TrimLimits(NamedTuple):
    """What may be dropped: only before offset `committed`, and then by age or by bytes kept. None sets no limit."""

    committed: int
    older_than_ms: int | None
    keep_bytes: int | None


def find_droppable(
    db: sqlite3.Connection, topic: int, partition: int, limits: TrimLimits
) -> tuple[list[int], int]:
    """The first offsets of the oldest batches that may go, in order, and how many records they hold.

    A batch may go only when all before it may, so that a partition never has a gap.
    """
    key = (topic, partition)
    (kept,) = db.execute(
        "SELECT coalesce(sum(length(body)), 0) FROM batch WHERE topic = ? AND partition = ?", key
    ).fetchone()
    rows = db.execute(
        "SELECT first, count, accepted_at, length(body) FROM batch"
        " WHERE topic = ? AND partition = ? AND first + count <= ? ORDER BY first",
        (*key, limits.committed),
    )
    firsts: list[int] = []
    records = 0
    for first, count, accepted_at, size in rows:
        kept -= size
        old = limits.older_than_ms is not None and microseconds(accepted_at) < limits.older_than_ms * 1000
        beyond = limits.keep_bytes is not None and kept >= limits.keep_bytes
        if not (old or beyond):
            break
        firsts.append(first)
        records += count
    return firsts, records
