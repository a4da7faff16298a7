"""JSON records judged and taken apart on columns, by one function for every engine.

Whether a record is a JSON object is decided here, once and strictly (RFC 8259, UTF-8): the engines' own JSON readers
each forgive other things. Of an object every field comes out as the text that was sent: a string without its quotes and
escapes, a number, a boolean, an array or an object byte for byte, and NULL for `null` and for a field that is missing.

An engine that works elsewhere runs this in its workers. So it needs msgspec and the Arrow library of whoever calls it,
and nothing else.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import import_module
from itertools import accumulate
from operator import attrgetter
from types import NoneType
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DEEPEST", "TWICE", "JsonColumns", "json_columns"]

DEEPEST = 500
"""Arrays and objects within one another. The parser would follow some more, as many as the caller's stack leaves it."""

TWICE = "a field is there twice"
"""Why an object cannot be read: to choose one of the two values would be to drop the other in silence."""

RECORDS_A_BLOCK = 512
"""Records that are read together. Where one of them is unusual, each is read by itself, four times as slow."""

MOST_OTHERS = 100
"""Members that nobody reads, in a block that is read together."""

PLAIN_NAME = re.compile(r"[^\x00-\x1f\"\\]+")
"""Names that stand in JSON as they are, which the parser asks of those that it is given beforehand."""


class JsonColumns(NamedTuple):
    """What records say, as Arrow columns of equal length.

    Attributes:
        texts: The text of each field, in the order in which the fields were named. All are NULL in a broken record.
        broken: Why a record cannot be read, NULL where it can be.
        not_object: The bytes of a record that is not a JSON object, else NULL; of a tombstone there are none.
    """

    texts: list[Any]
    broken: Any
    not_object: Any


def json_columns(records: Any, fields: Sequence[str]) -> JsonColumns:
    """Judge records and take their fields apart. It raises for no record. Pure, and safe to call from any thread.

    Args:
        records: Bytes, with None for tombstones: a list, or a column of arro3 or pyarrow. The columns that come out are
            of the same library; of a list, of arro3.
        fields: The fields that are wanted. Others are checked and left out.
    """
    reader = _reader(tuple(fields))
    values = records if isinstance(records, list) else records.to_pylist()
    found = _Found([[] for _ in fields], [], [])
    for start in range(0, len(values), RECORDS_A_BLOCK):
        reader.read(values[start : start + RECORDS_A_BLOCK], found)
    array, text, binary = _arrow(records)
    return JsonColumns(
        [array(column, type=text) for column in found.texts],
        array(found.broken, type=text),
        array(found.not_object, type=binary),
    )


class _Found(NamedTuple):
    """The same in lists, which grow block by block."""

    texts: list[list[str | None]]
    broken: list[str | None]
    not_object: list[bytes | None]


def _arrow(records: Any) -> tuple[Any, Any, Any]:
    """What makes an array, and the types of text and of bytes, in the library that the records are of."""
    if type(records).__module__.partition(".")[0] == "pyarrow":
        pyarrow = import_module("pyarrow")
        return pyarrow.array, pyarrow.string(), pyarrow.binary()
    arro3 = import_module("arro3.core")
    return arro3.Array, arro3.DataType.string(), arro3.DataType.binary()


class _BlockReader:
    """Reads records of some fields, a block at a time.

    A usual block is read column by column: its records have members that were expected, each once. Two things are
    certain then without a look at each record: that a value is the text as sent, since it came as a string, or as
    bytes; and that no member is there twice, since there are no more strings in the block than the names and values
    that were read. Any other block is read record by record, and teaches what to expect of the next one. What comes out
    is the same either way.
    """

    def __init__(self, fields: tuple[str, ...]) -> None:
        self._fields = fields
        self._shape = _shape(fields, frozenset(), ())

    def read(self, values: list[Any], found: _Found) -> None:
        """Read a block of records and add what they say to what was found."""
        columns = self._shape.read(values)
        if columns is None:
            self._shape = self._learn([self._read_one(value, found) for value in values])
            return
        for texts, column in zip(found.texts, columns, strict=True):
            texts.extend(column)
        found.broken.extend([None] * len(values))
        found.not_object.extend([None] * len(values))

    def _read_one(self, value: bytes | None, found: _Found) -> dict[str, msgspec.Raw]:
        """Read one record, and return its members; of a broken one there are none."""
        broken = _why_not_object(value)
        not_object = None if broken is None else value
        members: dict[str, msgspec.Raw] = {}
        if value is not None and broken is None:
            members = _members(value)
            # A value that is a string counts as one, one that is nested as those within it.
            if _count_strings(value) != len(members) + sum(map(_count_strings, map(bytes, members.values()))):
                broken, members = TWICE, {}
        for texts, field in zip(found.texts, self._fields, strict=True):
            texts.append(_text(members.get(field)))
        found.broken.append(broken)
        found.not_object.append(not_object)
        return members

    def _learn(self, records: list[dict[str, msgspec.Raw]]) -> _Shape:
        """The shape of these records."""
        names = dict.fromkeys(name for members in records for name in members)
        others = [name for name in names if name not in self._fields and PLAIN_NAME.fullmatch(name)]
        bare = frozenset(
            field
            for field in self._fields
            if any(field in members and bytes(members[field])[:1] not in b'"n' for members in records)
        )
        return _shape(self._fields, bare, tuple(others[:MOST_OTHERS]))


@lru_cache(maxsize=16)
def _reader(fields: tuple[str, ...]) -> _BlockReader:
    return _BlockReader(fields)


