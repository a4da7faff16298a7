"""Records on their way to cleaning: texts that are JSON objects, and those that cannot be read as one.

Whether a value is a JSON object is decided here, once and strictly (RFC 8259, UTF-8), not by the engines, whose JSON
readers each forgive other things.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import msgspec

from pinflow.engine.protocol import RecordId

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pinflow.datasets import Dataset
    from pinflow.log import Chunk

__all__ = ["Raw", "Rejected", "raw_columns", "split"]


def raw_columns(dataset: Dataset) -> tuple[tuple[str, str], ...]:
    """What the SQL of a dataset reads: each column and its kind, as the dialect layer names kinds."""
    lineage = {"_topic": "text", "_partition": "int", "_offset": "int", "_accepted_at": "time"}
    return tuple((dict.fromkeys([*dataset.raw, "_broken"], "text") | lineage).items())


class Raw(msgspec.Struct, frozen=True):
    """Columns of records that are JSON objects; `accepted_at` in microseconds since 1970 UTC."""

    texts: list[str]
    partitions: list[int]
    offsets: list[int]
    accepted_at: list[int]


class Rejected(msgspec.Struct, frozen=True):
    """Columns of records that are not, with the reason; a value of None is a tombstone."""

    values: list[bytes | None]
    partitions: list[int]
    offsets: list[int]
    accepted_at: list[int]
    reasons: list[str]


class _Anything(msgspec.Struct):
    """Any JSON object; its members are checked but not kept."""


_check = msgspec.json.Decoder(_Anything).decode

_NO_OBJECT = {
    b"[": "not a JSON object but an array",
    b'"': "not a JSON object but a string",
    b"n": "not a JSON object but null",
    b"t": "not a JSON object but true",
    b"f": "not a JSON object but false",
}


def split(chunks: Iterable[Chunk], refused: Mapping[RecordId, str] | None = None) -> tuple[Raw, Rejected]:
    """Part the records of chunks into JSON objects and the rest. Every record is in exactly one of the two.

    Those that are `refused` belong to the rest, for the reasons given.
    """
    raw, rejected = Raw([], [], [], []), Rejected([], [], [], [], [])
    for chunk in chunks:
        try:
            if refused:
                _split_each(chunk, raw, rejected, refused)
            else:
                _split_clean(chunk, raw)
        except (TypeError, ValueError, RecursionError):
            _split_each(chunk, raw, rejected, {})
    return raw, rejected


def _split_clean(chunk: Chunk, raw: Raw) -> None:
    """Take a chunk whose every record is a JSON object, with list operations only.

    Raises:
        TypeError, ValueError, RecursionError: Some record is not; nothing was taken.
    """
    values = chunk.records.values
    deque(map(_check, values), maxlen=0)  # type: ignore[arg-type]
    raw.texts.extend(list(map(bytes.decode, values)))  # type: ignore[arg-type]
    raw.partitions.extend([chunk.partition] * len(values))
    raw.offsets.extend(chunk.offsets)
    raw.accepted_at.extend(chunk.timestamps)


def _split_each(chunk: Chunk, raw: Raw, rejected: Rejected, refused: Mapping[RecordId, str]) -> None:
    for value, offset, accepted_at in zip(chunk.records.values, chunk.offsets, chunk.timestamps, strict=True):
        reason = refused.get(RecordId(chunk.partition, offset)) or _why_no_object(value)
        into: Raw | Rejected = raw if reason is None else rejected
        into.partitions.append(chunk.partition)
        into.offsets.append(offset)
        into.accepted_at.append(accepted_at)
        if reason is None:
            raw.texts.append((value or b"").decode())
        else:
            rejected.values.append(value)
            rejected.reasons.append(reason)


def _why_no_object(value: bytes | None) -> str | None:
    if value is None:
        return "a tombstone: the record has no value"
    try:
        value.decode()
        _check(value)
    except UnicodeDecodeError as error:
        return f"not UTF-8: {error.reason} at byte {error.start}"
    except msgspec.ValidationError:
        return _NO_OBJECT.get(value.lstrip()[:1], "not a JSON object but a number")
    except msgspec.DecodeError as error:
        return f"not JSON: {error}"
    except RecursionError:
        return "not JSON that can be read: nested too deep"
    return None
