from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import CreateTable

from pinflow import source
from pinflow.errors import (
    AbsentError,
    ConfigError,
    CorruptError,
    GapError,
    MissingExtraError,
    PinflowError,
    TerminalError,
    UsageError,
)
from pinflow.source.database import fill
from pinflow.source.synthetic import synthetic_blocks
from pinflow.source.tables import GEO, PIN, USER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pinflow.source.rows import Block

POSTS = 300


class Watcher:
    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def start(self, total: int | None, what: str) -> None:
        self.calls.append(("start", total, what))

    def advance(self, n: int) -> None:
        self.calls.append(("advance", n))

    def stop(self) -> None:
        self.calls.append(("stop",))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/folder/source.db"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('source')}/source.db"
    source.create(url, POSTS)
    return url


def execute(url: str, statement: str) -> None:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute(statement)


def test_create_makes_the_folder_and_says_how_many_posts(url: str) -> None:
    watcher = Watcher()
    assert source.create(url, 30, progress=watcher) == 30
    assert watcher.calls == [("start", 30, "posts"), ("advance", 30), ("stop",)]
    assert source.summary(url).posts == 30


def test_create_makes_the_full_set_by_default(url: str) -> None:
    assert source.create(url) == 11_154


def test_create_refuses_a_source_that_holds_posts_and_leaves_it_as_it_is(url: str) -> None:
    source.create(url, 30)
    before = source.summary(url)
    with pytest.raises(TerminalError, match="holds 30 posts already") as raised:
        source.create(url, 40, seed=7)
    assert "--replace" in raised.value.hint
    assert source.summary(url) == before


def test_create_replaces_when_told_to(url: str) -> None:
    source.create(url, 30)
    source.create(url, 20, replace=True)
    found = source.summary(url)
    assert (found.first, found.last, found.posts) == (0, 19, 20)


def test_create_takes_no_number_below_one(url: str) -> None:
    with pytest.raises(UsageError, match="at least one post"):
        source.create(url, 0)


def test_what_fails_half_way_leaves_the_old_posts(url: str) -> None:
    source.create(url, 30)
    before = source.summary(url)

    def blocks() -> Iterator[Block]:
        yield from synthetic_blocks(50, 1)
        raise TerminalError("the disk is on fire")

    with pytest.raises(TerminalError, match="on fire"):
        fill(url, blocks(), replace=True, progress=Watcher())
    assert source.summary(url) == before


def test_summary_says_what_is_there(made: str) -> None:
    found = source.summary(made)
    assert found.rows == {"pinterest_data": POSTS, "geolocation_data": POSTS, "user_data": POSTS}
    assert (found.posts, found.first, found.last) == (POSTS, 0, POSTS - 1)
    assert sum(found.categories.values()) == POSTS
    assert list(found.categories) == sorted(found.categories)
    assert found.earliest is not None
    assert found.latest is not None
    assert found.earliest < found.latest
    assert (found.earliest.year, found.latest.year) == (2017, 2022)
    assert 100 < found.posters < POSTS
    assert 50 < found.countries <= 243


def test_a_source_that_is_not_there_is_absent_and_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "none.db"
    with pytest.raises(AbsentError) as looked:
        source.summary(f"sqlite:///{path}")
    with pytest.raises(AbsentError) as opened, source.open_posts(f"sqlite:///{path}"):
        pass
    assert looked.value.hint == opened.value.hint == "pinflow source create"
    assert not path.exists()


def test_a_database_without_the_tables_is_no_source(url: str) -> None:
    source.create(url, 5)
    execute(url, "DROP TABLE user_data")
    with pytest.raises(AbsentError, match="no source"):
        source.summary(url)


def test_a_file_that_is_no_database_is_corrupt(tmp_path: Path) -> None:
    path = tmp_path / "text.db"
    path.write_text("this is no database, but long enough to look like one" * 50, encoding="utf-8")
    with pytest.raises(CorruptError, match="no database"):
        source.summary(f"sqlite:///{path}")


@pytest.mark.parametrize("url", ["nonsense", "oracle9://x", "sqlite://", "sqlite:///:memory:"])
def test_a_url_that_names_no_lasting_database_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"source"):
        source.create(url, 5)


