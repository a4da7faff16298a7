"""The headers of a record, and the time that its sender gives it, on their way into the log.

REST Proxy v3 calls a header's name `name`, Karapace and the Kafka Bridge call it `key`; in all of them the value is
Base64. A sender's time is kept as one more header: `_accepted_at` is the log's own time, for it orders records.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Protocol

import msgspec
from msgspec import Meta

from pinflow.gateway.refusal import Refusal, RefusalReason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pinflow.log import Headers

__all__ = ["TIMESTAMP", "Header", "Timestamp", "headers_of"]

TIMESTAMP = "pinflow.timestamp"
"""The header that holds a sender's time, as the text that was sent."""

ISO = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:?\d{2})?", re.ASCII)
"""RFC 3339 as REST Proxy v3 has it, the zone perhaps left out."""

Timestamp = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)] | Annotated[str, Meta(max_length=40)]
"""Milliseconds since 1970 UTC, as Kafka and the Kafka Bridge have it, or RFC 3339."""


class Header(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """One header of a record; null stands for a value of no bytes, as in everything that is read from the log."""

    name: str | None = None
    key: str | None = None
    value: bytes | None = None


class _Headed(Protocol):
    @property
    def headers(self) -> list[Header] | None: ...
    @property
    def timestamp(self) -> Timestamp | None: ...


def headers_of(records: Sequence[_Headed]) -> list[Headers] | None:
    """What each record is kept with, None where no record has any.

    Raises:
        Refusal: A header has no name or two, or a timestamp is not a time.
    """
    if not any([record.headers or record.timestamp is not None for record in records]):  # noqa: C419 - faster
        return None
    return [_headers(record, index) for index, record in enumerate(records)]


def _headers(record: _Headed, index: int) -> Headers:
    headers = [
        (_name(header, f"$.records[{index}].headers[{at}]"), header.value or b"")
        for at, header in enumerate(record.headers or ())
    ]
    if record.timestamp is not None:
        text = str(record.timestamp)
        if isinstance(record.timestamp, str) and not ISO.fullmatch(text):
            raise Refusal(
                RefusalReason.INVALID,
                "a timestamp is a number of milliseconds since 1970 or a text like 2020-08-28T03:52:47Z"
                f" - at `$.records[{index}].timestamp`",
            )
        headers.append((TIMESTAMP, text.encode()))
    return tuple(headers)


def _name(header: Header, where: str) -> str:
    name = header.name if header.name is not None else header.key
    if not name or (header.name is not None and header.key is not None):
        raise Refusal(RefusalReason.INVALID, f"a header has one name, in `name` or in `key` - at `{where}`")
    return name
