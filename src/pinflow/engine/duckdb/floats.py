"""32-bit floats as the shortest number that means the same: -89.9787, and not -89.97869873046875.

Python knows floats of 64 bits only, and shows what was stored in 32 with digits that nobody wrote.
"""

from __future__ import annotations

import math
from struct import Struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from duckdb.sqltypes import DuckDBPyType

__all__ = ["shorten_floats"]

FEWEST_DIGITS, MOST_DIGITS = 6, 9
"""Any decimal of the fewest digits survives 32 bits; the most distinguish any two 32-bit floats."""

_single = Struct("f")


def shorten_floats(rows: list[tuple[Any, ...]], types: Sequence[DuckDBPyType]) -> list[tuple[Any, ...]]:
    """Rows of these types, with 32-bit floats shorten_floats, also within lists, structs and maps."""
    shorteners = {index: found for index, kind in enumerate(types) if (found := _shortener(kind))}
    if not shorteners:
        return rows
    return [
        tuple(shorteners[index](value) if index in shorteners else value for index, value in enumerate(row))
        for row in rows
    ]


def _shortener(kind: DuckDBPyType) -> Callable[[Any], Any] | None:
    """What shortens the values of a type; None where there is nothing to shorten."""
    if kind.id == "float":
        return _short
    if kind.id not in {*LISTS, "struct", "map"}:
        return None
    children: list[tuple[str, Any]] = kind.children
    if kind.id == "struct":
        fields = {name: found for name, child in children if (found := _shortener(child))}
        return (lambda value: _struct(value, fields)) if fields else None
    if kind.id in LISTS:
        inner = _shortener(children[0][1])
        return inner and (lambda value: value if value is None else type(value)(map(inner, value)))
    key, value = (child for _, child in children)
    if key.id in {*LISTS, "struct", "map"}:  # it comes as two lists, as Python has no such keys
        return None
    keys, values = _shortener(key) or _same, _shortener(value) or _same
    return None if keys is values else lambda value: _map(value, keys, values)


LISTS = {"list", "array"}


def _short(value: float | None) -> float | None:
    if value is None or not math.isfinite(value):
        return value
    for digits in range(FEWEST_DIGITS, MOST_DIGITS):
        short = float(f"{value:.{digits}g}")
        if abs(short) < TOO_LARGE and _single.unpack(_single.pack(short))[0] == value:
            return short
    return float(f"{value:.{MOST_DIGITS}g}")


TOO_LARGE = 3.4028235677973366e38
"""From here on a number is infinite in 32 bits."""


def _same(value: Any) -> Any:
    return value


def _struct(value: dict[str, Any] | None, fields: dict[str, Callable[[Any], Any]]) -> dict[str, Any] | None:
    if value is None:
        return None
    return {name: fields[name](inner) if name in fields else inner for name, inner in value.items()}


def _map(
    value: dict[Any, Any] | None, keys: Callable[[Any], Any], values: Callable[[Any], Any]
) -> dict[Any, Any] | None:
    return None if value is None else {keys(key): values(inner) for key, inner in value.items()}
