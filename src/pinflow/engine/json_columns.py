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
    from collections.abc import Iterable, Sequence

__all__ = ["DEEPEST", "TWICE", "JsonColumns", "json_columns"]

DEEPEST = 500
"""Arrays and objects within one another. The parser would follow some more, as many as the caller's stack leaves it."""

TWICE = "a field is there twice"
"""Why an object cannot be read: to choose one of the two values would be to drop the other in silence."""

RECORDS_A_BLOCK = 512
"""Records that are read together. Where one of them is unusual, each is read by itself, which takes longer."""

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


def json_columns(records: Any, fields: Sequence[str], numbers: Iterable[str] = ()) -> JsonColumns:
    """Judge records and take their fields apart. It raises for no record. Pure, and safe to call from any thread.

    Args:
        records: Bytes, with None for tombstones: a list, or a column of arro3 or pyarrow. The columns that come out are
            of the same library; of a list, of arro3.
        fields: The fields that are wanted. Others are checked and left out.
        numbers: Those of them that mostly are numbers. It only saves time to know.
    """
    reader = _reader(tuple(fields), frozenset(numbers))
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


@lru_cache(maxsize=16)
def _reader(fields: tuple[str, ...], numbers: frozenset[str]) -> _RecordReader:
    return _RecordReader(fields, numbers)


class _RecordReader:
    """Reads records of some fields.

    In a usual block every record is an object with the members of the first, each once, with texts for values, or
    numbers where numbers are expected. It is read column by column. Two things are certain without a look at each
    record: that a value is the text as sent, since it came as a string, or as bytes; and that no field is there twice,
    since there are no more strings in the block than the names and values that were read.
    """

    def __init__(self, fields: tuple[str, ...], numbers: frozenset[str]) -> None:
        self._fields = fields
        self._numbers = numbers

    def read(self, values: list[Any], found: _Found) -> None:
        """Read a block of records and add what they say to what was found."""
        columns = _shape(self._fields, self._numbers, self._others(values[0])).read(values)
        if columns is None:
            for value in values:
                self._read_one(value, found)
            return
        for texts, column in zip(found.texts, columns, strict=True):
            texts.extend(column)
        found.broken.extend([None] * len(values))
        found.not_object.extend([None] * len(values))

    def _others(self, value: bytes | None) -> tuple[str, ...]:
        """The members of a record that nobody reads; none where they are too many, or oddly named."""
        if value is None or _why_not_object(value) is not None:
            return ()
        others = tuple(name for name in _members(value) if name not in self._fields)
        return others if len(others) <= MOST_OTHERS and all(map(PLAIN_NAME.fullmatch, others)) else ()

    def _read_one(self, value: bytes | None, found: _Found) -> None:
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


class _Shape:
    """Reads blocks whose records have these fields, and perhaps these others, and nothing else."""

    def __init__(self, fields: tuple[str, ...], numbers: frozenset[str], others: tuple[str, ...]) -> None:
        names = [f"member_{number}" for number in range(len(fields) + len(others))]
        members = [
            (name, Any if field in fields and field not in numbers else msgspec.Raw, _named(field))
            for name, field in zip(names, (*fields, *others), strict=True)
        ]
        self._decode = msgspec.json.Decoder(msgspec.defstruct("_Record", members, gc=False)).decode
        self._columns = [
            (attrgetter(name), _numbers if field in numbers else _strings)
            for name, field in zip(names, fields, strict=False)
        ]
        self._others = [attrgetter(name) for name in names[len(fields) :]]

    def read(self, values: list[Any]) -> list[list[str | None]] | None:
        """The columns of a usual block; None where it is not one, or not surely."""
        columns: list[list[str | None]] = []
        strings = 0
        try:
            records = list(map(self._decode, values))
            for get, read in self._columns:
                column = read(list(map(get, records)))
                if column is None:
                    return None
                columns.append(column.texts)
                strings += column.strings
            for get in self._others:
                more = _count_others(list(map(get, records)))
                if more is None:
                    return None
                strings += more
        except (TypeError, ValueError, RecursionError):
            return None
        return columns if strings == _count_strings(b"".join(values)) else None


@lru_cache(maxsize=64)
def _shape(fields: tuple[str, ...], numbers: frozenset[str], others: tuple[str, ...]) -> _Shape:
    return _Shape(fields, numbers, others)


def _named(field: str) -> Any:
    return msgspec.field(name=field, default=_MISSING)


class _Column(NamedTuple):
    """A field of a usual block, and how many strings it took to send it: each name is one, each text another."""

    texts: list[str | None]
    strings: int


_MISSING = msgspec.UNSET


def _strings(values: list[Any]) -> _Column | None:
    """A field of texts; None where some value is anything else."""
    count = len(values)
    kinds = list(map(type, values))
    texts = kinds.count(str)
    if texts == count:
        return _Column(values, 2 * count)
    nothing = kinds.count(NoneType)
    missing = count - texts - nothing
    if missing:
        if kinds.count(msgspec.UnsetType) != missing:
            return None
        values = [None if value is _MISSING else value for value in values]
    return _Column(values, 2 * texts + nothing)


def _numbers(values: list[Any]) -> _Column | None:
    """A field of numbers; a few texts and `null` among them do not matter. None where a value is nested."""
    texts: list[str | None] = [None if value is _MISSING else str(value, "utf-8") for value in values]
    strings = len(values)
    for index, text in enumerate(texts):
        if text is None:
            strings -= 1
        elif not "-" <= text < ":":  # not a number
            if text[0] in "[{":
                return None
            strings += text[0] == '"'
            texts[index] = _text(values[index])
    return _Column(texts, strings)


def _count_others(values: list[Any]) -> int | None:
    """How many strings it took to send a member that nobody reads; None where it is nested deep.

    Raises:
        UnicodeDecodeError: It is not UTF-8.
    """
    sent = [value for value in values if value is not _MISSING]
    text = b" ".join(sent)
    text.decode()
    if text.count(b"[") + text.count(b"{") > DEEPEST:
        return None
    return len(sent) + _count_strings(text)


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
