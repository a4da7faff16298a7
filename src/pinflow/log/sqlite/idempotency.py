"""The table of responses to requests that may come again: written in the transaction of their records.

Its names, `answered` and `token`, are those of the first version that wrote it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from pinflow.errors import RepeatedError
from pinflow.log.records import AppendResult, StoredResponse

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from pinflow.log.records import IdempotencyKey

__all__ = ["SCHEMA", "find", "store"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS answered (
    token BLOB PRIMARY KEY, fingerprint BLOB NOT NULL, answer BLOB NOT NULL, expires INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answered_expires ON answered (expires);
"""

EXPIRED_A_COMMIT = 16
"""Expired rows that one commit removes, besides two for each row it adds: they are removed faster than made."""

_STORE = """
INSERT INTO answered (token, fingerprint, answer, expires) VALUES (?, ?, ?, ?)
ON CONFLICT (token) DO UPDATE SET
    fingerprint = excluded.fingerprint, answer = excluded.answer, expires = excluded.expires
WHERE answered.expires <= ?
"""

_EXPIRE = """
DELETE FROM answered WHERE token IN (SELECT token FROM answered WHERE expires <= ? ORDER BY expires LIMIT ?)
"""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[bytes, list[tuple[int, int]]]).decode


def store(
    db: sqlite3.Connection, keys: Sequence[IdempotencyKey], appended: Sequence[tuple[int, int]]
) -> None:
    """Store keys, given the first offset and the length of every batch of the append; call in its transaction.

    Raises:
        RepeatedError: One of them is stored already.
    """
    now = time.time_ns() // 1_000_000
    db.execute(_EXPIRE, (now, EXPIRED_A_COMMIT + 2 * len(keys)))
    for key in keys:
        answer = _encode((key.note, list(appended[key.start : key.stop])))
        stored = db.execute(_STORE, (key.key, key.fingerprint, answer, key.expires, now))
        if stored.rowcount != 1:
            raise RepeatedError("a request was appended before")


def find(db: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, StoredResponse]:
    """What is stored under these keys and has not expired."""
    now = time.time_ns() // 1_000_000
    found = {}
    for key in keys:
        row = db.execute(
            "SELECT fingerprint, answer FROM answered WHERE token = ? AND expires > ?", (key, now)
        ).fetchone()
        if row is not None:
            note, ranges = _decode(row[1])
            results = [AppendResult(range(first, first + count)) for first, count in ranges]
            found[key] = StoredResponse(row[0], note, results)
    return found
