"""When records are accepted: strictly later, batch after batch, over the whole log.

Offsets order the records of one partition. What orders those of several is the time of acceptance, so no two batches of
this log share one, whichever partitions, processes and seconds they come in, and none is earlier than one before it,
also where the machine's clock is set back. A time is that of the machine's clock, or one microsecond after the last.

The last time given out is that of the row that was inserted last. `clock` keeps what rows that are gone have had.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

__all__ = ["SCHEMA", "days_ahead", "exact_from", "keep_last", "microseconds", "next_moment"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS clock (
    one INTEGER PRIMARY KEY CHECK (one = 1), last INTEGER NOT NULL, found INTEGER NOT NULL
);
INSERT OR IGNORE INTO clock (one, last, found)
SELECT 1, coalesce(max(accepted_at), 0), coalesce(max(accepted_at), 0) FROM batch;
"""
"""A log of version 0.1 has no such table: its times are those of its clock, whatever that did. The last of them is
`found`."""

DAY_US = 86_400_000_000

EARLIEST_US = 10**14
"""The year 1973 in microseconds, the year 5138 in milliseconds. Version 0.1 kept milliseconds: what is less is one of
its times."""


def microseconds(accepted_at: int) -> int:
    """The time of a row, microseconds since 1970 UTC."""
    return accepted_at if accepted_at >= EARLIEST_US else accepted_at * 1000


def next_moment(db: sqlite3.Connection) -> int:
    """The time of the next batch, microseconds since 1970 UTC; call in the transaction that inserts it."""
    return max(time.time_ns() // 1000, _last(db) + 1, EARLIEST_US)


def days_ahead(db: sqlite3.Connection) -> float:
    """By how many days the last time given out is ahead of the machine's clock; negative where it is not."""
    return (_last(db) - time.time_ns() // 1000) / DAY_US


def _last(db: sqlite3.Connection) -> int:
    (kept,) = db.execute("SELECT last FROM clock").fetchone()
    newest = db.execute("SELECT accepted_at FROM batch ORDER BY rowid DESC LIMIT 1").fetchone()
    return max(microseconds(kept), microseconds(newest[0]) if newest is not None else 0)


def exact_from(db: sqlite3.Connection) -> int | None:
    """From which time on times only rise, microseconds since 1970 UTC; None in a log of version 0.1."""
    if db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'clock'").fetchone() == (0,):
        return None
    (found,) = db.execute("SELECT found FROM clock").fetchone()
    return microseconds(found) + 1 if found else 0


def keep_last(db: sqlite3.Connection) -> None:
    """Keep the last time given out; call in a transaction that may delete the row that has it."""
    db.execute("UPDATE clock SET last = ?", (next_moment(db) - 1,))
