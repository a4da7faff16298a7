"""The gateway and the rules read a post's number alike."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pinflow.config import load
from pinflow.datasets import dataset
from pinflow.datasets.numbers import post_number_of
from pinflow.engine import RecordsInMemory, open_engine
from pinflow.log import Chunk, Records

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pinflow.engine import Engine

DIGITS = st.text("0123456789", min_size=1, max_size=12)
SPELLINGS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "-", "+", " ", "\t"]),
    DIGITS,
    st.one_of(st.just(""), DIGITS.map(".{}".format), st.just(".")),
    st.one_of(st.just(""), st.builds("e{}{}".format, st.sampled_from(["", "-", "+"]), DIGITS)),
)
ODD = ["NaN", "", "१२", "0x10", "1_000", "7528 ", "9" * 40, "0" * 30 + "7", "1e400", "1e-400", "2147483648"]


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


TOKENS = st.one_of(
    SPELLINGS.map(json.dumps),
    st.sampled_from(ODD).map(json.dumps),
    st.text(max_size=6).map(json.dumps),
    SPELLINGS.filter(_is_json),
    st.sampled_from(["true", "null", "[7]", '{"ind":7}', "1e400", "-0", "7528.0", "7.528e3", "2.7"]),
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    home: Path = tmp_path_factory.mktemp("home")
    opened = open_engine(load(home).config, home / "scratch")
    yield opened
    opened.close()


@settings(deadline=None, max_examples=40)
@given(st.lists(TOKENS, min_size=1, max_size=30))
@example(["1e400", "0e99999999999", "-2147483648", '"25.0"', "2.5e1", '"-0.0"'])
@pytest.mark.parametrize("name", ["pin", "geo"])
def test_the_number_that_places_a_record_is_that_of_its_row(
    engine: Engine, name: str, tokens: list[str]
) -> None:
    kind = dataset(name)
    values: list[bytes | None] = [f'{{"{kind.number}":{token}}}'.encode() for token in tokens]
    count = len(values)
    chunk = Chunk("t", 0, "0", str(count), list(range(count)), [0] * count, Records(values))
    cleaned = engine.clean(kind, RecordsInMemory("t", [chunk]))
    rows = {offset: ind for ind, offset in cleaned.rows.project("ind, _offset").fetchall()}
    read = post_number_of(f"0a6a638f5991.{name}")
    assert {offset: read(value) for offset, value in enumerate(values) if read(value) is not None} == rows
