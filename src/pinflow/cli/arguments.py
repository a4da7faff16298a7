"""What is given on the command line: paths, texts and numbers, checked before anything is done with them."""

from __future__ import annotations

import math
from typing import Any

import click

from pinflow.errors import UsageError

__all__ = ["MOST_POSTS", "FilledPath", "FiniteRange", "readable"]

MOST_POSTS = 2_147_483_648
"""A post's number is an integer of 32 bits, from 0."""


class FilledPath(click.Path):
    """A path that is not empty: an empty one would be the working folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See `click.Path`."""
        if value == "":
            self.fail("it is empty; name a path, or leave the option out", param, ctx)
        return super().convert(value, param, ctx)


class FiniteRange(click.FloatRange):
    """A range of floats without infinity, and without what is not a number."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See `click.FloatRange`."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return number


def readable(name: str, value: Any) -> Any:
    """An argument, as UTF-8 where the locale of the terminal left its bytes unread.

    Raises:
        UsageError: It is not UTF-8.
    """
    if isinstance(value, tuple):
        return tuple(readable(name, each) for each in value)
    if not isinstance(value, str) or value.isascii():
        return value
    try:
        return value.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"the value of {name} is not UTF-8", where="the command line", hint="write it in UTF-8"
        ) from error
