"""What every engine does: the rules and the questions give on it what they give in plain Python."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pinflow.datasets import LINEAGE, dataset
from pinflow.engine import LONGEST_SAMPLE, MOST_SAMPLES, RecordId
from pinflow.errors import DialectError
from pinflow.log import Chunk, Records
from pinflow.queries import questions
from tests import reference
from tests.contract.engines import TOPIC, chunks_of, clean, open_session, tables_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pinflow.engine import Engine
    from tests.contract.engines import Found, Value

NAMES = ["pin", "geo", "user"]
GENERATED = 1_000
"""Records of each dataset that are made up anew in each run."""

BLANK = ["", " ", "\n", "\0"]
NUMBERS = [
    "17",
    "17\n",
    " 17",
    "+5",
    "-0",
    "007",
    "2147483647",
    "2147483648",
    "9" * 20,
    "12.7",
    "1e3",
    "1_000",
    "0x10",
]
FLOATS = ["NaN", "Infinity", "1e39", "3.4028234e38", "3.4028235e38", "-1e-50", "٣", "½", "1.5"]
FOLLOWERS = ["12k", "1.5k", "1.2345k", "0.0005M", "1.0000000000k", "3B", "2.147483647B", "k", "12 k", "12K"]
DAYS = [
    "2020-08-28",
    "2020-08-28T24:00:00",
    "2020-02-30 00:00:00",
    "2020-08-28T03:52:60",
    "0001-01-01T00:00:00",
]
MOMENTS = [
    "0001-01-01 00:00:00+01:00",
    "9999-12-31 23:59:59-01:00",
    "2020-08-28T03:52:47",
    "2020-08-28 03:52:47",
    "2020-08-28T03:52:47Z",
    "2020-08-28T03:52:47.123456+02:00",
]
NOTHING = ["No Title Data Available", "No description available", "No description available Story format"]
NOTHING += ["Image src error.", "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e", "User Info Error"]
OTHER = ["Local save in /data/art", "Local save in ", " /data/x ", "Ж😀", 'a|b"{}']
ODD = [*BLANK, *NUMBERS, *FLOATS, *FOLLOWERS, *DAYS, *MOMENTS, *NOTHING, *OTHER]
TEXT = (
    st.sampled_from(ODD)
    | st.text(max_size=12)
    | st.from_regex(r"[0-9]{1,12}(\.[0-9]{1,6})?[kKmMbB]?", fullmatch=True)
)
LEAF = TEXT | st.integers(-(2**40), 2**40) | st.booleans() | st.none()


def record(name: str) -> st.SearchStrategy[str]:
    """Mostly records with every field and a number that counts; now and then anything else."""
    facts = dataset(name)
    fields: dict[str, st.SearchStrategy[Any]] = dict.fromkeys(facts.raw, LEAF)
    whole = st.fixed_dictionaries(
        fields | {facts.number: st.integers(0, 50)}, optional={"extra": st.lists(LEAF)}
    )
    partial = st.fixed_dictionaries({}, optional=fields)
    twice = f'{{"{facts.number}": 1, "{facts.number}": 1}}'
    broken = st.sampled_from(["", "{", "[]", "null", "17", '"x"', twice, f'{{"{facts.number}": 1,}}'])
    texts = st.one_of(whole, whole, whole, partial).map(lambda row: json.dumps(row, ensure_ascii=False))
    return st.one_of(texts, texts, texts, broken)


@cache
def generated(name: str) -> list[str]:
    """Records that Hypothesis makes up. They are gathered first, as an engine takes many at once."""
    texts: list[str] = []

    @settings(max_examples=GENERATED, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(record(name))
    def gather(text: str) -> None:
        texts.append(text)

    gather()
    return texts


def kept(name: str) -> list[Value]:
    """Records that have been trouble once, or that JSON readers disagree about."""
    number = dataset(name).number
    values = [
        "1İ", "1Σ", "1\u1c89", "\0", "a\0b", "\u2028", "\x7f", "'", '"', "\\", "x" * 9_000, "9" * 1_000,
        "0." + "0" * 400 + "1",
    ]  # fmt: skip
    bare = [
        "1e3", "1.50", "-0", "-0.0", "1E+3", "25.00000000000000000001", "1e400", "1e-400", "9" * 5_000, "true", "null",
        "[]", "{}", '{"a" : [1.50, -0]}', "[" * 400 + "]" * 400, '["\\ud83d\\ude00"]', '"\\u0041\\n"', '"\\u0022"',
    ]  # fmt: skip
    members = [
        json.dumps({field: value}, ensure_ascii=False)[1:-1]
        for field in dataset(name).raw
        for value in values
    ]
    members += [f'"{field}": {value}' for field in dataset(name).raw for value in bare]
    texts: list[Value] = [
        f"{{{member}}}" if f'"{number}"' in member else f'{{"{number}": 1, {member}}}' for member in members
    ]
    odd: list[Value] = [
        None, b"", b"{", b"{}", b"[1]", b"17", b"null", b'"x"', b"true", b"\xff", b"\xef\xbb\xbf{}", b"\0", b"{}x",
        f'{{"{number}": 1, "{number}": 1}}', f'{{"{number}": 1, "more": 1, "more": 1}}', f'{{"{number}": 1,}}',
        f'{{"{number}": NaN}}', f'{{"{number}": 01}}', f'{{"{number}": 1, "more": "\\ud800"}}',
        f" {{\n\"{number}\"\t:\r1 }} ",
        f'{{"{number}": 1, "more": ' + "[" * 100_000 + "}", f'{{"{number}": 1, "more": ' + "[" * 600 + "]" * 600 + "}",
        f'{{"{number}": 1, "more": "'.encode() + b'\xc0\x80"}', f'{{"\\u{ord(number[0]):04x}{number[1:]}": 1}}',
    ]  # fmt: skip
    return texts + odd


def compare(name: str, values: Sequence[Value], found: Found, partition: int = 0) -> None:
    """Hold the rows, rejects and sums of one partition, whose offsets begin at 0, against the plain rules."""
    nulled = []
    for offset, value in enumerate(values):
        expected = reference.Reject("a tombstone") if value is None else reference.CLEAN[name](value)
        place = (partition, offset)
        assert (place in found.rows) != (place in found.rejects), value
        if isinstance(expected, reference.Reject):
            assert place in found.rejects, (value, expected)
            continue
        assert place in found.rows, (value, found.rejects[place]["reason"])
        row = found.rows[place]
        assert list(row) == [*expected, *LINEAGE]
        assert {column: row[column] for column in expected} == expected, value
        lineage = [TOPIC, partition, offset, datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=offset)]
        assert [row[column] for column in LINEAGE] == lineage
        assert value is not None
        nulled += [(offset, field, sent) for field, sent in reference.nulled(name, value).items()]
    outcome = found.outcomes[partition]
    rejected = sum(place[0] == partition for place in found.rejects)
    assert (outcome.records, outcome.rows, outcome.rejected) == (
        len(values),
        len(values) - rejected,
        rejected,
    )
    assert outcome.cells == Counter(field for _, field, _ in nulled)
    if len(found.outcomes) == 1:
        first = [
            cell for field in outcome.cells for cell in [c for c in nulled if c[1] == field][:MOST_SAMPLES]
        ]
        samples = [(each["_offset"], each["field"], each["text"]) for each in found.nulled]
        assert sorted(samples) == sorted((at, field, sent[:LONGEST_SAMPLE]) for at, field, sent in first)


@pytest.mark.parametrize("name", NAMES)
def test_every_odd_text_in_every_field_is_cleaned_as_the_rules_say(engine: Engine, name: str) -> None:
    facts = dataset(name)
    odd: list[Any] = [*ODD, 0, 17, -3, 2**31, 2**70, 2.7, True, False, None, [], {"a": [1]}]
    texts = [json.dumps({facts.number: 1} | {field: value}) for field in facts.raw for value in odd]
    compare(name, texts, clean(engine, name, chunks_of(texts)))


@pytest.mark.parametrize("name", NAMES)
def test_any_records_are_cleaned_as_the_rules_say(engine: Engine, name: str) -> None:
    texts = generated(name)
    compare(name, texts, clean(engine, name, chunks_of(texts)))


@pytest.mark.parametrize("name", NAMES)
def test_records_that_were_trouble_once_are_cleaned_as_the_rules_say(engine: Engine, name: str) -> None:
    values = kept(name)
    compare(name, values, clean(engine, name, chunks_of(values)))


@pytest.mark.parametrize("name", NAMES)
def test_quarantine_keeps_text_bytes_reason_and_lineage(engine: Engine, name: str) -> None:
    values = kept(name)
    found = clean(engine, name, chunks_of(values))
    assert found.rejects
    for (partition, offset), reject in found.rejects.items():
        value = values[offset]
        sent = value.encode() if isinstance(value, str) else value
        assert list(reject) == ["raw", "raw_bytes", "reason", *LINEAGE]
        assert reject["raw"] == (None if sent is None else sent.decode("utf-8", "replace"))
        is_object = reject["reason"] == "a field is there twice" or "the post number" in reject["reason"]
        assert reject["raw_bytes"] == (None if is_object else sent)
        assert (reject["_topic"], reject["_partition"], reject["_offset"]) == (TOPIC, partition, offset)
        assert reject["_accepted_at"] == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=offset)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "a tombstone: the record has no value"),
        (b"\xff", "not UTF-8: invalid start byte at byte 0"),
        (b"[]", "not a JSON object but an array"),
        (b'{"ind":1,"ind":1}', "a field is there twice"),
        (b'{"ind":' + b"[" * 1_000 + b"]" * 1_000 + b"}", "not JSON that can be read: nested too deep"),
        (b"{}", "the post number `ind` is missing"),
        (b'{"ind":null}', "the post number `ind` is missing"),
        (b'{"ind":2.7}', "the post number `ind` is not a whole number"),
        (b'{"ind":[1]}', "the post number `ind` is not a whole number"),
        (b'{"ind":2147483648}', "the post number `ind` does not fit 32 bits"),
    ],
)
def test_a_reject_says_why(engine: Engine, value: bytes | None, reason: str) -> None:
    found = clean(engine, "user", chunks_of([value]))
    assert [reject["reason"] for reject in found.rejects.values()] == [reason]


def test_records_that_are_refused_are_rejects_for_the_reasons_given_and_no_rule_sees_them(
    engine: Engine,
) -> None:
    values: list[Value] = ['{"ind": 1, "age": "x"}', '{"ind": 2}', None, "no json"]
    refused = {RecordId(0, 0): "for a reason", RecordId(0, 2): "for another", RecordId(7, 1): "not there"}
    found = clean(engine, "user", chunks_of(values), refused)
    assert list(found.rows) == [(0, 1)]
    assert {
        place: (row["reason"], row["raw_bytes"]) for place, row in found.rejects.items() if place[1] < 3
    } == {
        (0, 0): ("for a reason", b'{"ind": 1, "age": "x"}'),
        (0, 2): ("for another", None),
    }
    outcome = found.outcomes[0]
    assert (outcome.records, outcome.rows, outcome.rejected, outcome.cells) == (4, 1, 3, {})


def test_each_partition_has_its_own_sums(engine: Engine) -> None:
    partitions = {number: kept("user")[number::3] for number in range(3)}
    chunks = [
        chunk
        for number, values in partitions.items()
        for chunk in chunks_of(values, partition=number, longest=9)
    ]
    random.Random(1).shuffle(chunks)
    found = clean(engine, "user", chunks)
    assert list(found.outcomes) == [0, 1, 2]
    for number, values in partitions.items():
        compare("user", values, found, number)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_records_come_to_the_same_however_they_are_cut(engine: Engine, name: str) -> None:
    values = [*kept(name), *generated(name)[:500]]
    whole = clean(engine, name, chunks_of(values))
    cut = clean(engine, name, chunks_of(values, longest=7))
    backwards = clean(engine, name, reversed(chunks_of(values, longest=100)))
    for other in (cut, backwards, clean(engine, name, chunks_of(values))):
        assert (other.rows, other.rejects, other.outcomes) == (whole.rows, whole.rejects, whole.outcomes)
        assert sorted(map(repr, other.nulled)) == sorted(map(repr, whole.nulled))


@pytest.mark.parametrize("chunks", [[], [Chunk(TOPIC, 0, "0", "0", [], [], Records([]))]])
def test_of_no_records_there_is_nothing(engine: Engine, chunks: list[Chunk]) -> None:
    found = clean(engine, "pin", chunks)
    assert (found.rows, found.rejects, found.nulled, found.outcomes) == ({}, {}, [], {})


@pytest.mark.parametrize(
    ("name", "fields"), [("geo", ("latitude", "timestamp")), ("user", ("age", "date_joined"))]
)
def test_of_many_cells_made_null_all_are_counted_and_the_first_of_each_field_are_kept(
    engine: Engine, name: str, fields: tuple[str, str]
) -> None:
    often, seldom = fields
    texts = [
        json.dumps(
            {"ind": n, often: f"{n} is not one", seldom: "x" * 1_001 if n == 250 else "", "country": "x"}
        )
        for n in range(MOST_SAMPLES * 3)
    ]
    found = clean(engine, name, chunks_of(texts))
    assert found.outcomes[0].cells == {often: MOST_SAMPLES * 3, seldom: 1}
    samples = {(each["_offset"], each["field"]): each["text"] for each in found.nulled}
    assert samples.keys() == {*((n, often) for n in range(MOST_SAMPLES)), (250, seldom)}
    assert samples[250, seldom] == "x" * LONGEST_SAMPLE
    compare(name, texts, found)


def posts(count: int) -> dict[str, list[Chunk]]:
    """Records of posts in two partitions, drawn with many ties; most posts come more than once."""
    draw = random.Random(7)
    sent: dict[str, dict[int, list[Value]]] = {name: defaultdict(list) for name in NAMES}
    for _ in range(count):
        number, partition = draw.randrange(count // 3), draw.randrange(2)
        year = draw.randrange(2014, 2024)
        rows: dict[str, dict[str, Any]] = {
            "pin": {
                "index": number,
                "category": draw.choice(["", "art", "ART", "école", "travel"]),
                "poster_name": draw.choice(["User Info Error", "a", "B", "é"]),
                "follower_count": draw.choice(["", "0", "1k", "2.5k", "1M", 940, 1e3]),
            },
            "geo": {
                "ind": number,
                "country": draw.choice(["", "Aruba", "aruba", "Åland", "Zambia"]),
                "timestamp": draw.choice(
                    ["yesterday", f"{year}-12-31T23:59:59", f"{year}-12-31T23:59:59-01:00"]
                ),
            },
            "user": {
                "ind": number,
                "first_name": draw.choice(["", "Ada"]),
                "age": draw.choice(["", 17, 18, 24, 25, 35, 36, 50, 51, 99]),
                "date_joined": draw.choice(["", f"{year - 4}-01-01 00:00:00"]),
            },
        }
        for name, row in rows.items():
            if draw.random() < 0.95:
                sent[name][partition].append(json.dumps(row))
    return {
        name: [
            chunk for partition, values in parts.items() for chunk in chunks_of(values, partition=partition)
        ]
        for name, parts in sent.items()
    }


def latest(name: str, chunks: list[Chunk]) -> list[reference.Row]:
    stored = []
    for chunk in chunks:
        for value, offset, accepted_at in zip(
            chunk.records.values, chunk.offsets, chunk.timestamps, strict=True
        ):
            row = reference.CLEAN[name](value or b"")
            assert isinstance(row, dict)
            stored.append(reference.Stored(chunk.partition, offset, row, accepted_at))
    return reference.latest(stored)


def test_the_ten_questions_are_answered_from_the_latest_rows(
    engine: Engine, engine_name: str, tmp_path: Path
) -> None:
    records = posts(900)
    rows = {name: latest(name, records[name]) for name in NAMES}
    expected = reference.answers(*rows.values())
    assert all(expected.values())
    session = open_session(engine, tables_of(engine_name, tmp_path), records)
    try:
        found = session.ask("SELECT * FROM pin ORDER BY ind", where="test")
        assert found.columns == list(dataset("pin").clean)
        assert found.rows == [tuple(row.values()) for row in rows["pin"]]
        for question in questions().values():
            assert session.ask(question.sql, where=question.path).rows == expected[question.name], (
                question.name
            )
        with pytest.raises(DialectError):
            session.ask("SELECT no_such_function(ind) FROM pin", where="test")
    finally:
        session.close()