def test_a_driver_that_is_not_installed_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pymysql", None)
    with pytest.raises(MissingExtraError) as raised:
        source.summary("mysql+pymysql://someone:secret@localhost/pinterest_data")
    assert "pinflow[mysql]" in raised.value.hint
    assert "secret" not in str(raised.value)


def test_an_error_shows_no_password() -> None:
    with pytest.raises(PinflowError) as raised:
        source.summary("nonsense://someone:secret@localhost/pinterest_data")
    assert "secret" not in str(raised.value)


def test_the_tables_fit_mysql() -> None:
    ddl = {table.name: str(CreateTable(table).compile(dialect=mysql.dialect())) for table in (PIN, GEO, USER)}
    assert all("CHARSET=utf8mb4" in text for text in ddl.values())
    assert "`index` INTEGER NOT NULL" in ddl["pinterest_data"]
    assert "unique_id CHAR(36)" in ddl["pinterest_data"]
    assert "follower_count TEXT" in ddl["pinterest_data"]
    assert "timestamp DATETIME(6)" in ddl["geolocation_data"]
    assert "latitude FLOAT(53)" in ddl["geolocation_data"]
    assert "date_joined DATETIME(6)" in ddl["user_data"]


def test_numbers_come_in_order_and_in_portions(made: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pinflow.source.reader.NUMBERS_AT_ONCE", 7)
    with source.open_posts(made) as posts:
        assert list(posts.numbers()) == list(range(POSTS))


def test_count_and_bounds(made: str) -> None:
    with source.open_posts(made) as posts:
        assert posts.count() == POSTS
        assert posts.bounds() == (0, POSTS - 1)


def test_an_empty_source_has_no_bounds(url: str) -> None:
    source.create(url, 1)
    for table in ("pinterest_data", "geolocation_data", "user_data"):
        execute(url, f"DELETE FROM {table}")
    with source.open_posts(url) as posts:
        assert posts.bounds() is None
        assert list(posts.numbers()) == []
    assert source.summary(url).posts == 0


def test_fetch_keeps_the_order_and_the_repeats_and_leaves_out_what_is_not_there(made: str) -> None:
    with source.open_posts(made) as posts:
        found = posts.fetch([5, 250, 5, POSTS, 0])
    assert [post.number for post in found] == [5, 250, 5, 0]
    assert found[0] == found[2]


def test_fetch_takes_more_numbers_than_one_statement(made: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pinflow.source.reader.LOOKUP_AT_ONCE", 7)
    with source.open_posts(made) as posts:
        assert [post.number for post in posts.fetch(range(POSTS))] == list(range(POSTS))


def test_fetched_rows_are_json_with_the_columns_in_table_order(made: str) -> None:
    (block,) = synthetic_blocks(POSTS, 100)
    with source.open_posts(made) as posts:
        found = posts.fetch(range(POSTS))
    for post, pin, geo, user in zip(found, *block, strict=True):
        fetched_pin, fetched_geo, fetched_user = (json.loads(row) for row in (post.pin, post.geo, post.user))
        assert list(fetched_pin) == [column.name for column in PIN.columns]
        assert tuple(fetched_pin.values()) == pin
        assert list(fetched_geo) == [column.name for column in GEO.columns]
        assert tuple(fetched_geo.values()) == (geo[0], geo[1].isoformat(), *geo[2:])  # type: ignore[attr-defined]
        assert list(fetched_user) == [column.name for column in USER.columns]
        assert tuple(fetched_user.values()) == (*user[:4], user[4].isoformat())  # type: ignore[attr-defined]


def test_text_travels_as_utf_8_and_null_as_null(url: str) -> None:
    source.create(url, 1)
    execute(url, "UPDATE pinterest_data SET title = 'Дом “é” 😍 ' || char(10), is_image_or_video = NULL")
    with source.open_posts(url) as posts:
        (post,) = posts.fetch([0])
    assert '"title":"Дом “é” 😍 \\n"'.encode() in post.pin
    assert b'"is_image_or_video":null' in post.pin
    assert b'"timestamp":"20' in post.geo
    assert b"T" in post.geo


def test_a_post_without_its_other_rows_is_an_error(url: str) -> None:
    source.create(url, 5)
    execute(url, "DELETE FROM geolocation_data WHERE ind = 3")
    with (
        source.open_posts(url) as posts,
        pytest.raises(GapError, match="post 3 has no row in geolocation_data"),
    ):
        posts.fetch([2, 3])
