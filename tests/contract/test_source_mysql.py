"""What a source on MySQL does beyond every source, against a real server."""

from __future__ import annotations

import json
import signal
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pymysql
import pytest

from pinflow import source as room
from pinflow.errors import PinflowError, TerminalError, UnavailableError
from pinflow.source.database import fill
from pinflow.source.rows import Block
from pinflow.source.synthetic.synthetic import synthetic_blocks
from tests.contract.sources import SOURCES
from tests.e2e.command import pinflow_json, running, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pinflow.source import Post
    from tests.servers.mariadb import Account, MariaDb

BY_OTHERS = (
    """CREATE TABLE pinterest_data (
        category TEXT, `index` BIGINT, unique_id TEXT, title TEXT, description TEXT, poster_name TEXT,
        follower_count TEXT, tag_list TEXT, is_image_or_video TEXT, image_src TEXT, downloaded BIGINT,
        save_location TEXT, surplus INT
    ) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci""",
    """CREATE TABLE geolocation_data (
        ind BIGINT, `timestamp` DATETIME, latitude FLOAT, longitude FLOAT, country VARCHAR(100)
    ) CHARACTER SET latin1""",
    """CREATE TABLE user_data (
        ind BIGINT PRIMARY KEY, first_name TEXT, last_name TEXT, age BIGINT, date_joined TIMESTAMP NULL
    ) CHARACTER SET utf8mb4""",
)
"""As a data frame is written to a database, in the main: no keys, wider and narrower types, another order."""


class Quiet:
    def start(self, total: int | None, what: str) -> None:
        pass

    def advance(self, n: int) -> None:
        pass

    def stop(self) -> None:
        pass


def made_by_others(server: MariaDb, account: Account) -> None:
    server.execute(f"CREATE DATABASE {account.database}")
    server.execute(*BY_OTHERS, database=account.database)


def posts_of(url: str, *numbers: int) -> list[Post]:
    with room.open_posts(url) as posts:
        return posts.fetch(numbers)


def test_the_tables_are_made_in_utf8mb4_whatever_the_servers_default(
    mariadb: MariaDb, account: Account
) -> None:
    assert mariadb.execute("SELECT @@character_set_server") == (("latin1",),)
    room.create(account.url, 1)
    charsets = mariadb.execute(
        "SELECT DISTINCT character_set_name FROM information_schema.columns "
        f"WHERE table_schema = '{account.database}' AND character_set_name IS NOT NULL"
    )
    assert charsets == (("utf8mb4",),)
    (made,) = mariadb.execute(f"SHOW CREATE DATABASE {account.database}")
    assert "utf8mb4" in made[1]


def test_tables_that_others_made_are_read(mariadb: MariaDb, account: Account) -> None:
    made_by_others(mariadb, account)
    mariadb.execute(
        "SET time_zone = '+00:00'",
        "INSERT INTO pinterest_data (`index`, title, follower_count, downloaded) VALUES (7, 'Ein 😍', '12k', 1)",
        "INSERT INTO geolocation_data VALUES (7, '2020-08-28 03:52:47', -179.9123, 89.8329, 'Côte')",
        "INSERT INTO user_data VALUES (7, 'Ann', NULL, 20, '2015-10-21 21:26:45')",
        "INSERT INTO pinterest_data (`index`) VALUES (8)",
        "INSERT INTO geolocation_data (ind) VALUES (8)",
        "INSERT INTO user_data (ind) VALUES (8)",
        database=account.database,
    )
    first, second = posts_of(account.url, 7, 8)
    assert first.geo == (
        '{"ind":7,"timestamp":"2020-08-28T03:52:47","latitude":-179.9123,"longitude":89.8329,"country":"Côte"}'.encode()
    )
    assert first.user == (
        b'{"ind":7,"first_name":"Ann","last_name":null,"age":20,"date_joined":"2015-10-21T21:26:45"}'
    )
    assert list(json.loads(first.pin)) == [
        "index", "unique_id", "title", "description", "poster_name", "follower_count", "tag_list",
        "is_image_or_video", "image_src", "downloaded", "save_location", "category",
    ]  # fmt: skip
    assert '"title":"Ein 😍"'.encode() in first.pin
    assert second.geo == b'{"ind":8,"timestamp":null,"latitude":null,"longitude":null,"country":null}'
    assert room.summary(account.url).posts == 2


