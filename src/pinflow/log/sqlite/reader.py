"""Opening the SQLite file of a log to read it, also as a user who may write neither the file nor its folder.

What was committed last stands in `<file>-wal`, and `<file>-shm` says what of it counts. Both are there while a writer
runs, and after one that was killed; the last to close a log deletes them.

1. Both are there: SQLite reads them in its read-only mode, and makes no file.
2. They are not, and this user may write: the same; SQLite makes them.
3. They are not, and this user may not: the file is whole by itself, and is opened as one that nobody changes. SQLite
   takes no lock then, so that a writer which starts meanwhile is not seen; `ImmutableConnection` notices it.
4. There is a `-wal` to be read alone, and the other file cannot be made: the log cannot be read by this user.
"""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING
from urllib.parse import quote

from pinflow.errors import AbsentError, TerminalError, UnavailableError

if TYPE_CHECKING:
    from pathlib import Path

    from pinflow.errors import PinflowError

__all__ = ["ImmutableConnection", "open_to_read"]

TRIES = 5
"""A writer may make or delete the two files between the look at them and the opening."""


class ImmutableConnection(sqlite3.Connection):
    """A connection to a file that nobody changes. It takes no lock: a reader checks afterwards whether that was true.

    Attributes:
        path: The file.
        fingerprint: The file's inode, size and time of writing before it was opened.
    """

    path: Path
    fingerprint: tuple[int, int, int]

    @property
    def outdated(self) -> bool:
        """Whether there is more to read than this connection sees, so that it has to be reopened."""
        return self.torn or _size(self.path, "-wal") > 0

    @property
    def torn(self) -> bool:
        """Whether the file itself was written since, so that what was read may be neither the old nor the new."""
        return _fingerprint(self.path) != self.fingerprint


def open_to_read(path: Path, *, timeout: float) -> sqlite3.Connection:
    """Open an existing file without writing to it; `timeout` is how many seconds a statement waits for a lock.

    Raises:
        TerminalError: This user may not read it.
        UnavailableError: What was written last cannot be read by this user now.
        sqlite3.Error: As SQLite says.
    """
    if not os.access(path, os.R_OK):
        raise _forbidden_error(path)
    for left in reversed(range(TRIES)):
        sizes = (_size(path, "-wal"), _size(path, "-shm"))
        writable = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
        try:
            if writable or min(sizes) >= 0:
                return _connect(path, timeout, sqlite3.Connection)
            if sizes[0] <= 0:
                return _connect(path, timeout, ImmutableConnection)
        except sqlite3.OperationalError:
            if not left or (_size(path, "-wal"), _size(path, "-shm")) == sizes:
                raise
    raise UnavailableError(
        "what was written last to the log cannot be read by this user: a file that is needed next to it does not exist",
        where=f"{path}-shm",
        hint="run pinflow status as the user who writes the log, then this again",
    )


def _connect(path: Path, timeout: float, kind: type[sqlite3.Connection]) -> sqlite3.Connection:
    mode = "mode=ro&immutable=1" if kind is ImmutableConnection else "mode=ro"
    fingerprint = _fingerprint(path)
    db = sqlite3.connect(
        f"file:{quote(os.fsencode(path))}?{mode}",
        uri=True,
        timeout=timeout,
        isolation_level=None,
        check_same_thread=False,
        factory=kind,
    )
    if isinstance(db, ImmutableConnection):
        db.path, db.fingerprint = path, fingerprint
    try:
        empty = db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'identity'").fetchone() == (0,)
    except sqlite3.Error:
        db.close()
        raise
    if empty:
        db.close()
        raise AbsentError("the file holds no log", where=str(path), hint="pinflow gateway, or pinflow demo")
    return db


def _size(path: Path, suffix: str) -> int:
    """The size in bytes of the file that has this suffix besides; -1 where there is none."""
    try:
        return path.with_name(path.name + suffix).stat().st_size
    except FileNotFoundError:
        return -1


def _fingerprint(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _forbidden_error(path: Path) -> PinflowError:
    return TerminalError(
        "this user may not read the log",
        where=str(path),
        hint="let its owner allow it, for the file and those next to it that begin with its name, or run as the owner",
    )
