"""Opening the SQLite file of a log, and translating SQLite's errors into ours."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import unquote

from pinflow.errors import AbsentError, ConfigError, CorruptError, PinflowError, UnavailableError
from pinflow.log.sqlite import clock, idempotency
from pinflow.log.sqlite.reader import ImmutableConnection, open_to_read

__all__ = ["Reading", "Transaction", "connect", "path_of"]

BUSY_TIMEOUT_S = 0.75
"""How long a statement waits for another process's lock before the log counts as unavailable: long against a commit,
and short enough that the gateway answers its clients within two seconds."""

WAL_AUTOCHECKPOINT_PAGES = 4000
"""16 MB of WAL between checkpoints: long enough to write in one go, short enough that readers stay fast."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS identity (one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL);
INSERT OR IGNORE INTO identity (one, id) VALUES (1, lower(hex(randomblob(16))));
CREATE TABLE IF NOT EXISTS topic (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, partitions INTEGER NOT NULL, live INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS tail (
    topic INTEGER NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batch (
    topic INTEGER NOT NULL, partition INTEGER NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL,
    accepted_at INTEGER NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS batch_position ON batch (topic, partition, first, count);
"""


def connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """Open the file with a durable commit, and make its tables unless it is only to be read.

    Raises:
        AbsentError: It is only to be read, and not there.
        UnavailableError: It cannot be opened.
        TerminalError: It is only to be read, and this user may not.
        CorruptError: It is not a database.
    """
    try:
        if not read_only:
            return _open(path)
        path.stat()
        return open_to_read(path, timeout=BUSY_TIMEOUT_S)
    except FileNotFoundError as error:
        raise AbsentError(
            "there is no log yet", where=str(path), hint="pinflow gateway, or pinflow demo"
        ) from error
    except (sqlite3.Error, OSError) as error:
        raise _translate_error("opened", error, str(path)) from error


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute(f"PRAGMA wal_autocheckpoint = {WAL_AUTOCHECKPOINT_PAGES}")
    if db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'clock'").fetchone() == (0,):
        db.executescript(f"BEGIN IMMEDIATE;{SCHEMA}{idempotency.SCHEMA}{clock.SCHEMA}COMMIT;")
    return db


def path_of(url: str) -> Path:
    """The file of a URL `sqlite:///path`.

    Raises:
        ConfigError: It names no file.
    """
    if not url.startswith("sqlite:///") or url == "sqlite:///":
        raise ConfigError("a SQLite log needs a file", where=f"log.url = {url}", hint="sqlite:///path/log.db")
    return Path(unquote(url.removeprefix("sqlite:///")))


class Reading:
    """Gives the connection, and raises SQLite's errors as ours."""

    def __init__(self, db: sqlite3.Connection, where: str) -> None:
        self._db = db
        self._where = where

    def __enter__(self) -> sqlite3.Connection:
        return self._db

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(self._db, ImmutableConnection) and self._db.torn:
            raise UnavailableError(
                "the log began to be written while it was read", where=self._where, hint="run it again"
            ) from error
        if isinstance(error, sqlite3.Error):
            raise _translate_error("read", error, self._where) from error


class Transaction:
    """`BEGIN IMMEDIATE` … `COMMIT`, which raises SQLite's errors as ours."""

    def __init__(self, db: sqlite3.Connection, where: str) -> None:
        self._db = db
        self._where = where

    def __enter__(self) -> sqlite3.Connection:
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise _translate_error("written", error, self._where) from error
        return self._db

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            try:
                self._db.execute("COMMIT")
            except sqlite3.Error as failed:
                self._rollback()
                raise _translate_error("written", failed, self._where) from failed
            return
        self._rollback()
        if isinstance(error, sqlite3.Error):
            raise _translate_error("written", error, self._where) from error

    def _rollback(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")


def _translate_error(verb: str, error: Exception, where: str) -> PinflowError:
    code = getattr(error, "sqlite_errorcode", 0) & PRIMARY_CODE
    if code in DAMAGED:
        return CorruptError(
            f"the log cannot be {verb}: {error}", where=where, hint="bring the file back from a copy"
        )
    hint = "pinflow doctor"
    if code in REFUSED or isinstance(error, PermissionError):
        hint = "run as a user who may write the file and its folder, and see whether the disk is mounted read-only"
    return UnavailableError(f"the log cannot be {verb}: {error}", where=where, hint=hint)


PRIMARY_CODE = 0xFF
"""SQLite's extended codes have what kind of error it is in their lowest byte."""

DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
REFUSED = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM)
