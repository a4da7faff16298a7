"""Kinds of values of URL options: how a text is read, and what to say of one that is not valid."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from pinflow.config.urls import is_server

if TYPE_CHECKING:
    import re
    from collections.abc import Callable

__all__ = ["TEXT", "ValueKind", "choice", "flag", "matching", "number", "patterns", "server", "whole"]

FALSE, TRUE = ("false", "0", "no", "off"), ("true", "1", "yes", "on")


class ValueKind(NamedTuple):
    """How the text of an option is read.

    Attributes:
        read: Gives the value of a text, or raises a ValueError.
        takes: What it accepts, to stand behind "use" in an error.
    """

    read: Callable[[str], Any]
    takes: str


TEXT = ValueKind(str, "a text")


def choice(*texts: str) -> ValueKind:
    """One of some texts."""

    def read(text: str) -> str:
        if text not in texts:
            raise ValueError(text)
        return text

    return ValueKind(read, f"one of: {', '.join(texts)}")


def flag(true: tuple[str, ...] = TRUE, false: tuple[str, ...] = FALSE) -> ValueKind:
    """Yes or no, in any letter case."""

    def read(text: str) -> bool:
        if text.lower() not in true + false:
            raise ValueError(text)
        return text.lower() in true

    return ValueKind(read, f"{true[0]} or {false[0]}")


def number(low: float, high: float, *, above: bool = False) -> ValueKind:
    """A number within bounds; with `above` the lower bound itself is not allowed."""

    def read(text: str) -> float:
        value = float(text)
        if not isfinite(value) or not low <= value <= high or (above and value == low):
            raise ValueError(text)
        return value

    return ValueKind(
        read,
        f"a number above {low:g}, at most {high:,.10g}" if above else f"a number from {low:g} to {high:g}",
    )


def whole(low: int, high: int | None = None) -> ValueKind:
    """A whole number in decimal digits, within bounds."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < low or (high is not None and int(text) > high):
            raise ValueError(text)
        return int(text)

    return ValueKind(
        read, f"a whole number from {low} to {high}" if high is not None else f"a whole number from {low} up"
    )


def matching(pattern: re.Pattern[str], takes: str) -> ValueKind:
    """A text that a pattern fits as a whole."""

    def read(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(text)
        return text

    return ValueKind(read, takes)


def patterns() -> ValueKind:
    """Patterns with commas between them."""
    return ValueKind(lambda text: tuple(filter(None, text.split(","))), "patterns with commas between them")


def server() -> ValueKind:
    """The URL of an HTTP server; empty for none."""

    def read(text: str) -> str:
        if text and not is_server(text):
            raise ValueError(text)
        return text

    return ValueKind(read, "https://host, or http://host:port")
