"""Values as text for people. What users have written never moves the cursor, colours a terminal or hides anything."""

from __future__ import annotations

import unicodedata
from base64 import b64encode

__all__ = ["text_of", "visible"]

JOINERS = "\u200c\u200d"
"""They are invisible, but scripts and emoji are written with them."""

HARMLESS = {"Co", "Cn"}
"""Private characters, and those that are newer than this Python."""

EXACT_BELOW = 1e15
"""A whole float below it is written without an exponent."""


def text_of(value: object) -> str:
    """A value as people read it: NULL as a blank, whole floats without their point, bytes in Base64, lists as JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT_BELOW:
        return str(int(value))
    if isinstance(value, bytes):
        return b64encode(value).decode("ascii")
    if isinstance(value, list | tuple | dict):
        from pinflow.cli.json_text import json_text

        return json_text(value)
    return str(value)


def visible(text: str, *, keep: str = "") -> str:
    r"""The text with characters that a terminal would act on written out, such as `\x1b`, but for those of `keep`."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else _shown(char) for char in text)


def _shown(char: str) -> str:
    kind = unicodedata.category(char)
    if kind == "Zs":
        return " "
    if char in JOINERS or kind in HARMLESS:
        return char
    return char.encode("unicode_escape").decode("ascii")
