"""JSON is judged strictly and taken apart as it was sent, the same for records together and for each alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from arro3.core import Array, DataType
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests import reference

from pinflow.engine import json_columns as module
from pinflow.engine.json_columns import DEEPEST, TWICE, json_columns

FIELDS = ["ind", "name", "x", "y"]
SURROGATES = {
    "not JSON: Input data was truncated",
    "not JSON: JSON is malformed: invalid utf-16 surrogate pair",
}


def read(*records: bytes | None) -> list[tuple[list[str | None], str | None, bytes | None]]:
    """The texts of each record, why it is broken, and its bytes where it is not an object."""
    found = json_columns(list(records), FIELDS)
    texts = zip(*(column.to_pylist() for column in found.texts), strict=True)
    return list(zip(map(list, texts), found.broken.to_pylist(), found.not_object.to_pylist(), strict=True))


def texts(record: bytes) -> list[str | None]:
    ((found, broken, not_object),) = read(record)
    assert (broken, not_object) == (None, None)
    return found


@pytest.mark.parametrize("field", ["name", "y"])
@pytest.mark.parametrize(
    "sent",
    [
        "0", "-0", "-0.0", "1.50", "1e3", "1E+3", "1e400", "-1e-400", "25.00000000000000000001", "9" * 20, "9" * 5_000,
        "0." + "0" * 400 + "1", "true", "false", "[]", "{}", "[ ]", '{ "a" : [1.50 , -0, "b\\n"] }', "[[1e3],null]",
        '{"a":1,"a":2}', '["\\ud83d\\ude00"]',
    ],
)  # fmt: skip
def test_what_is_not_a_string_is_its_text_as_it_was_sent(field: str, sent: str) -> None:
    assert texts(f'{{"{field}": {sent} }}'.encode()) == [sent if each == field else None for each in FIELDS]


@pytest.mark.parametrize("field", ["name", "y"])
@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ('""', ""), ('"a"', "a"), (r'"\u0041\n\/\"\\"', 'A\n/"\\'), (r'"\u0000"', "\0"), (r'"\ud83d\ude00"', "😀"),
        ('"Ж😀"', "Ж😀"), ('" 1e3 "', " 1e3 "), ('"null"', "null"), ('"[1]"', "[1]"), ("null", None), (r'"\\"', "\\"),
    ],
)  # fmt: skip
def test_a_string_is_its_characters_and_null_is_null(field: str, sent: str, text: str | None) -> None:
    assert texts(f'{{"{field}":{sent}}}'.encode()) == [text if each == field else None for each in FIELDS]


def test_names_count_by_their_characters_and_what_is_not_asked_for_is_left_out() -> None:
    assert texts(b'{"\\u0069nd":7,"more":{"ind":[8]},"NAME":1}') == ["7", None, None, None]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (None, "a tombstone: the record has no value"),
        (b"", "not JSON: Input data was truncated"),
        (b"{", "not JSON: Input data was truncated"),
        (b'{"x":1,}', "not JSON: JSON is malformed: trailing comma in object (byte 7)"),
        (b'{"x":NaN}', "not JSON: JSON is malformed: invalid character (byte 5)"),
        (b'{"x":01}', "not JSON: JSON is malformed: invalid number (byte 6)"),
        (b'{"x":1.}', "not JSON: JSON is malformed: invalid number (byte 7)"),
        (b'{"x":"a\tb"}', "not JSON: JSON is malformed: invalid character (byte 7)"),
        (b'{"more":"\\q"}', "not JSON: JSON is malformed: invalid escaped character (byte 10)"),
        (b'\xef\xbb\xbf{"x":1}', "not JSON: JSON is malformed: invalid character (byte 0)"),
        (b'{"x":"\xff"}', "not UTF-8: invalid start byte at byte 6"),
        (b'{"more":["\xff"]}', "not UTF-8: invalid start byte at byte 10"),
        (b'{"\xff":1}', "not UTF-8: invalid start byte at byte 2"),
        (b'{"x":"\xed\xa0\x80"}', "not UTF-8: invalid continuation byte at byte 6"),
        (b"[1]", "not a JSON object but an array"),
        (b"[" * 100_000, "not a JSON object but an array"),
        (b'"x"', "not a JSON object but a string"),
        (b" 17", "not a JSON object but a number"),
        (b"null", "not a JSON object but null"),
        (b"true", "not a JSON object but true"),
        (b"false", "not a JSON object but false"),
    ],
)
def test_what_is_not_a_json_object_is_said_with_its_bytes(record: bytes | None, reason: str) -> None:
    assert read(record) == [([None] * 4, reason, record)]


@pytest.mark.parametrize(
    "record", [b'{"x":"\\ud800"}', b'{"more":["\\udfff"]}', b'{"\\ud800a":1}', b'{"x":"\\ud800\\u0041"}']
)
def test_half_of_a_pair_of_surrogates_is_not_json(record: bytes) -> None:
    ((_, reason, not_object),) = read(record)
    assert not_object == record
    assert (reason or "").partition(" (byte")[0] in SURROGATES | {
        "not JSON: JSON is malformed: unexpected end of escaped utf-16 surrogate pair"
    }


@pytest.mark.parametrize(
    "record",
    [
        b'{"x":1,"x":1}', b'{"x":1,"\\u0078":2}', b'{"more":1,"more":2}', b'{"":1,"":2}', b'{"x":"a","y":1,"x":"a"}',
        b'{"x":"\\\\","x":"\\\\"}', b'{"x":"\\"","x":1}', b'{"ind":1,"name":["a"],"x":"b","y":2,"ind":1}',
    ],
)  # fmt: skip
def test_a_field_that_is_there_twice_is_said_and_the_record_is_an_object(record: bytes) -> None:
    assert read(record) == [([None] * 4, TWICE, None)]


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
@pytest.mark.parametrize("field", [b"x", b"more"])
def test_how_deep_a_record_may_be_does_not_hang_on_the_stack_of_who_asks(
    opening: bytes, field: bytes
) -> None:
    closing = b"]" if opening == b"[" else b"}"
    levels = DEEPEST - 1  # the record is one itself
    deep = b'{"' + field + b'":' + opening * levels + b"0" + closing * levels + b"}"
    deeper = b'{"' + field + b'":' + opening * (levels + 1) + b"0" + closing * (levels + 1) + b"}"
    wide = b'{"' + field + b'":[' + b"[]," * 3_000 + b'"' + b"[" * 3_000 + b'"]}'
    far = b'{"' + field + b'":' + b"[" * 100_000 + b"}"
    reason = "not JSON that can be read: nested too deep"

    def verdicts(frames: int) -> list[tuple[str | None, bool]]:
        if frames:
            return verdicts(frames - 1)
        return [(broken, not_object is None) for _, broken, not_object in read(deep, deeper, wide, far)]

    expected = [(None, True), (reason, False), (None, True), (reason, False)]
    assert verdicts(0) == verdicts(200) == expected
    for record, verdict in zip((deep, deeper, wide), expected, strict=False):
        for _ in range(2):  # the second time such records are expected
            assert [(broken, kept is None) for _, broken, kept in read(record, record)] == [verdict] * 2


@pytest.mark.parametrize(
    "odd",
    [
        b'{"ind":1,"x":"a","x":"b"}', b'{"ind":1,"more":1,"more":1}', b"[]", None, b'{"ind":1,"x":"\xff"}',
        b'{"ind":1,"more":"\xff"}', b'{"ind":1,"x":1e400}', b'{"ind":{"ind":"ind"}}', b'{"ind":1,"x":[["a"]]}',
        b'{"ind":1,"x":"' + rb"\\" + b'"}', b'{"ind":1,"x":"' + rb"\u0022" + b'","x":1}', b'{"ind":1,"other":2}',
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "usual", [b'{"ind":%d,"name":"a","x":"b\\"","y":1.50}', b'{"ind":%d,"more":["\\u0022"],"y":null}']
)
def test_a_record_comes_to_the_same_among_others_as_alone(usual: bytes, odd: bytes | None) -> None:
    plain: list[bytes | None] = [usual % number for number in range(1_500)]
    records = [*plain[:700], odd, *plain[700:]]
    alone = [read(record)[0] for record in records]
    assert read(*records) == alone
    assert read(*plain) == [*alone[:700], *alone[701:]]


VALUES = st.recursive(
    st.one_of(
        st.text(max_size=6),
        st.sampled_from(['"', "\\", '\\"', "\\\\", "\0", "…", "😀", '","x":1', "[", "null"]),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.booleans(),
        st.none(),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
MEMBERS = st.lists(st.tuples(st.sampled_from([*FIELDS, "more", 'mo"re', "mo\\"]), VALUES), max_size=6)
RECORDS = st.builds(
    lambda members, ascii_only, blank: (
        "{"
        + f",{blank}".join(
            f"{json.dumps(k)}{blank}:{json.dumps(v, ensure_ascii=ascii_only)}" for k, v in members
        )
        + "}"
    ).encode(),
    MEMBERS,
    st.booleans(),
    st.sampled_from(["", " ", "\n"]),
)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(RECORDS | st.binary(max_size=8), min_size=1, max_size=8))
def test_any_records_are_read_as_the_plain_reading_says(records: list[bytes]) -> None:
    for record, (found, broken, _) in zip(records, read(*records), strict=True):
        try:
            members = reference.members(record)
        except reference.NotARowError:
            assert broken is not None, record
            assert found == [None] * 4
        else:
            assert broken is None, record
            assert found == [members.get(field) for field in FIELDS]


def test_a_column_of_arrow_is_read_as_a_list_is() -> None:
    records = [b'{"ind":1,"x":"a"}', None, b"[]", b'{"ind":1.50}']
    found = json_columns(Array(records, type=DataType.binary()), FIELDS)
    expected = read(*records)
    assert [column.to_pylist() for column in found.texts] == [
        [row[0][number] for row in expected] for number in range(len(FIELDS))
    ]
    assert found.broken.to_pylist() == [row[1] for row in expected]
    assert found.not_object.to_pylist() == [row[2] for row in expected]


def test_of_no_records_there_are_empty_columns() -> None:
    assert read() == []
    assert [column.type for column in json_columns([], FIELDS).texts] == [DataType.string()] * 4


def bare(*lines: str) -> Any:
    """What an interpreter of its own prints, as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


LOADED = "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names))))"


def test_workers_of_an_engine_need_msgspec_and_their_arrow_library_and_nothing_else() -> None:
    alone = f"""
spec = importlib.util.spec_from_file_location("json_columns", {str(Path(module.__file__))!r})
alone = importlib.util.module_from_spec(spec)
sys.modules["json_columns"] = alone
spec.loader.exec_module(alone)
"""
    start = "import importlib.util, json, msgspec, sys"
    before = set(bare(start, LOADED))
    assert set(bare(start, alone, LOADED)) - before == {"json_columns"}
    used = "alone.json_columns([b'{\"a\":1}'], ['a'])"
    assert set(bare(start, alone, used, LOADED)) - before == {"arro3", "json_columns"}


def test_within_the_package_it_brings_in_no_engine() -> None:
    start = "import importlib, json, msgspec, sys"
    loaded = set(bare(start, "importlib.import_module('pinflow.engine.json_columns')", LOADED))
    assert loaded - set(bare(start, LOADED)) == {"pinflow"}
