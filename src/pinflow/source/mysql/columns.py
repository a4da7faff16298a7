"""What to select, so that a value is the same as in any other database."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from sqlalchemy import CHAR, DateTime, Float, Integer, String, cast, literal_column, text, type_coerce
from sqlalchemy.types import NULLTYPE, TypeDecorator

from pinflow.errors import TerminalError
from pinflow.source.protocol import Selection, raw
from pinflow.source.tables import number_column

if TYPE_CHECKING:
    from sqlalchemy import Column, ColumnElement, Connection, Dialect, Table

__all__ = ["selection_of", "shortest_single"]

TYPES = text("""
SELECT column_name, data_type
FROM information_schema.columns
WHERE table_schema = DATABASE() AND table_name = :name
""")

TEXTS = frozenset({
    "binary", "blob", "char", "enum", "inet4", "inet6", "json", "longblob", "longtext", "mediumblob", "mediumtext",
    "set", "text", "tinyblob", "tinytext", "uuid", "varbinary", "varchar",
})  # fmt: skip
"""Bytes are taken for a text in UTF-8."""

NUMBERS = frozenset({
    "bigint", "bit", "decimal", "double", "float", "int", "mediumint", "smallint", "tinyint", "year",
})  # fmt: skip

DAYS = frozenset({"date", "datetime", "timestamp"})

MAKE_IT_A_TIME = (
    "add a DATETIME column, fill it with FROM_UNIXTIME({column}) if it counts seconds since 1970, with "
    "FROM_UNIXTIME({column} / 1000) if milliseconds, and let it take the name {column}"
)

COMPARE = "SHOW CREATE TABLE {table}, and compare with docs/parts/source.md"

FLOAT_DIGITS = range(6, 10)
"""Six digits always survive a FLOAT, nine always name one (IEEE 754, 24 bits)."""


def selection_of(connection: Connection, table: Table, where: str) -> Selection:
    """How a table is read, which others may have made with types of their own.

    Raises:
        TerminalError: A column is missing, hidden from this user, or of a type that has no meaning there.
    """
    types = {
        str(name).lower(): str(kind).lower() for name, kind in connection.execute(TYPES, {"name": table.name})
    }
    for column in table.columns:
        kind = types.get(column.name)
        if kind is None:
            raise _misfit(table, column, where, "is missing, or hidden from this user")
        _require_meaning(table, column, kind, where)
    number = number_column(table)
    return Selection(
        _as_number(number) if types[number.name] in TEXTS | {"bit"} else raw(number),
        [_as_sent(column, types[column.name]) for column in table.columns],
    )


def _require_meaning(table: Table, column: Column[Any], kind: str, where: str) -> None:
    if isinstance(column.type, DateTime):
        if kind in NUMBERS:
            raise _misfit(table, column, where, f"is of type {kind}, which is not a time", MAKE_IT_A_TIME)
        read = TEXTS | DAYS
    elif isinstance(column.type, (Integer, Float)):
        read = TEXTS | NUMBERS
    else:
        read = TEXTS | NUMBERS - {"bit"} | DAYS | {"time"}
    if kind not in read:
        raise _misfit(table, column, where, f"is of type {kind}, which is not read there")


def shortest_single(value: float) -> float:
    """The number with the fewest digits that is the same FLOAT: -179.9123 for -179.91229248046875."""
    for digits in FLOAT_DIGITS:
        short = float(f"{value:.{digits}g}")
        if struct.pack("f", short) == struct.pack("f", value):
            return short
    return value


def _misfit(table: Table, column: Column[Any], where: str, what: str, hint: str = COMPARE) -> TerminalError:
    return TerminalError(
        f"column {column.name} of {table.name} {what}",
        where=where,
        hint=hint.format(table=table.name, column=column.name),
    )


class _Single(TypeDecorator[float]):
    """A number that was kept with 24 bits."""

    impl = Float(53)
    cache_ok = True

    def process_result_value(self, value: float | None, dialect: Dialect) -> float | None:  # noqa: ARG002
        return None if value is None else shortest_single(value)


def _as_sent(column: Column[Any], kind: str) -> ColumnElement[Any]:
    """What `Converter` reads: the driver's value, where that is the whole value and of the column's kind."""
    if kind == "float":
        return _whole(column)
    if kind == "bit":  # the driver gives its bytes
        return _as_number(column)
    if kind in DAYS | {"time"} and isinstance(column.type, String):  # the server's own text of it
        return type_coerce(cast(column, CHAR), NULLTYPE).label(column.name)
    return raw(column)


def _as_number(column: Column[Any]) -> ColumnElement[Any]:
    """A text or bits as a number; without it `10` comes before `9`."""
    return type_coerce(column.op("+")(literal_column("0")), NULLTYPE).label(column.name)


def _whole(column: Column[Any]) -> ColumnElement[Any]:
    """A FLOAT column with all its digits.

    The server shows a FLOAT with six digits, -179.9123 as -179.912. Turned into a DOUBLE it comes whole.
    """
    return type_coerce(column.op("+")(literal_column("0e0")), _Single()).label(column.name)
