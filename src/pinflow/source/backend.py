"""What a kind of database needs beyond SQL, and which kind a URL names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from msgspec import Struct
from sqlalchemy import make_url, type_coerce
from sqlalchemy.exc import ArgumentError
from sqlalchemy.types import NULLTYPE

from pinflow.config import masked
from pinflow.errors import ConfigError
from pinflow.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import URL, Column, ColumnElement, Connection, Engine, Table
    from sqlalchemy.exc import DBAPIError

    from pinflow.errors import PinflowError

__all__ = ["Backend", "Selection", "Server", "backend_of", "raw"]


class Server(Struct, frozen=True):
    """What a database says of itself: its name and version, and what is not as it had better be."""

    version: str
    findings: tuple[Finding, ...] = ()


class Selection(NamedTuple):
    """How a table is read.

    Attributes:
        number: The post's number as a number, to compare and to sort by, whatever type the column has.
        columns: What to select for each column of the table, with the value as the driver gives it.
    """

    number: ColumnElement[Any]
    columns: Sequence[ColumnElement[Any]]


class Backend(Protocol):
    """One kind of database, at one URL."""

    where: str
    """The URL as it may be shown."""

    def open(self, *, make: bool, long: bool) -> Engine:
        """An engine.

        Args:
            make: Make what the tables stand in, if it is absent.
            long: A statement may take many minutes, as one that reads or writes all posts does.

        Raises:
            AbsentError: There is nothing there, and it is not to be made.
            ConfigError, MissingExtraError, UnavailableError, TerminalError: It cannot be.
        """

    def claim(self, connection: Connection) -> None:
        """Keep other fills away until the connection is closed, and make sure that a fill can be undone whole."""

    def selection(self, connection: Connection, table: Table) -> Selection:
        """How a table, which others may have made with types of their own, is read.

        Raises:
            TerminalError: A column is missing, or of a type that has no meaning there.
        """

    def failure(self, error: DBAPIError) -> PinflowError:
        """What went wrong, in our words."""

    def examine(self, connection: Connection) -> Server:
        """Look at the server without changing anything. Cheap."""


def raw(column: Column[Any]) -> ColumnElement[Any]:
    """A column with its values as the driver gives them: what our own tables hold there says nothing of others'."""
    return type_coerce(column, NULLTYPE)


def backend_of(url: str) -> Backend:
    """The backend that a URL names.

    Raises:
        ConfigError: It names none, or not in a way that can be used.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise _unknown(url) from error
    kind = KINDS.get(parsed.drivername)
    if kind is None:
        raise _unknown(url)
    return kind(parsed, masked(url))


def _sqlite(url: URL, where: str) -> Backend:
    from pinflow.source.sqlite import Sqlite  # noqa: PLC0415 - only the one that is used is loaded

    return Sqlite(url, where)


def _mysql(url: URL, where: str) -> Backend:
    from pinflow.source.mysql import MySql  # noqa: PLC0415

    return MySql(url, where)


KINDS: dict[str, Callable[[URL, str], Backend]] = {
    "sqlite": _sqlite,
    "sqlite+pysqlite": _sqlite,
    "mysql": _mysql,
    "mysql+pymysql": _mysql,
    "mariadb": _mysql,
    "mariadb+pymysql": _mysql,
}
"""How a URL begins → what opens it."""


def _unknown(url: str) -> ConfigError:
    return ConfigError(
        "the source's URL names no database that is known",
        where=f"source.url = {masked(url)}",
        hint="use sqlite:///<file> or mysql+pymysql://<user>@<host>/pinterest_data",
    )
