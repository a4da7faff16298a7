"""The number of a post in a record, read as `rules/whole_number.sql` reads it: the gateway places records by it."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from pinflow.datasets.dataset import dataset
from pinflow.datasets.naming import dataset_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["post_number_of", "whole_number"]

NUMBER = re.compile(r"([+-]?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?)([0-9]+))?", re.ASCII)

LONGEST = 10
"""Digits of a number of 32 bits, and of an exponent that is read."""

LEAST, GREATEST = -(2**31), 2**31 - 1

NOTHING = msgspec.Raw(b"")


def whole_number(text: str) -> int | None:
    """The value of a text that is a whole number of 32 bits, such as `17`, `-0`, `25.0` and `2.5e1`; else None."""
    found = NUMBER.fullmatch(text)
    if found is None:
        return None
    sign, whole, fraction, minus, exponent = found.groups(default="")
    digits = (whole + fraction).lstrip("0")
    if not digits:
        return 0
    power = exponent.lstrip("0")
    if len(power) > LONGEST:
        return None
    significant = digits.rstrip("0")
    zeros = int(f"{minus}{power or 0}") - len(fraction) + len(digits) - len(significant)
    if zeros < 0 or len(significant) + zeros > LONGEST:
        return None
    value = int(f"{sign}{significant}{'0' * zeros}")
    return value if LEAST <= value <= GREATEST else None


@cache
def post_number_of(topic: str) -> Callable[[bytes | None], int | None]:
    """Reads the post's number in a record of a topic: by the column that the topic's dataset has it in.

    In a topic of no dataset it is `index` or else `ind`. What is read is None where the record cannot be a row.
    """
    name = dataset_of(topic)
    columns = ("index", "ind") if name is None else (dataset(name).number,)
    readers = [_reader(column) for column in columns]
    if len(readers) == 1:
        return readers[0]

    def read(value: bytes | None) -> int | None:
        return next((number for reader in readers if (number := reader(value)) is not None), None)

    return read


def _reader(column: str) -> Callable[[bytes | None], int | None]:
    """Reads the number in one column. Nearly all are bare integers, which the decoder hands over as they are."""
    quick = msgspec.json.Decoder(
        msgspec.defstruct("_Quick", [("number", Any, msgspec.field(name=column, default=None))], gc=False)
    ).decode
    exact = msgspec.json.Decoder(
        msgspec.defstruct(
            "_Exact", [("number", msgspec.Raw, msgspec.field(name=column, default=NOTHING))], gc=False
        )
    ).decode

    def read(value: bytes | None) -> int | None:
        if value is None:
            return None
        try:
            number = quick(value).number  # type: ignore[attr-defined]
            if type(number) is int:
                return number if LEAST <= number <= GREATEST else None
            if type(number) is str:
                return whole_number(number)
            # As a float it is not what was sent; what is neither is not a number.
            return whole_number(bytes(exact(value).number).decode()) if type(number) is float else None  # type: ignore[attr-defined]
        except (ValueError, RecursionError):
            return None

    return read
