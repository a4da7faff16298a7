"""Values as they are sent: a number means the same bare and as text, and no value stops cleaning."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from arro3.core import Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests import reference

from pinflow.config import load
from pinflow.datasets import dataset, datasets
from pinflow.engine import RecordsInMemory, open_engine
from pinflow.log import Chunk, Records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinflow.engine import Engine

NAMES = [each.name for each in datasets()]
CLEAN = {"pin": reference.clean_pin, "geo": reference.clean_geo, "user": reference.clean_user}

NUMBERS = [
    "0", "-0", "-0.0", "17", "-17", "1e3", "1E5", "1.50", "25.0", "2.5e1", "2500e-2", "1E400", "1e-400", "-1e-400",
    "2147483647.00000000000000001", "25.00000000000000000001", "2147483648", "1e10", "0.1e1", "0e99999", "1e22",
    "16777217.00000000001", "16777217.0", "3.4028234e38", "88.8298", "-179.9123", "1e-7", "0.1e+0", "1e309",
    "9" * 19, "9" * 20, "9" * 40, "0." + "1" * 40, "1" + "0" * 400, "0." + "0" * 400 + "1e401", "1" * 400 + ".5",
]  # fmt: skip
NUMBER = st.sampled_from(NUMBERS) | st.from_regex(
    r"-?(0|[1-9][0-9]{0,18})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,4})?", fullmatch=True
)
NASTY = [
    "", "\0", "1\0", "\ud83d", "1İ", "ß", "Σ", "ǅ", "0x1p3", "0x1.8p1d", "1e-9", "٣", "3٤.٥", "12:00:00", "T12",
    "2020-08-28 03:52:47 Europe/Paris", "2020-08-28 03:52:47+01:30:15", "2020-08-28T03:52:47 utc",
    "9" * 400, "1e" + "9" * 400, "-" * 400, "1e-" + "9" * 30, "NaN", "inf", "-Infinity", "%", "\\", "'", "<0>",
]  # fmt: skip
HUGE = [
    "x" * (1 << 20),
    "9" * (1 << 20),
    "0" * (1 << 20) + "1",
    "1." + "0" * (1 << 20),
    "2020-08-28T03:52:47." + "1" * (1 << 20),
]
LEAF = (
    st.sampled_from(NASTY)
    | st.text(max_size=30)
    | st.from_regex(r"[ -~İſKΣß]{0,12}", fullmatch=True)
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
    | st.none()
)
VALUE = st.recursive(
    LEAF, lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=3), part, max_size=3)
)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        engine = open_engine(load(home, env={}).config, home)
        yield engine
        engine.close()


def cleaned(engine: Engine, name: str, texts: list[str]) -> dict[int, dict[str, Any] | None]:
    """Offset → clean row, None where the record was rejected."""
    values: list[bytes | None] = [text.encode() for text in texts]
    chunk = Chunk("t", 0, "0", str(len(values)), list(range(len(values))), [0] * len(values), Records(values))
    found = engine.clean(dataset(name), RecordsInMemory("t", [chunk]))
    rows = Table.from_arrow(found.rows)
    columns = {column: rows.column(column).to_pylist() for column in [*dataset(name).clean, "_offset"]}
    clean = {
        offset: {column: columns[column][at] for column in dataset(name).clean}
        for at, offset in enumerate(columns["_offset"])
    }
    rejected = Table.from_arrow(found.rejects).column("_offset").to_pylist()
    return clean | dict.fromkeys(rejected)


def records_of(name: str, tokens: list[str], *, padding: str = "") -> tuple[list[str], list[str]]:
    """For every field and number a record that has it bare, and one that has it as a string."""
    number = dataset(name).number
    bare, quoted = [], []
    for field in dataset(name).raw:
        for token in tokens:
            before = "" if field == number else f'"{number}": 1, '
            bare.append(f'{{{before}"{field}":{padding}{token}{padding}}}')
            quoted.append(f'{{{before}"{field}": "{token}"}}')
    return bare, quoted


def compare(engine: Engine, name: str, bare: list[str], quoted: list[str]) -> None:
    rows, others = cleaned(engine, name, bare), cleaned(engine, name, quoted)
    for at, text in enumerate(bare):
        assert rows[at] == others[at], (text, quoted[at])
        expected = CLEAN[name](text)
        assert rows[at] == (None if isinstance(expected, reference.Reject) else expected), text


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("padding", ["", " ", "\n\t "])
def test_every_number_is_the_same_bare_and_as_text(engine: Engine, name: str, padding: str) -> None:
    compare(engine, name, *records_of(name, NUMBERS, padding=padding))


@pytest.mark.parametrize("name", NAMES)
def test_any_number_is_the_same_bare_and_as_text(engine: Engine, name: str) -> None:
    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(NUMBER, min_size=20, max_size=40))
    def check(tokens: list[str]) -> None:
        compare(engine, name, *records_of(name, tokens))

    check()


@pytest.mark.parametrize(
    "record",
    [
        '{"index": 1, "x": {"title": 1000.0}, "title": 1e3}',
        '{"index": 1, "x\\\\": "\\"title\\": 1000.0,", "title": 1e3}',
        '{"index": 1, "a\\"title": 1000.0, "title": 1e3}',
        '{"index": 1, "title": "1e3", "category": 1000.0}',
        '{"index": 1, "tit\\u006ce": 1e3}',
    ],
)
def test_a_number_is_as_it_was_sent_whatever_stands_beside_it(engine: Engine, record: str) -> None:
    (row,) = cleaned(engine, "pin", [record]).values()
    assert row is not None
    assert row["title"] == "1e3"


def test_a_field_that_is_there_twice_stays_so_beside_a_number_that_is_read_again(engine: Engine) -> None:
    assert cleaned(engine, "pin", ['{"index": 1, "title": 1e3, "title": 1e3}']) == {0: None}


@pytest.mark.parametrize("name", NAMES)
def test_no_value_stops_cleaning(engine: Engine, name: str) -> None:
    number = dataset(name).number

    def record(field: str, value: Any, *, ascii_only: bool) -> str:
        text = json.dumps({number: 1} | {field: value}, ensure_ascii=ascii_only)
        return text.encode("utf-8", "replace").decode()

    huge = [record(field, text, ascii_only=True) for field in dataset(name).raw for text in HUGE]
    nasty = [record(field, text, ascii_only=True) for field in dataset(name).raw for text in NASTY]
    assert len(cleaned(engine, name, huge)) == len(huge)
    assert len(cleaned(engine, name, nasty)) == len(nasty)

    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.lists(
            st.tuples(st.sampled_from(dataset(name).raw), VALUE, st.booleans()), min_size=20, max_size=60
        )
    )
    def check(fields: list[tuple[str, Any, bool]]) -> None:
        texts = [record(field, value, ascii_only=ascii_only) for field, value, ascii_only in fields]
        assert cleaned(engine, name, texts).keys() == set(range(len(texts)))

    check()