def test_a_check_finds_other_charsets_and_missing_indexes_and_says_how_to_mend_them(
    mariadb: MariaDb, account: Account
) -> None:
    made_by_others(mariadb, account)
    with room.open_source(account.url) as source:
        assert source.describe().startswith("MariaDB ")
        assert source.describe().endswith(", no TLS")
    findings = room.check(account.url)
    assert [finding.what for finding in findings] == [
        "geolocation_data keeps latin1, which has no place for every character",
        "geolocation_data has no index on ind, so each look-up reads all of it",
        "pinterest_data has no index on index, so each look-up reads all of it",
    ]
    for finding in findings:
        mariadb.execute(finding.hint, database=account.database)
    assert room.check(account.url) == []


def test_a_server_whose_clock_is_wrong_is_told(mariadb: MariaDb, account: Account) -> None:
    room.create(account.url, 1)
    mariadb.execute("SET GLOBAL init_connect = 'SET timestamp = UNIX_TIMESTAMP() - 3600'")
    try:
        (finding,) = room.check(account.url)
    finally:
        mariadb.execute("SET GLOBAL init_connect = ''")
    assert "s behind" in finding.what


def test_a_column_that_is_missing_or_unreadable_is_named(mariadb: MariaDb, account: Account) -> None:
    room.create(account.url, 1)
    mariadb.execute(
        "ALTER TABLE user_data DROP COLUMN first_name, ADD COLUMN first_name BIT(8)",
        database=account.database,
    )
    with pytest.raises(TerminalError, match="column first_name of user_data is of type bit"):
        posts_of(account.url, 0)
    mariadb.execute("ALTER TABLE user_data DROP COLUMN first_name", database=account.database)
    with pytest.raises(TerminalError, match="column first_name of user_data is missing"):
        posts_of(account.url, 0)
    with pytest.raises(TerminalError, match=r"not as the source's tables are: Unknown column 'first_name'"):
        room.create(account.url, 1, replace=True)


def test_tables_that_cannot_undo_are_not_filled(mariadb: MariaDb, account: Account) -> None:
    room.create(account.url, 1)
    mariadb.execute("ALTER TABLE user_data ENGINE=MyISAM", database=account.database)
    with pytest.raises(TerminalError, match="user_data is kept by MyISAM") as raised:
        room.create(account.url, 1, replace=True)
    assert raised.value.hint == "ALTER TABLE user_data ENGINE=InnoDB"
    mariadb.execute(
        "RENAME TABLE user_data TO others",
        "CREATE VIEW user_data AS SELECT * FROM others",
        database=account.database,
    )
    with pytest.raises(TerminalError, match="user_data is a view"):
        room.create(account.url, 1, replace=True)
    assert len(posts_of(account.url, 0)) == 1


@pytest.mark.parametrize(("text", "match"), [("x" * 70_000, "too long"), ("😍", "Incorrect string value")])
def test_a_value_that_does_not_fit_is_refused_and_nothing_changes(
    mariadb: MariaDb, account: Account, text: str, match: str
) -> None:
    room.create(account.url, 3)
    mariadb.execute("ALTER TABLE user_data CONVERT TO CHARACTER SET latin1", database=account.database)
    mariadb.execute("SET GLOBAL sql_mode = ''")
    try:
        with pytest.raises(TerminalError, match=f"does not fit its column.*{match}"):
            fill(account.url, [Block([], [], [(9, text, None, None, None)])], replace=True, progress=Quiet())
    finally:
        mariadb.execute("SET GLOBAL sql_mode = DEFAULT")
    assert room.summary(account.url).posts == 3


def test_a_refusal_of_a_kind_that_is_not_known_is_not_asked_for_again(
    mariadb: MariaDb, account: Account
) -> None:
    room.create(account.url, 1)
    view = "CREATE OR REPLACE VIEW user_data AS SELECT * FROM other_data"
    with room.open_posts(account.url) as posts:
        mariadb.execute("RENAME TABLE user_data TO other_data", view, database=account.database)
        assert len(posts.fetch([0])) == 1
        mariadb.execute("DROP TABLE other_data", database=account.database)
        with pytest.raises(TerminalError, match=r"refuses what it was asked: View .* \(1356\)"):
            posts.fetch([0])


def test_texts_survive_a_server_that_reads_no_backslash(mariadb: MariaDb, account: Account) -> None:
    mariadb.execute("SET GLOBAL sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES'")
    try:
        block = Block([(0, *["a\\'b\"c"] * 8, 1, "x", "x")], [(0, *[None] * 4)], [(0, *[None] * 4)])
        fill(account.url, [block], replace=False, progress=Quiet())
        (post,) = posts_of(account.url, 0)
    finally:
        mariadb.execute("SET GLOBAL sql_mode = DEFAULT")
    assert json.loads(post.pin)["title"] == "a\\'b\"c"


