"""What to select, so that a value is the same as in any other database."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from sqlalchemy import Float, literal_column, text, type_coerce
from sqlalchemy.types import TypeDecorator

from pinflow.errors import TerminalError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Column, ColumnElement, Connection, Dialect, Table

__all__ = ["selected", "shortest_single"]

TYPES = text("""
SELECT column_name, data_type
FROM information_schema.columns
WHERE table_schema = DATABASE() AND table_name = :name
""")

UNREADABLE = frozenset(
    {"binary", "bit", "blob", "geometry", "longblob", "mediumblob", "tinyblob", "varbinary"}
)
"""Types whose values are no text, number or time that JSON could carry."""

FLOAT_DIGITS = range(6, 10)
"""Six digits always survive a FLOAT, nine always name one (IEEE 754, 24 bits)."""


def selected(connection: Connection, table: Table, where: str) -> Sequence[ColumnElement[Any]]:
    """What to select for each column of a table, which others may have made with types of their own.

    Raises:
        TerminalError: A column is missing, hidden from this user, or of a type that is not read.
    """
    types = {
        str(name).lower(): str(kind).lower() for name, kind in connection.execute(TYPES, {"name": table.name})
    }
    for column in table.columns:
        kind = types.get(column.name)
        if kind is None:
            raise _misfit(table, column, where, "is missing, or hidden from this user")
        if kind in UNREADABLE:
            raise _misfit(table, column, where, f"is of type {kind}, which is not read")
    return [_whole(column) if types[column.name] == "float" else column for column in table.columns]


def shortest_single(value: float) -> float:
    """The number with the fewest digits that is the same FLOAT: -179.9123 for -179.91229248046875."""
    for digits in FLOAT_DIGITS:
        short = float(f"{value:.{digits}g}")
        if struct.pack("f", short) == struct.pack("f", value):
            return short
    return value


def _misfit(table: Table, column: Column[Any], where: str, what: str) -> TerminalError:
    return TerminalError(
        f"column {column.name} of {table.name} {what}",
        where=where,
        hint=f"SHOW CREATE TABLE {table.name}, and compare with docs/parts/source.md",
    )


class _Single(TypeDecorator[float]):
    """A number that was kept with 24 bits."""

    impl = Float(53)
    cache_ok = True

    def process_result_value(self, value: float | None, dialect: Dialect) -> float | None:  # noqa: ARG002
        return None if value is None else shortest_single(value)


def _whole(column: Column[Any]) -> ColumnElement[Any]:
    """A FLOAT column with all its digits.

    The server shows a FLOAT with six digits, -179.9123 as -179.912. Turned into a DOUBLE it comes whole.
    """
    return type_coerce(column.op("+")(literal_column("0e0")), _Single()).label(column.name)
