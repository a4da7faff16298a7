"""Decoding a JSON body, with messages that say what is wrong in which record, the same in every dialect."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

import msgspec
from msgspec import Raw

from pinflow.gateway.refusal import Refusal, RefusalReason

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["decode_body", "reason_of"]

T = TypeVar("T")

UNKNOWN_FIELD = re.compile(r"Object contains unknown field `(.*?)`( - at `\$[^`]*`)?", re.DOTALL)
"""msgspec's message about a field that the shape does not have."""

SHOWN_NAME = 64
"""Characters of such a name that the answer repeats: the client may have sent megabytes of it."""

SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
"""Half of a character beyond 16 bits, as JSON escapes it."""

SPACE = rb"\\u0020"
"""Stands for one, of the same length."""


class _Records(msgspec.Struct, gc=False):
    records: list[Raw] | None = None
    records_upper: list[Raw] | None = msgspec.field(name="Records", default=None)


_split = msgspec.json.Decoder(_Records).decode
_check = msgspec.json.Decoder(Raw).decode


def decode_body(decode: Callable[[bytes], T], body: bytes) -> T:
    """Decode a body with `decode`.

    Raises:
        Refusal: The body is not UTF-8, not JSON, or not of the shape.
    """
    try:
        if not body.isascii():
            body.decode()  # raw slices are not checked by the decoder
        return decode(body)
    except msgspec.ValidationError as error:
        message = _explain(str(error))
        malformed = message.startswith("Invalid base64")
        raise Refusal(RefusalReason.MALFORMED if malformed else RefusalReason.INVALID, message) from None
    except UnicodeDecodeError as error:
        message = f"the body is not UTF-8 (byte {error.start}){_record_of(body)}"
        raise Refusal(RefusalReason.MALFORMED, message) from None
    except msgspec.DecodeError as error:
        raise Refusal(RefusalReason.MALFORMED, reason_of(error, body)) from None
    except RecursionError:
        raise Refusal(RefusalReason.MALFORMED, "the JSON is nested too deeply") from None


def _explain(message: str) -> str:
    """The message to the client. An unknown field is named, and refused because its content would be lost."""
    unknown = UNKNOWN_FIELD.fullmatch(message)
    if unknown is None:
        return message
    name = unknown[1] if len(unknown[1]) <= SHOWN_NAME else f"{unknown[1][:SHOWN_NAME]}…"
    return f"the field `{name}` is not known here and would be lost{unknown[2] or ''}"


def reason_of(error: msgspec.DecodeError, body: bytes) -> str:
    """Why a body is not JSON: the decoder's message, or one that names the record with half a surrogate pair."""
    if SURROGATE.search(body):
        try:
            _check(SURROGATE.sub(SPACE, body))
        except (msgspec.DecodeError, RecursionError):
            return str(error)
        return f"half a surrogate pair in a text{_record_of(body)}"
    return str(error)


def _record_of(body: bytes) -> str:
    """Which record of a body holds a text that is not Unicode, as ` - at …`; empty where it is not one of them."""
    whole = SURROGATE.sub(SPACE, body)  # what is cut out here lies there too
    try:
        split = _split(whole)
    except (msgspec.DecodeError, RecursionError):
        return ""
    name, records = (
        ("records", split.records) if split.records is not None else ("Records", split.records_upper)
    )
    start = 0
    for index, record in enumerate(records or []):
        text = bytes(record)
        start = whole.index(text, start)
        try:
            mine = body[start : start + len(text)]
            mine.decode()
            _check(mine)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return f" - at `$.{name}[{index}]`"
        start += len(text)
    return ""