def test_a_server_that_takes_small_statements_only_is_told(mariadb: MariaDb, account: Account) -> None:
    room.create(account.url, 3)
    mariadb.execute("SET GLOBAL max_allowed_packet = 1048576")
    try:
        with pytest.raises(TerminalError, match="takes statements of 1,048,576 bytes only") as raised:
            room.create(account.url, 5, replace=True)
        mariadb.execute(raised.value.hint.removeprefix("as an administrator of the server: "))
        assert room.create(account.url, 5, replace=True) == 5
    finally:
        mariadb.execute("SET GLOBAL max_allowed_packet = DEFAULT")


def test_the_longest_row_there_can_be_is_taken(mariadb: MariaDb, account: Account) -> None:
    long = "'" * 65_535
    block = Block([(0, None, *[long] * 7, 1, long, long)], [(0, *[None] * 4)], [(0, *[None] * 4)])
    mariadb.execute("SET GLOBAL max_allowed_packet = 2097152")
    try:
        fill(account.url, [block], replace=False, progress=Quiet())
        (post,) = posts_of(account.url, 0)
    finally:
        mariadb.execute("SET GLOBAL max_allowed_packet = DEFAULT")
    assert json.loads(post.pin)["category"] == long


def test_a_create_that_is_killed_leaves_nothing_or_what_was(account: Account, tmp_path: Path) -> None:
    room.create(account.url, 20)
    before = posts_of(account.url, *range(20))
    arguments = ("source", "create", "--posts", "200000", "--replace")
    with running(*arguments, home=tmp_path, PINFLOW__SOURCE__URL=account.url) as process:
        until(lambda: rows_under_way(account) > 10_000)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert posts_of(account.url, *range(30)) == before
    room.create(account.url, 25, replace=True)
    assert room.summary(account.url).posts == 25


def rows_under_way(account: Account) -> int:
    """Rows that a transaction nobody else sees has written by now."""
    with (
        closing(
            pymysql.connect(
                host="127.0.0.1",
                port=account.port,
                user=account.user,
                password=account.password,
                database=account.database,
            )
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED")
        cursor.execute("SELECT COUNT(*) FROM pinterest_data")
        (count,) = cursor.fetchone()
        return int(count)


def test_two_fills_at_once_are_one_after_the_other(account: Account) -> None:
    under_way, go_on = threading.Event(), threading.Event()

    def blocks() -> Iterator[Block]:
        yield from synthetic_blocks(10, 1)
        under_way.set()
        assert go_on.wait(30)

    first = threading.Thread(target=lambda: fill(account.url, blocks(), replace=False, progress=Quiet()))
    first.start()
    assert under_way.wait(30)
    threading.Timer(0.2, go_on.set).start()
    with pytest.raises(TerminalError, match="holds 10 posts already"):
        room.create(account.url, 20)
    first.join()


def test_a_fill_that_has_to_wait_for_another_too_long_says_so(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pinflow.source.mysql.server.LOCK_WAIT_SECONDS", 0)
    refusals: list[PinflowError] = []

    def blocks() -> Iterator[Block]:
        yield from synthetic_blocks(10, 1)
        with pytest.raises(UnavailableError, match="another program fills the source") as raised:
            room.create(account.url, 20)
        refusals.append(raised.value)

    fill(account.url, blocks(), replace=False, progress=Quiet())
    assert refusals[0].hint == "wait, then pinflow source show"
    assert room.summary(account.url).posts == 10


def test_replacing_is_seen_by_readers_at_once_or_not_at_all(account: Account) -> None:
    room.create(account.url, 50)

    def blocks() -> Iterator[Block]:
        yield from synthetic_blocks(10, 2)
        with room.open_posts(account.url) as posts:
            assert [post.number for post in posts.fetch(range(60))] == list(range(50))

    fill(account.url, blocks(), replace=True, progress=Quiet())
    assert [post.number for post in posts_of(account.url, *range(60))] == list(range(10))


def test_both_databases_feed_the_same_command(
    account: Account, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    shown = []
    for url in (account.url, SOURCES["sqlite"](request).url):
        room.create(url, 40)
        (tmp_path / "pinflow.toml").write_text(f'[source]\nurl = "{url}"\n')
        shown.append(pinflow_json("source", "show", home=tmp_path))
    assert shown[0] == shown[1]
