"""From the value that a database holds to the value that is sent.

Tables that others made keep the same facts in other types: a number as text, a time as a date, a text as bytes. A value
that has one meaning in its column is sent as that, the same from every database. One that has none is sent as it
is: the rules make it NULL and count it, as they do with any other record. What JSON cannot hold, and a number where a
time belongs, is an error: nobody but its maker knows what it counts.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from math import isfinite, isnan
from types import NoneType
from typing import TYPE_CHECKING, Any

from sqlalchemy import DateTime, Float, Integer

from pinflow.errors import TerminalError
from pinflow.source.moments import is_zero_date, moment_of, naive_utc

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Column, Table

__all__ = ["MAKE_IT_A_TIME", "Converter", "UnclearError"]

NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,6})?")
"""Exponents of more digits are left to the rules: `Decimal` raises beyond its own bounds."""

WHOLE_FLOATS = 2**53
"""Below it a float without a fraction is one whole number, and no other."""

WHOLE_DIGITS = 18
"""More than any integer column of the tables takes; `1e999999` is not written out."""

KEPT_SHAPES = 1_000
"""Combinations of types in a row whose conversions are kept: most tables have a dozen."""

SHOWN_CHARACTERS = 80
"""Of a value in a message."""


class UnclearError(ValueError):
    """A value that cannot be sent. `why` is the end of a sentence about it, `hint` what to do."""

    def __init__(self, why: str, hint: str) -> None:
        super().__init__(why)
        self.why = why
        self.hint = hint


class Converter:
    """Turns rows of one table, as the database gives them, into rows to send.

    Args:
        table: Whose columns the rows have, in order.
        where: The source's URL as it may be shown.
    """

    def __init__(self, table: Table, where: str) -> None:
        self._table = table
        self._where = where
        self._columns = list(table.columns)
        self._kinds = [_kind_of(column) for column in self._columns]
        self._steps_of = lru_cache(KEPT_SHAPES)(self._plan)

    def row(self, row: Sequence[Any]) -> list[Any]:
        """A whole row; the post's number comes first.

        Raises:
            TerminalError: A value has no clear meaning; names table, column, post and value.
        """
        values = list(row)
        values[0] = self.number(values[0])
        for position, convert in self._steps_of(tuple(map(type, values))):
            values[position] = self._convert(position, values[position], values[0], convert)
        return values

    def number(self, value: Any) -> int:
        """A post's number.

        Raises:
            TerminalError: It is not a whole number.
        """
        number = _whole(value)
        if type(number) is not int:
            name = self._columns[0].name
            raise TerminalError(
                f"a post's number is not a whole number: column {name} of {self._table.name} holds {_show(value)}",
                where=self._where,
                hint=f"mend or delete that row of {self._table.name}",
            )
        return number

    def value(self, name: str, value: Any, number: int | None = None) -> Any:
        """A value of the column of this name.

        Raises:
            TerminalError: It has no clear meaning.
        """
        position = list(self._table.columns.keys()).index(name)
        _, convert = self._kinds[position]
        return None if value is None else self._convert(position, value, number, convert)

    def _plan(self, types: tuple[type, ...]) -> list[tuple[int, Callable[[Any], Any]]]:
        """What is to be converted in a row with values of these types: most rows of a table have the same."""
        return [
            (position, convert)
            for position, (found, (plain, convert)) in enumerate(zip(types, self._kinds, strict=True))
            if position > 0 and found is not plain and found is not NoneType
        ]

    def _convert(self, position: int, value: Any, number: int | None, convert: Callable[[Any], Any]) -> Any:
        try:
            return convert(value)
        except UnclearError as error:
            name, table = self._columns[position].name, self._table.name
            post = "" if number is None else f" in post {number}"
            raise TerminalError(
                f"column {name} of {table} holds {_show(value)}{post}, {error.why}",
                where=self._where,
                hint=error.hint.format(table=table, column=name),
            ) from error


def _kind_of(column: Column[Any]) -> tuple[type | None, Callable[[Any], Any]]:
    """The type of values that are sent as they come, and what converts the others."""
    if isinstance(column.type, DateTime):
        return None, _moment
    if isinstance(column.type, Float):
        return None, _double
    if isinstance(column.type, Integer):
        return int, _whole
    return str, _text


def _text(value: Any) -> Any:
    if isinstance(value, bytes):
        return _decode(value)
    if isinstance(value, float):
        whole = value.is_integer() and abs(value) < WHOLE_FLOATS
        return str(int(value)) if whole else _name_nonfinite(value) or repr(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value)


def _whole(value: Any) -> Any:
    """A whole number, where it is one; `25.0` and `2.5e1` are."""
    if isinstance(value, bytes):
        value = _decode(value)
    is_number = NUMBER.fullmatch(value) if isinstance(value, str) else isinstance(value, (float, Decimal))
    if not is_number or _name_nonfinite(value):
        return _name_nonfinite(value) or value
    number = Decimal(value)
    if number.adjusted() < WHOLE_DIGITS and number == number.to_integral_value():
        return int(number)
    return f"{value:f}" if isinstance(value, Decimal) else value


def _double(value: Any) -> Any:
    if isinstance(value, bytes):
        value = _decode(value)
    if isinstance(value, str) and not NUMBER.fullmatch(value):
        return value
    number = float(value)
    return number if isfinite(number) else _name_nonfinite(value) or value


def _moment(value: Any) -> Any:
    """A time as ISO text in UTC; the zero date is NULL."""
    if isinstance(value, bytes):
        value = _decode(value)
    if isinstance(value, datetime):
        return naive_utc(value).isoformat()
    if isinstance(value, date):
        return datetime.combine(value, time()).isoformat()
    if not isinstance(value, str):
        raise UnclearError(NOT_A_TIME, MAKE_IT_A_TIME)
    moment = moment_of(value)
    if moment is not None:
        return moment.isoformat()
    return None if is_zero_date(value) else value


NOT_A_TIME = "which is a number and not a time: it may count seconds, milliseconds or days"

MAKE_IT_A_TIME = (
    "store times as text: UPDATE {table} SET {column} = datetime({column}, 'unixepoch') if it counts seconds since "
    "1970, datetime({column} / 1000, 'unixepoch') if milliseconds, datetime({column}) if Julian days"
)


def _name_nonfinite(value: Any) -> str | None:
    """What JSON has no number for, as text; None of all else."""
    if not isinstance(value, float) or isfinite(value):
        return None
    return "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _decode(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise UnclearError(
            "which are bytes and not a text in UTF-8", "store {column} of {table} as text in UTF-8"
        ) from error


def _show(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= SHOWN_CHARACTERS else f"{shown[:SHOWN_CHARACTERS]}…"
