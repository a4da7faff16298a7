"""A source in a SQLite file."""

from __future__ import annotations

from pathlib import Path
from sqlite3 import sqlite_version
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine
from sqlalchemy.exc import IntegrityError, OperationalError

from pinflow.errors import AbsentError, ConfigError, CorruptError, TerminalError, UnavailableError
from pinflow.source.backend import Server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import URL, ColumnElement, Connection, Engine, Table
    from sqlalchemy.exc import DBAPIError

    from pinflow.errors import PinflowError

__all__ = ["Sqlite"]

LOCK_WAIT_SECONDS = 30
"""A writer of a million posts commits within this on a slow disk; readers wait for it."""


class Sqlite:
    """See `Backend`. The file is locked as a whole, so a fill is alone by itself."""

    def __init__(self, url: URL, where: str) -> None:
        if url.database in {None, "", ":memory:"}:
            raise ConfigError(
                "the source needs a file: one in memory is gone when its program ends",
                where=f"source.url = {where}",
                hint="use sqlite:///<file>",
            )
        self.where = where
        self._url = url
        self._path = Path(str(url.database))

    def open(self, *, make: bool, long: bool) -> Engine:  # noqa: ARG002 - no statement is given up
        """See `Backend`."""
        if make:
            self._make_folder()
        elif not self._path.exists():
            raise AbsentError("there is no source yet", where=self.where, hint="pinflow source create")
        return create_engine(self._url, connect_args={"timeout": LOCK_WAIT_SECONDS})

    def claim(self, connection: Connection) -> None:
        """See `Backend`."""

    def columns(self, connection: Connection, table: Table) -> Sequence[ColumnElement[Any]]:  # noqa: ARG002
        """See `Backend`."""
        return list(table.columns)

    def failure(self, error: DBAPIError) -> PinflowError:
        """See `Backend`."""
        if isinstance(error, OperationalError):
            return UnavailableError(
                f"the source database cannot be used now: {error.orig}",
                where=self.where,
                hint="check source.url with pinflow config show, and that no program holds the file",
            )
        if isinstance(error, IntegrityError):
            return TerminalError(
                f"another program wrote to the source at the same time, and nothing was changed: {error.orig}",
                where=self.where,
                hint="pinflow source show",
            )
        return CorruptError(
            f"the source is no database that can be read: {error.orig}",
            where=self.where,
            hint="move the file away, then pinflow source create",
        )

    def examine(self, connection: Connection) -> Server:  # noqa: ARG002 - it runs in this process
        """See `Backend`."""
        return Server(f"SQLite {sqlite_version}")

    def _make_folder(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UnavailableError(
                f"the folder of the source cannot be made: {error}", where=self.where
            ) from error
