"""Values and tables as people and programs read them: nothing is lost, nothing is taken for markup or a command."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinflow.cli.csv_text import csv_text
from pinflow.cli.json_text import json_text
from pinflow.cli.show import print_rows
from pinflow.cli.text import text_of, visible

HOSTILE = [":heart:", "[red]x[/red]", "ends with \\", "[/]", "\\[x]", "[link=http://x]y[/link]", "{x}", "%s"]

BOLD = re.compile("\x1b\\[[01]m")


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, encoding: str = "utf-8") -> io.BytesIO:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", Terminal(raw, encoding=encoding, write_through=True))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    return raw


@pytest.mark.parametrize("text", HOSTILE)
def test_text_that_looks_like_markup_stands_in_a_table_as_it_is(
    text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    print_rows([text], [[text]])
    assert capsys.readouterr().out == f"{text}\n{text}\n"
    shown = on_a_terminal(monkeypatch)
    print_rows([text], [[text]])
    assert [line.strip() for line in BOLD.sub("", shown.getvalue().decode()).splitlines()] == [text, text]


@pytest.mark.parametrize("variable", ["FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS"])
def test_no_variable_makes_a_terminal_of_a_pipe(
    variable: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "1")
    print_rows(["a", "b"], [["x" * 500, "y" * 20_000]])
    assert capsys.readouterr().out.splitlines()[1] == f"{'x' * 500}  {'y' * 20_000}"


def test_columns_stand_below_their_names_whatever_their_characters_take(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_rows(["name", "n"], [["漢字", 1], ["😀", 22], ["é", 333], ["e\u0301", None]])
    assert capsys.readouterr().out.splitlines() == [
        "name    n",
        "漢字    1",
        "😀     22",
        "é     333",
        "e\u0301",
    ]


def test_a_cell_takes_one_line_and_cannot_act_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(["t"], [["a\nb\tc\rd"], ["\x1b[31mred\x07"], ["\u202egnp.exe"], ["\x9b2J\x7f"], ["a\u00a0b"]])
    assert capsys.readouterr().out.splitlines()[1:] == [
        r"a\nb\tc\rd",
        r"\x1b[31mred\x07",
        r"\u202egnp.exe",
        r"\x9b2J\x7f",
        "a b",
    ]


def test_emoji_that_are_joined_stay_joined() -> None:
    family = "\U0001f469\u200d\U0001f467"
    assert visible(f"{family}\n") == f"{family}\\n"


@given(st.text())
def test_text_that_is_made_visible_has_no_control_character(text: str) -> None:
    assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 for char in visible(text))


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1252"])
def test_a_terminal_without_a_character_shows_its_number(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = on_a_terminal(monkeypatch, encoding)
    print_rows(["漢", "b"], [["漢字…", "x"]])
    assert "\\u6f22\\u5b57" in shown.getvalue().decode(encoding)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (15_000_000.0, "15000000"),
        (1e300, "1e+300"),
        (0.5, "0.5"),
        (Decimal("1.50"), "1.50"),
        ([1.5, None, "é"], '[1.5,null,"é"]'),
        ({"a": [date(2020, 1, 2)]}, '{"a":["2020-01-02"]}'),
        (b"\xaa\x00", "qgA="),
        (datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC).replace(tzinfo=None), "2020-01-02 03:04:05"),
    ],
)
def test_a_value_is_text_as_people_read_it(value: object, text: str) -> None:
    assert text_of(value) == text


def test_csv_tells_null_from_an_empty_text() -> None:
    assert csv_text(["a", "b"], [(None, ""), ("", None)]) == 'a,b\n,""\n"",\n'
    assert csv_text(["a"], [(None,)]) == 'a\n""\n'


FIELDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(st.lists(st.lists(FIELDS, min_size=2, max_size=2)))
def test_what_is_read_back_from_csv_is_what_was_written(rows: list[list[str]]) -> None:
    text = csv_text(["a", "b"], rows)
    assert list(csv.reader(io.StringIO(text, newline=""), strict=True)) == [["a", "b"], *rows]


def test_csv_on_a_terminal_cannot_act_on_it() -> None:
    assert csv_text(["a"], [("\x1b[31m\nx",)], is_shown=True) == 'a\n"\\x1b[31m\nx"\n'
    assert csv_text(["a"], [("\x1b[31m\nx",)]) == 'a\n"\x1b[31m\nx"\n'


class Reported(msgspec.Struct):
    name: str
    counts: dict[str, int]


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (2**100, 2**100),
        ([-(2**70), 2**64 - 1], [-(2**70), 2**64 - 1]),
        ({"a": float("nan"), "b": float("inf")}, {"a": None, "b": None}),
        ({(1, 2): 2**80}, {"(1, 2)": 2**80}),
        ({1: "x"}, {"1": "x"}),
        ("half \udcff", "half \\udcff"),
        (Reported("\udcff", {"a": 1}), {"name": "\\udcff", "counts": {"a": 1}}),
        ("a\u2028b\x9b\u202e", "a\u2028b\x9b\u202e"),
    ],
)
def test_json_takes_every_value(value: Any, read: object) -> None:
    text = json_text(value)
    assert json.loads(text) == read
    assert visible(text) == text
    assert json.loads(json_text(value, indent=2)) == read
