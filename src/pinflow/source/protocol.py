"""What a kind of database needs beyond SQL."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from sqlalchemy import type_coerce
from sqlalchemy.types import NULLTYPE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Column, ColumnElement, Connection, Engine, Table
    from sqlalchemy.exc import DBAPIError

    from pinflow.errors import PinflowError
    from pinflow.findings import Finding

__all__ = ["Backend", "Selection", "raw"]


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

    @abstractmethod
    def open(self, *, make: bool, long: bool) -> Engine:
        """An engine.

        Args:
            make: Make what the tables stand in, if it is absent.
            long: A statement may take many minutes, as one that reads or writes all posts does.

        Raises:
            AbsentError: There is nothing there, and it is not to be made.
            ConfigError, MissingExtraError, UnavailableError, TerminalError: It cannot be opened or made.
        """

    @abstractmethod
    def claim(self, connection: Connection) -> None:
        """Keep other fills away until the connection is closed, and make sure that a fill can be undone whole."""

    @abstractmethod
    def selection(self, connection: Connection, table: Table) -> Selection:
        """How a table, which others may have made with types of their own, is read.

        Raises:
            TerminalError: A column is missing, or of a type that has no meaning there.
        """

    @abstractmethod
    def translate_error(self, error: DBAPIError) -> PinflowError:
        """The error of ours for one of the driver."""

    @abstractmethod
    def describe(self, connection: Connection) -> str:
        """The server's name and version, and how the connection is protected where that is a choice."""

    @abstractmethod
    def check(self, connection: Connection) -> list[Finding]:
        """Look at the server and its tables without changing anything. Cheap."""


def raw(column: Column[Any]) -> ColumnElement[Any]:
    """A column with its values as the driver gives them: the types of our own tables need not be those of others."""
    return type_coerce(column, NULLTYPE)