class _Shape:
    """Reads blocks of records that have these fields, and perhaps these others, and nothing else.

    The values of `bare` fields are anything, those of the rest strings and null.
    """

    def __init__(self, fields: tuple[str, ...], bare: frozenset[str], others: tuple[str, ...]) -> None:
        columns = [f"column_{number}" for number in range(len(fields) + len(others))]
        kinds = [msgspec.Raw if field in bare else Any for field in fields] + [msgspec.Raw] * len(others)
        members = [
            (column, kind, msgspec.field(name=name, default=_MISSING))
            for column, kind, name in zip(columns, kinds, (*fields, *others), strict=True)
        ]
        self._decode = msgspec.json.Decoder(msgspec.defstruct("_Record", members, gc=False)).decode
        self._columns = [
            (attrgetter(column), _read_bare if field in bare else _read_strings)
            for column, field in zip(columns, fields, strict=False)
        ]
        self._others = [attrgetter(column) for column in columns[len(fields) :]]

    def read(self, values: list[Any]) -> list[list[str | None]] | None:
        """The columns of a usual block; None where it is not one, or not surely."""
        columns: list[list[str | None]] = []
        strings = 0
        try:
            records = list(map(self._decode, values))
            for get, read in self._columns:
                texts, count = read(list(map(get, records)))
                columns.append(texts)
                strings += count
            strings += sum(_count_others(list(map(get, records))) for get in self._others)
        except (TypeError, ValueError, RecursionError):
            return None
        return columns if strings == _count_strings(b"".join(values)) else None


@lru_cache(maxsize=64)
def _shape(fields: tuple[str, ...], bare: frozenset[str], others: tuple[str, ...]) -> _Shape:
    return _Shape(fields, bare, others)


_MISSING = msgspec.UNSET


def _read_strings(values: list[Any]) -> tuple[list[str | None], int]:
    """A member of all records of a block, and how many strings it took to send it: each name is one, each text another.

    Raises:
        TypeError: Some value is not a string.
    """
    count = len(values)
    kinds = list(map(type, values))
    strings = kinds.count(str)
    if strings == count:
        return values, 2 * count
    missing = kinds.count(msgspec.UnsetType)
    if strings + missing + kinds.count(NoneType) != count:
        raise TypeError
    if missing:
        values = [None if value is _MISSING else value for value in values]
    return values, strings + count - missing


def _read_bare(values: list[Any]) -> tuple[list[str | None], int]:
    """The same of a member that may be anything.

    Raises:
        ValueError: It is not UTF-8, or may be nested too deep.
    """
    texts: list[str | None] = [None if value is _MISSING else str(value, "utf-8") for value in values]
    strings = len(values)
    for index, text in enumerate(texts):
        if text is None:
            strings -= 1
        elif not "-" <= text < ":":  # not a number
            strings += _count_within(bytes(values[index]))
            texts[index] = _text(values[index])
    return texts, strings


def _count_others(values: list[Any]) -> int:
    """How many strings it took to send a member that nobody reads.

    Raises:
        ValueError: It is not UTF-8, or may be nested too deep.
    """
    sent = [value for value in values if value is not _MISSING]
    text = b" ".join(sent)
    text.decode()
    if text.count(b"[") + text.count(b"{") >= DEEPEST:
        return len(sent) + sum(map(_count_within, map(bytes, sent)))
    return len(sent) + _count_strings(text)


def _count_within(value: bytes) -> int:
    if value.count(b"[") + value.count(b"{") >= DEEPEST:
        raise ValueError
    return _count_strings(value)


def _text(raw: msgspec.Raw | None) -> str | None:
    """The text of one value."""
    if raw is None:
        return None
    text = str(raw, "utf-8")
    if text == "null":
        return None
    return _unquote(raw) if text[0] == '"' else text


_unquote = msgspec.json.Decoder(str).decode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


def _count_strings(text: bytes) -> int:
    """How many strings stand in valid JSON, names included: each has a quote at either end."""
    return (text.count(b'"') - ESCAPED.findall(text).count(b'"')) // 2


class _Anything(msgspec.Struct):
    """Any JSON object; its members are checked but not kept."""


_check = msgspec.json.Decoder(_Anything).decode

_NOT_OBJECT = {
    b"[": "not a JSON object but an array",
    b'"': "not a JSON object but a string",
    b"n": "not a JSON object but null",
    b"t": "not a JSON object but true",
    b"f": "not a JSON object but false",
}


def _why_not_object(value: bytes | None) -> str | None:
    """Why a record is not a JSON object; None where it is one."""
    if value is None:
        return "a tombstone: the record has no value"
    try:
        value.decode()
        if not _is_too_deep(value):
            _check(value)
            return None
    except UnicodeDecodeError as error:
        return f"not UTF-8: {error.reason} at byte {error.start}"
    except msgspec.ValidationError:
        return _NOT_OBJECT.get(value.lstrip()[:1], "not a JSON object but a number")
    except msgspec.DecodeError as error:
        return f"not JSON: {error}"
    except RecursionError:
        pass
    return "not JSON that can be read: nested too deep"


def _is_too_deep(value: bytes) -> bool:
    """Whether a text that begins an object opens more than `DEEPEST` arrays and objects within one another."""
    if value.count(b"[") + value.count(b"{") <= DEEPEST or not value.lstrip().startswith(b"{"):
        return False
    steps = (_STEPS.get(byte, 0) for byte in STRING.sub(b"", value))
    return any(depth > DEEPEST for depth in accumulate(steps))


_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
