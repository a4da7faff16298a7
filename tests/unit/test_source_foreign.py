"""Sources in a SQLite file that another program made, with types of its own."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from pinflow import source
from pinflow.errors import PinflowError, TerminalError
from pinflow.source.tables import GEO, PIN, TABLES, USER

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Table


class Foreign:
    """A file whose columns are declared as told, and otherwise with no type: SQLite keeps every value as it is."""

    def __init__(self, path: Path) -> None:
        self.url = f"sqlite:///{path}"
        self._path = path

    def make(self, *numbers: object, types: Any = None, **values: object) -> None:
        """One post a number, with the values in the columns of these names and NULL in the others."""
        for table in TABLES:
            names = [column.name for column in table.columns]
            declared = ", ".join(f'"{name}" {(types or {}).get(name, "")}' for name in names)
            self.execute(f"CREATE TABLE {table.name} ({declared})")
            for number in numbers:
                row = [number, *(values.get(name) for name in names[1:])]
                self.execute(f"INSERT INTO {table.name} VALUES ({', '.join('?' * len(row))})", *row)

    def execute(self, statement: str, *parameters: object) -> None:
        with closing(sqlite3.connect(self._path)) as connection, connection:
            connection.execute(statement, parameters)

    def sent(self, number: int = 7) -> dict[str, Any]:
        """The fields of a post, of its three rows."""
        with source.open_posts(self.url) as posts:
            (post,) = posts.fetch([number])
        return {**json.loads(post.pin), **json.loads(post.geo), **json.loads(post.user)}


@pytest.fixture
def foreign(tmp_path: Path) -> Foreign:
    return Foreign(tmp_path / "foreign.db")


@pytest.mark.parametrize("column", ["timestamp", "date_joined"])
@pytest.mark.parametrize(
    ("held", "sent"),
    [
        ("2020-08-28 03:52:47", "2020-08-28T03:52:47"),
        ("2020-08-28T03:52:47.5", "2020-08-28T03:52:47.500000"),
        ("2020-08-28T03:52:47.1234567Z", "2020-08-28T03:52:47.123456"),
        ("2020-08-28T05:52:47+0200", "2020-08-28T03:52:47"),
        ("2020-08-28t05:52:47+02", "2020-08-28T03:52:47"),
        ("2020-08-28 03:52:47 UTC", "2020-08-28T03:52:47"),
        ("2020-08-28", "2020-08-28T00:00:00"),
        (b"2020-08-28", "2020-08-28T00:00:00"),
        ("0001-01-01T02:00:00+02:00", "0001-01-01T00:00:00"),
        ("0000-00-00 00:00:00", None),
        ("0000-00-00T00:00:00.000", None),
        ("0000-00-00", None),
        (None, None),
    ],
)
def test_a_time_is_sent_as_iso_text_in_utc(
    foreign: Foreign, column: str, held: object, sent: str | None
) -> None:
    foreign.make(7, types={column: "DATETIME"}, **{column: held})
    assert foreign.sent()[column] == sent


@pytest.mark.parametrize(
    "held",
    [
        "", "yesterday", "28/08/2020", "2020-08-28T03:52", "2020-02-30", "2020-05-00 00:00:00", "2020-08-28T24:00:00",
        "0001-01-01T00:00:00+02:00", "9999-12-31T23:59:59-00:01", "2020-08-28T03:52:47+19:00", "٢٠٢٠-08-28", "2020",
    ],
)  # fmt: skip
def test_a_text_that_is_not_a_time_is_sent_as_it_is(foreign: Foreign, held: str) -> None:
    """So cleaning counts it."""
    foreign.make(7, timestamp=held)
    assert foreign.sent()["timestamp"] == held
    assert source.summary(foreign.url).earliest is None


@pytest.mark.parametrize("held", [0, -1, 1598586767, 1598586767123, 1598586767.25, 2459089.66, 9e999])
@pytest.mark.parametrize(
    ("table", "column"), [("geolocation_data", "timestamp"), ("user_data", "date_joined")]
)
def test_a_number_in_the_place_of_a_time_is_an_error_that_names_it(
    foreign: Foreign, table: str, column: str, held: float
) -> None:
    foreign.make(7, **{column: held})
    with pytest.raises(TerminalError, match=f"column {column} of {table} holds {held} in post 7") as raised:
        foreign.sent()
    assert raised.value.where == foreign.url
    assert f"UPDATE {table} SET {column} = datetime({column}, 'unixepoch')" in raised.value.hint
    (finding,) = source.check(foreign.url)
    assert finding.broken
    assert f"column {column} of {table} holds a number in 1 rows" in finding.what


def test_what_the_error_says_to_do_about_numbers_for_times_mends_them(foreign: Foreign) -> None:
    foreign.make(7, types={"timestamp": "INTEGER"}, timestamp=1598586767)
    foreign.execute("UPDATE geolocation_data SET timestamp = datetime(timestamp, 'unixepoch')")
    assert foreign.sent()["timestamp"] == "2020-08-28T03:52:47"
    assert source.check(foreign.url) == []


@pytest.mark.parametrize(
    ("held", "sent"),
    [
        (12, "12"), (12.0, "12"), (1.5, "1.5"), (-0.001, "-0.001"), (1e300, "1e+300"), ("12k", "12k"), ("", ""),
        ("Дом 😍".encode(), "Дом 😍"), (9e999, "Infinity"), (2**62, "4611686018427387904"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("column", ["follower_count", "title", "country", "first_name", "unique_id"])
def test_what_is_kept_for_a_text_is_sent_as_text(
    foreign: Foreign, column: str, held: object, sent: str
) -> None:
    foreign.make(7, **{column: held})
    assert foreign.sent()[column] == sent


@pytest.mark.parametrize(
    ("held", "sent"),
    [
        (20, 20), ("20", 20), ("20.0", 20), ("2.0e1", 20), ("+20", 20), ("-0", 0), (20.0, 20), (b"20", 20),
        (20.5, 20.5), ("20.5", "20.5"), ("twenty", "twenty"), ("", ""), (" 20", " 20"), ("1_000", "1_000"),
        ("1e999999999", "1e999999999"), ("1e999999", "1e999999"), ("1e-999999", "1e-999999"),
        ("1e9999999999999999999", "1e9999999999999999999"), ("1" * 5000, "1" * 5000),
        (1e300, 1e300), (9e999, "Infinity"), ("٢٠", "٢٠"), (2**62, 2**62),
    ],
)  # fmt: skip
@pytest.mark.parametrize("column", ["age", "downloaded"])
def test_a_whole_number_is_sent_as_one_and_what_is_not_as_it_is(
    foreign: Foreign, column: str, held: object, sent: object
) -> None:
    foreign.make(7, **{column: held})
    found = foreign.sent()[column]
    assert (found, type(found)) == (sent, type(sent))


@pytest.mark.parametrize(
    ("held", "sent"),
    [
        (5, 5.0), ("-88.8298", -88.8298), ("5", 5.0), ("1e-7", 1e-7), (b"5.5", 5.5), (9e999, "Infinity"),
        (-9e999, "-Infinity"), ("1e999", "1e999"), ("north", "north"), ("nan", "nan"), ("", ""), ("5,5", "5,5"),
    ],
)  # fmt: skip
def test_a_coordinate_is_sent_as_a_number_and_what_is_not_as_it_is(
    foreign: Foreign, held: object, sent: object
) -> None:
    foreign.make(7, latitude=held)
    found = foreign.sent()["latitude"]
    assert (found, type(found)) == (sent, type(sent))


@pytest.mark.parametrize("column", [c.name for table in TABLES for c in list(table.columns)[1:]])
def test_bytes_that_are_not_a_text_are_an_error_that_names_them(foreign: Foreign, column: str) -> None:
    foreign.make(7, **{column: b"\xff\xfe"})
    with pytest.raises(TerminalError, match=rf"column {column} of .* holds b'\\xff\\xfe' in post 7"):
        foreign.sent()


def test_a_text_that_is_not_in_utf_8_is_an_error_and_not_asked_for_again(foreign: Foreign) -> None:
    foreign.make(7)
    foreign.execute("UPDATE pinterest_data SET title = CAST(X'E9' AS TEXT)")
    with pytest.raises(TerminalError, match=r"not in UTF-8.*'title'"):
        foreign.sent()


@pytest.mark.parametrize("kind", ["", "TEXT", "VARCHAR(10)", "REAL", "NUMERIC", "BIGINT", "BLOB"])
@pytest.mark.parametrize("write", [int, str, float, lambda number: f"{number / 10}e1"])
def test_posts_are_found_by_number_whatever_their_numbers_are_kept_as(
    foreign: Foreign, kind: str, write: Any
) -> None:
    if kind in {"TEXT", "VARCHAR(10)"} and write is float:
        kind = "REAL"
    foreign.make(*map(write, (10, 9, 100, 0)), types={"index": kind, "ind": kind}, age="20")
    with source.open_posts(foreign.url) as posts:
        assert list(posts.numbers()) == [0, 9, 10, 100]
        assert posts.bounds() == (0, 100)
        assert [post.number for post in posts.fetch([100, 9, 11])] == [100, 9]
    found = foreign.sent(100)
    assert (found["index"], found["ind"]) == (100, 100)
    assert (source.summary(foreign.url).first, source.summary(foreign.url).last) == (0, 100)


@pytest.mark.parametrize("held", ["abc", "7abc", 7.5, b"\x07"])
def test_a_number_of_a_post_that_is_not_whole_is_an_error(foreign: Foreign, held: object) -> None:
    foreign.make(held)
    with (
        source.open_posts(foreign.url) as posts,
        pytest.raises(PinflowError, match="column index of pinterest_data holds") as raised,
    ):
        list(posts.numbers())
    assert raised.value.where == foreign.url


@pytest.mark.parametrize("table", [PIN, GEO, USER], ids=lambda table: table.name)
def test_a_column_that_is_missing_is_named(foreign: Foreign, table: Table) -> None:
    foreign.make(7)
    column = list(table.columns)[-1].name
    foreign.execute(f"ALTER TABLE {table.name} DROP COLUMN {column}")
    with pytest.raises(TerminalError, match=f"column {column} of {table.name} is missing"):
        foreign.sent()


def test_views_and_other_orders_of_columns_are_read(foreign: Foreign) -> None:
    foreign.make(7, country="x", latitude="5")
    foreign.execute("ALTER TABLE geolocation_data RENAME TO other")
    foreign.execute(
        "CREATE VIEW geolocation_data AS SELECT country, CAST(ind AS INT) AS Ind, "
        "longitude, latitude, '2020-08-28' AS timestamp FROM other"
    )
    found = foreign.sent()
    assert (found["ind"], found["country"], found["latitude"]) == (7, "x", 5.0)
    assert found["timestamp"] == "2020-08-28T00:00:00"


def test_a_summary_reads_times_of_several_forms_and_zones(foreign: Foreign) -> None:
    foreign.make(1, 2, 3, 4, category=5)
    held = ("2020-08-28T01:00:00+02:00", "2020-08-27 23:30:00", "yesterday", "0000-00-00 00:00:00")
    for number, text in enumerate(held, 1):
        foreign.execute("UPDATE geolocation_data SET timestamp = ? WHERE ind = ?", text, number)
    foreign.execute("UPDATE pinterest_data SET category = '5' WHERE \"index\" > 2")
    found = source.summary(foreign.url)
    assert (str(found.earliest), str(found.latest)) == ("2020-08-27 23:00:00", "2020-08-27 23:30:00")
    assert found.categories == {"5": 4}
