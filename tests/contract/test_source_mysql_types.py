"""Tables on MySQL whose columns have other types than those that pinflow makes, against a real server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pinflow import source as room
from pinflow.errors import TerminalError

if TYPE_CHECKING:
    from tests.servers.mariadb import Account, MariaDb

TABLES = {"title": "pinterest_data", "follower_count": "pinterest_data", "downloaded": "pinterest_data",
          "unique_id": "pinterest_data", "timestamp": "geolocation_data", "latitude": "geolocation_data",
          "age": "user_data", "first_name": "user_data", "date_joined": "user_data"}  # fmt: skip


def sent(server: MariaDb, account: Account, column: str, kind: str, held: str) -> Any:
    """What is sent for a column of this type that holds the value of this SQL expression."""
    room.create(account.url, 1)
    table = TABLES[column]
    server.execute(
        "SET sql_mode = ''",
        "SET time_zone = '+00:00'",
        f"ALTER TABLE {table} DROP COLUMN `{column}`",
        f"ALTER TABLE {table} ADD COLUMN `{column}` {kind}",
        f"UPDATE {table} SET `{column}` = {held}",
        database=account.database,
    )
    with room.open_posts(account.url) as posts:
        (post,) = posts.fetch([0])
    room.summary(account.url)
    room.check(account.url)
    return {**json.loads(post.pin), **json.loads(post.geo), **json.loads(post.user)}[column]


@pytest.mark.parametrize(
    ("column", "kind", "held", "value"),
    [
        ("timestamp", "DATE", "'2020-08-28'", "2020-08-28T00:00:00"),
        ("date_joined", "DATE", "'2015-10-21'", "2015-10-21T00:00:00"),
        ("timestamp", "DATE", "NULL", None),
        ("timestamp", "DATE", "'0000-00-00'", None),
        ("timestamp", "DATETIME", "'0000-00-00 00:00:00'", None),
        ("timestamp", "DATETIME(6)", "'0000-00-00 00:00:00'", None),
        ("date_joined", "TIMESTAMP NULL", "'0000-00-00 00:00:00'", None),
        ("timestamp", "DATETIME", "'2020-05-00 00:00:00'", "2020-05-00 00:00:00"),
        ("timestamp", "DATETIME(3)", "'2020-08-28 03:52:47.25'", "2020-08-28T03:52:47.250000"),
        ("timestamp", "DATETIME(6)", "'2020-08-28 03:52:47.000001'", "2020-08-28T03:52:47.000001"),
        ("timestamp", "TIMESTAMP(6) NULL", "'2020-08-28 03:52:47.5'", "2020-08-28T03:52:47.500000"),
        ("timestamp", "VARCHAR(50)", "'2020-08-28T05:52:47+0200'", "2020-08-28T03:52:47"),
        ("timestamp", "TEXT", "'0000-00-00 00:00:00'", None),
        ("timestamp", "TEXT", "'yesterday'", "yesterday"),
        ("timestamp", "BLOB", "'2020-08-28'", "2020-08-28T00:00:00"),
        ("latitude", "DECIMAL(9,6)", "-88.8298", -88.8298),
        ("latitude", "DECIMAL(9,6)", "5", 5.0),
        ("latitude", "INT", "5", 5.0),
        ("latitude", "VARCHAR(20)", "'-88.8298'", -88.8298),
        ("latitude", "VARCHAR(20)", "'north'", "north"),
        ("latitude", "FLOAT", "-179.9123", -179.9123),
        ("age", "DECIMAL(10,2)", "20", 20),
        ("age", "DECIMAL(10,2)", "20.5", "20.50"),
        ("age", "DOUBLE", "20", 20),
        ("age", "FLOAT", "20", 20),
        ("age", "TINYINT UNSIGNED", "200", 200),
        ("age", "VARCHAR(20)", "'20'", 20),
        ("age", "VARCHAR(20)", "'twenty'", "twenty"),
        ("age", "YEAR", "2020", 2020),
        ("downloaded", "BIT(1)", "b'1'", 1),
        ("downloaded", "BIT(12)", "b'100000000001'", 2049),
        ("downloaded", "BOOLEAN", "TRUE", 1),
        ("downloaded", "ENUM('0','1')", "'1'", 1),
        ("follower_count", "INT", "12000", "12000"),
        ("follower_count", "BIGINT UNSIGNED", "18446744073709551615", "18446744073709551615"),
        ("follower_count", "DECIMAL(12,1)", "12000", "12000.0"),
        ("follower_count", "DOUBLE", "12000", "12000"),
        ("follower_count", "FLOAT", "1.5", "1.5"),
        ("title", "ENUM('a','é😍')", "'é😍'", "é😍"),
        ("title", "SET('a','b')", "'a,b'", "a,b"),
        ("title", "JSON", "'{\"a\": 1}'", '{"a": 1}'),
        ("title", "BLOB", "'é😍'", "é😍"),
        ("title", "VARBINARY(50)", "'é😍'", "é😍"),
        ("title", "DATE", "'2020-08-28'", "2020-08-28"),
        ("title", "DATETIME(2)", "'2020-08-28 03:52:47.5'", "2020-08-28 03:52:47.50"),
        ("title", "TIME", "'-100:00:01'", "-100:00:01"),
        ("title", "YEAR", "2020", "2020"),
        (
            "unique_id",
            "UUID",
            "'00000000-0000-4000-8000-000000000000'",
            "00000000-0000-4000-8000-000000000000",
        ),
    ],
)
def test_a_value_of_another_type_is_sent_as_what_it_means(
    mariadb: MariaDb, account: Account, column: str, kind: str, held: str, value: object
) -> None:
    found = sent(mariadb, account, column, kind, held)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("column", "kind", "match"),
    [
        (
            "timestamp",
            "BIGINT",
            "column timestamp of geolocation_data is of type bigint, which is not a time",
        ),
        ("timestamp", "DOUBLE", "is of type double, which is not a time"),
        ("timestamp", "DECIMAL(20,3)", "is of type decimal, which is not a time"),
        ("date_joined", "YEAR", "column date_joined of user_data is of type year, which is not a time"),
        ("date_joined", "TIME", "is of type time, which is not read there"),
        ("latitude", "DATE", "column latitude of geolocation_data is of type date, which is not read there"),
        ("age", "DATETIME", "column age of user_data is of type datetime, which is not read there"),
        ("title", "BIT(8)", "column title of pinterest_data is of type bit, which is not read there"),
        ("title", "POINT", "column title of pinterest_data is of type point, which is not read there"),
    ],
)
def test_a_type_that_has_no_meaning_in_its_column_is_named_and_doctor_says_the_same(
    mariadb: MariaDb, account: Account, column: str, kind: str, match: str
) -> None:
    with pytest.raises(TerminalError, match=match) as raised:
        sent(mariadb, account, column, kind, "NULL")
    assert raised.value.hint
    with pytest.raises(TerminalError, match=match):
        room.check(account.url)


def test_bytes_that_are_not_a_text_are_an_error_that_names_the_post(
    mariadb: MariaDb, account: Account
) -> None:
    with pytest.raises(TerminalError, match=r"column title of pinterest_data holds b'\\xff\\xfe' in post 0"):
        sent(mariadb, account, "title", "BLOB", "X'FFFE'")


@pytest.mark.parametrize(
    "kind", ["VARCHAR(20)", "DECIMAL(12,2)", "DOUBLE", "FLOAT", "BIGINT UNSIGNED", "BIT(20)"]
)
def test_posts_are_found_by_number_whatever_type_their_numbers_have(
    mariadb: MariaDb, account: Account, kind: str
) -> None:
    room.create(account.url, 101)
    for table, column in (("pinterest_data", "index"), ("geolocation_data", "ind"), ("user_data", "ind")):
        mariadb.execute(
            f"DELETE FROM {table} WHERE `{column}` NOT IN (0, 9, 10, 100)",
            f"ALTER TABLE {table} CHANGE `{column}` old INT, ADD COLUMN `{column}` {kind}",
            f"UPDATE {table} SET `{column}` = old",
            database=account.database,
        )
    with room.open_posts(account.url) as posts:
        assert list(posts.numbers()) == [0, 9, 10, 100]
        assert posts.bounds() == (0, 100)
        (post,) = posts.fetch([100, 11])
    assert json.loads(post.geo)["ind"] == json.loads(post.pin)["index"] == 100
    assert (room.summary(account.url).first, room.summary(account.url).last) == (0, 100)


def test_a_number_of_a_post_that_is_not_whole_is_an_error(mariadb: MariaDb, account: Account) -> None:
    room.create(account.url, 1)
    mariadb.execute(
        "ALTER TABLE pinterest_data MODIFY `index` VARCHAR(20)",
        "UPDATE pinterest_data SET `index` = '7abc'",
        database=account.database,
    )
    with (
        room.open_posts(account.url) as posts,
        pytest.raises(TerminalError, match="column index of pinterest_data holds '7abc'"),
    ):
        list(posts.numbers())
