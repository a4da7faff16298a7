"""The cleaning SQL, on the real engine, against the rules said again in plain Python."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from arro3.core import Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests import reference

from pinflow.config import load
from pinflow.datasets import dataset
from pinflow.engine import LONGEST_SAMPLE, MOST_SAMPLES, open_engine
from pinflow.log import Chunk, Records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinflow.engine import Engine

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


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        engine = open_engine(load(home, env={}).config, home)
        yield engine
        engine.close()


class Found(NamedTuple):
    """Offset → clean row; the offsets of rejects; cells made NULL by field; samples of them, by offset and field."""

    rows: dict[int, dict[str, Any]]
    rejects: set[int]
    cells: dict[str, int]
    samples: dict[tuple[int, str], str]


def cleaned(engine: Engine, name: str, texts: list[str]) -> Found:
    count = len(texts)
    values: list[bytes | None] = [text.encode() for text in texts]
    chunk = Chunk("t", 0, "0", str(count), list(range(count)), [0] * count, Records(values))
    found = engine.clean(dataset(name), "t", [chunk])
    rows = rows_of(found.rows)
    rejects = rows_of(found.rejects)
    samples = rows_of(found.nulled)
    return Found(
        {row["_offset"]: row for row in rows},
        {row["_offset"] for row in rejects},
        found.tallies[0].cells if found.tallies else {},
        {(sample["_offset"], sample["field"]): sample["text"] for sample in samples},
    )


def rows_of(stream: Any) -> list[dict[str, Any]]:
    table = Table.from_arrow(stream)
    columns = [table.column(name).to_pylist() for name in table.column_names]
    return [dict(zip(table.column_names, row, strict=True)) for row in zip(*columns, strict=True)]


def compare(engine: Engine, name: str, texts: list[str]) -> None:
    rows, rejects, cells, samples = cleaned(engine, name, texts)
    assert rows.keys() | rejects == set(range(len(texts)))
    assert not rows.keys() & rejects
    for offset, text in enumerate(texts):
        expected = reference.CLEAN[name](text)
        if isinstance(expected, reference.Reject):
            assert offset in rejects, (text, expected)
            continue
        assert offset in rows, text
        row = {column: rows[offset][column] for column in dataset(name).clean}
        assert list(row) == list(expected)
        assert row == expected, text
    nulled = [
        (offset, field, sent)
        for offset, text in enumerate(texts)
        for field, sent in reference.nulled(name, text).items()
    ]
    assert cells == Counter(field for _, field, _ in nulled)
    kept = [cell for field in cells for cell in [each for each in nulled if each[1] == field][:MOST_SAMPLES]]
    assert samples == {(offset, field): sent[:LONGEST_SAMPLE] for offset, field, sent in kept}


@pytest.mark.parametrize("name", ["pin", "geo", "user"])
def test_every_odd_text_in_every_field_is_cleaned_as_the_rules_say(engine: Engine, name: str) -> None:
    facts = dataset(name)
    odd: list[Any] = [*ODD, 0, 17, -3, 2**31, 2**70, 2.7, True, False, None, [], {"a": [1]}]
    texts = [json.dumps({facts.number: 1} | {field: value}) for field in facts.raw for value in odd]
    compare(engine, name, texts)


@pytest.mark.parametrize("name", ["pin", "geo", "user"])
def test_any_records_are_cleaned_as_the_rules_say(engine: Engine, name: str) -> None:
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(record(name), min_size=10, max_size=40))
    def check(texts: list[str]) -> None:
        compare(engine, name, texts)

    check()


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
    found = cleaned(engine, name, texts)
    assert found.cells == {often: MOST_SAMPLES * 3, seldom: 1}
    assert found.samples.keys() == {*((n, often) for n in range(MOST_SAMPLES)), (250, seldom)}
    assert found.samples[250, seldom] == "x" * LONGEST_SAMPLE
    compare(engine, name, texts)
