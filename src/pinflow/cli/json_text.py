"""JSON of anything that is reported or answered."""

from __future__ import annotations

import re
from typing import Any

import msgspec

__all__ = ["json_text"]

_UNSEEN = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]")
"""What JSON lets stand in a text as it is, and a terminal acts on."""


def json_text(value: object, *, indent: int = 0) -> str:
    """A value as JSON, on one line without `indent`. A float that is not a number is null."""
    try:
        data = msgspec.json.encode(value, enc_hook=str)
    except UnicodeEncodeError:
        data = msgspec.json.encode(_encodable(value), enc_hook=str)
    if indent:
        data = msgspec.json.format(data, indent=indent)
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", data.decode())


def _encodable(value: object) -> Any:
    """The same with lone surrogates, as names of files have them, written out: JSON has none."""
    if isinstance(value, dict):
        return {_encodable(key): _encodable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(inner) for inner in value]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, msgspec.Struct):
        return _encodable(msgspec.structs.asdict(value))
    return value
