"""A source in a SQLite file."""

from __future__ import annotations

from pathlib import Path
from sqlite3 import sqlite_version
from typing import TYPE_CHECKING

from sqlalchemy import Numeric, cast, create_engine, func, select, text, type_coerce
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.types import NULLTYPE

from pinflow.errors import AbsentError, ConfigError, CorruptError, TerminalError, UnavailableError
from pinflow.findings import Finding
from pinflow.source.protocol import Backend, Selection, raw
from pinflow.source.tables import GEO, USER, number_column
from pinflow.source.values import MAKE_IT_A_TIME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Connection, Engine, Table
    from sqlalchemy.exc import DBAPIError

    from pinflow.errors import PinflowError

__all__ = ["SqliteSource"]

LOCK_WAIT_SECONDS = 30
"""A writer of a million posts commits within this on a slow disk; readers wait for it."""

UNDECODABLE = "Could not decode to UTF-8"
"""In the driver's error about bytes that are not UTF-8; SQLite itself keeps any bytes as a text."""

MOMENTS = ((GEO, GEO.columns.timestamp), (USER, USER.columns.date_joined))


class SqliteSource(Backend):
    """A source in a file. The file is locked as a whole, so a fill is alone by itself."""

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

    def selection(self, connection: Connection, table: Table) -> Selection:
        """See `Backend`. A column may hold values of every type, so none is refused for what it is declared as."""
        query = text("SELECT name, type FROM pragma_table_xinfo(:table)")
        declared = {
            str(name).lower(): str(kind).upper()
            for name, kind in connection.execute(query, {"table": table.name})
        }
        for column in table.columns:
            if column.name not in declared:
                raise TerminalError(
                    f"column {column.name} of {table.name} is missing",
                    where=self.where,
                    hint=f"compare the schema of {table.name} with docs/parts/source.md",
                )
        number = number_column(table)
        return Selection(
            raw(number)
            if _holds_numbers(declared[number.name])
            else type_coerce(cast(number, Numeric), NULLTYPE),
            [raw(column) for column in table.columns],
        )

    def translate_error(self, error: DBAPIError) -> PinflowError:
        """See `Backend`."""
        if UNDECODABLE in str(error.orig):
            return TerminalError(
                f"a text of the source is not in UTF-8: {error.orig}",
                where=self.where,
                hint="store it in UTF-8, then pinflow doctor",
            )
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
            f"the source is not a database that can be read: {error.orig}",
            where=self.where,
            hint="move the file away, then pinflow source create",
        )

    def describe(self, connection: Connection) -> str:  # noqa: ARG002 - the library keeps the file
        """See `Backend`."""
        return f"SQLite {sqlite_version}"

    def check(self, connection: Connection) -> list[Finding]:
        """See `Backend`."""
        return list(_numbers_for_times(connection))

    def _make_folder(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UnavailableError(
                f"the folder of the source cannot be made: {error}", where=self.where
            ) from error


def _holds_numbers(declared: str) -> bool:
    """Whether SQLite keeps what looks like a number as one in a column of this declared type: its affinity."""
    if "INT" in declared:
        return True
    return bool(declared) and not any(word in declared for word in ("CHAR", "CLOB", "TEXT", "BLOB"))


def _numbers_for_times(connection: Connection) -> Iterator[Finding]:
    for table, column in MOMENTS:
        query = (
            select(func.count()).select_from(table).where(func.typeof(raw(column)).in_(["integer", "real"]))
        )
        if count := connection.execute(query).scalar_one():
            yield Finding(
                f"column {column.name} of {table.name} holds a number in {count:,} rows, which may count seconds, "
                "milliseconds or days",
                MAKE_IT_A_TIME.format(table=table.name, column=column.name),
                broken=True,
            )
