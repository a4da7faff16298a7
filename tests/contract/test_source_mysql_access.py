"""Who may use a source on MySQL, how, and what is said when not; against a real server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pinflow import source as room
from pinflow.errors import AbsentError, ConfigError, PinflowError, TerminalError, UnavailableError
from tests.certificates import certificates
from tests.e2e.command import run
from tests.servers.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pinflow.source import Post
    from tests.servers.mariadb import Account, MariaDb


def refused(url: str, kind: type[PinflowError], match: str) -> PinflowError:
    with pytest.raises(kind, match=match) as raised:
        room.summary(url)
    assert raised.value.where
    assert raised.value.hint
    return raised.value


def posts_of(url: str, *numbers: int) -> list[Post]:
    with room.open_posts(url) as posts:
        return posts.fetch(numbers)


def test_a_wrong_password_is_refused_without_being_shown(account: Account) -> None:
    error = refused(
        account._replace(password="wrong-one").url, TerminalError, "refuses this user or password"
    )
    assert "MYSQL_PWD" in error.hint
    assert "wrong-one" not in str(error)


def test_a_password_of_any_characters_is_taken(mariadb: MariaDb) -> None:
    account = mariadb.account(password="p@s/s:w%'ö?#рд")
    url = account._replace(password="p%40s%2Fs%3Aw%25%27%C3%B6%3F%23%D1%80%D0%B4").url
    assert room.create(url, 3) == 3


def test_user_and_password_come_from_the_environment_or_an_option_file(
    account: Account, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bare = f"mysql+pymysql://127.0.0.1:{account.port}/{account.database}"
    monkeypatch.setenv("MYSQL_USER", account.user)
    refused(bare, TerminalError, "refuses this user")
    (tmp_path / ".my.cnf").write_text(f"[client]\nuser={account.user}\npassword={account.password}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert room.create(f"{bare}?read_default_file=~/.my.cnf", 3) == 3
    monkeypatch.setenv("MYSQL_PWD", account.password)
    assert room.summary(bare).posts == 3


def test_a_database_that_is_not_there_is_absent(account: Account) -> None:
    assert (
        refused(account.url, AbsentError, "no source yet: the database is missing").hint
        == "pinflow source create"
    )


@pytest.mark.parametrize("privileges", ["", "SELECT"])
def test_who_may_not_make_the_database_is_told_the_sql(mariadb: MariaDb, privileges: str) -> None:
    account = mariadb.account(privileges)
    with pytest.raises(TerminalError, match="nor make one") as raised:
        room.create(account.url, 3)
    statements = raised.value.hint.removeprefix("as an administrator of the server: ").replace(
        "<user>", account.user
    )
    assert len(statements.split("; ")) == 2
    mariadb.execute(*statements.split("; "))
    assert room.create(account.url, 3) == 3


def test_who_may_only_read_reads_and_is_told_what_filling_takes(mariadb: MariaDb, account: Account) -> None:
    room.create(account.url, 3)
    reader = mariadb.account("")._replace(database=account.database)
    refused(reader.url, TerminalError, "does not let this user")
    mariadb.execute(f"GRANT SELECT ON {account.database}.pinterest_data TO {reader.user}")
    refused(reader.url, TerminalError, r"does not let this user.*geolocation_data")
    mariadb.execute(f"GRANT SELECT ON {account.database}.* TO {reader.user}")
    assert [post.number for post in posts_of(reader.url, 0, 1, 2)] == [0, 1, 2]
    assert room.summary(reader.url).rows["user_data"] == 3
    with pytest.raises(TerminalError, match="does not let this user") as raised:
        room.create(reader.url, 3, replace=True)
    assert f"GRANT SELECT, INSERT, DELETE, CREATE ON `{account.database}`.* TO" in raised.value.hint


def test_a_server_that_is_not_there_is_unavailable(account: Account) -> None:
    refused(account._replace(port=free_port()).url, UnavailableError, "no database listens there")
    refused("mysql+pymysql://me:secret@nowhere.invalid/x", UnavailableError, "has no address")


def test_a_server_that_says_nothing_is_given_up(account: Account) -> None:
    import socket

    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        url = account._replace(port=mute.getsockname()[1]).url + "?read_timeout=0.2"
        refused(url, UnavailableError, "lost")


def test_a_connection_that_the_server_dropped_is_made_again(mariadb: MariaDb, account: Account) -> None:
    room.create(account.url, 3)
    with room.open_posts(account.url) as posts:
        posts.fetch([1])
        mariadb.execute(f"KILL USER {account.user}")
        assert len(posts.fetch([1, 2])) == 2


def test_looking_up_waits_for_a_server_that_is_killed_and_comes_back(
    mariadb: MariaDb, account: Account
) -> None:
    room.create(account.url, 3)
    pauses: list[float] = []

    def pause(seconds: float) -> bool:
        pauses.append(seconds)
        if len(pauses) == 2:
            mariadb.start()
        return False

    with room.open_posts(account.url, pause) as posts:
        before = posts.fetch([0, 1, 2])
        mariadb.kill()
        assert posts.fetch([0, 1, 2]) == before
        mariadb.kill()
        pauses.clear()
        assert list(posts.numbers()) == [0, 1, 2]
    assert pauses[0] < pauses[1]


def test_looking_up_ends_when_it_is_told_to_or_after_a_while(
    mariadb: MariaDb, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.create(account.url, 3)
    with room.open_posts(account.url, lambda _: True) as told, room.open_posts(account.url) as patient:
        mariadb.stop()
        try:
            with pytest.raises(UnavailableError, match="no database listens"):
                told.fetch([0])
            monkeypatch.setattr("pinflow.source.retries.RETRY_SECONDS", 0.3)
            with pytest.raises(UnavailableError, match="no database listens"):
                patient.count()
        finally:
            mariadb.start()


def test_the_command_tells_errors_and_no_secret(account: Account, tmp_path: Path) -> None:
    bad = account._replace(password="SentinelOfAPassword").url
    for command in (
        ("source", "show"),
        ("source", "create"),
        ("emulate", "--posts", "1"),
        ("source", "load", str(tmp_path)),
    ):
        done = run(*command, home=tmp_path, PINFLOW__SOURCE__URL=bad)
        assert done.returncode == 1, done.stderr
        assert "refuses this user or password" in done.stderr
        assert "Traceback" not in done.stderr
        debug = run(*command, "--debug", home=tmp_path, PINFLOW__SOURCE__URL=bad)
        assert "Traceback" in debug.stderr
        for each in (done, debug):
            assert "SentinelOfAPassword" not in each.stdout + each.stderr


def test_doctor_says_what_the_source_is_like(mariadb: MariaDb, account: Account, tmp_path: Path) -> None:
    def source_line() -> dict[str, str]:
        found = json.loads(run("doctor", "--json", home=tmp_path, PINFLOW__SOURCE__URL=account.url).stdout)
        (line,) = [each for each in found if each["part"] == "source"]
        assert account.password not in json.dumps(found)
        return dict(line)

    assert source_line()["state"] == "absent"
    room.create(account.url, 30)
    line = source_line()
    assert line["state"] == "ok"
    assert line["found"].startswith("30 posts at mysql+pymysql://")
    assert "(MariaDB 1" in line["found"]
    mariadb.execute("ALTER TABLE user_data CONVERT TO CHARACTER SET latin1", database=account.database)
    line = source_line()
    assert line["state"] == "ok"
    assert line["hint"] == "ALTER TABLE user_data CONVERT TO CHARACTER SET utf8mb4"
    mariadb.execute("DELETE FROM user_data WHERE ind = 3", database=account.database)
    line = source_line()
    assert line["state"] == "broken"
    assert "user_data 29" in line["found"]


class TestTls:
    @pytest.fixture(scope="class", autouse=True)
    @staticmethod
    def server(mariadb: MariaDb) -> Iterator[None]:
        mariadb.restart(tls=True)
        yield
        mariadb.restart()

    def test_a_server_of_the_right_authority_and_name_is_trusted(
        self, mariadb: MariaDb, account: Account
    ) -> None:
        url = f"{account.url}?ssl_ca={mariadb.certificates.ca}&ssl_verify_identity=true"
        assert room.create(url, 3) == 3
        with room.open_source(url) as source:
            assert "TLSv1" in source.describe()

    def test_a_server_of_another_authority_is_refused(self, account: Account, tmp_path: Path) -> None:
        url = f"{account.url}?ssl_ca={certificates(tmp_path).ca}"
        error = refused(url, TerminalError, "certificate is not to be trusted")
        assert "ssl_ca" in error.hint
        refused(f"{account.url}?ssl_verify_identity=true", TerminalError, "certificate is not to be trusted")

    def test_a_server_of_another_name_is_refused(self, mariadb: MariaDb, account: Account) -> None:
        url = f"{account.url}?ssl_ca={mariadb.certificates.ca}".replace("127.0.0.1", "127.1")
        with pytest.raises(TerminalError, match=r"not to be trusted.*127\.1"):
            room.create(url, 1)

    def test_a_server_that_wants_tls_says_so(self, mariadb: MariaDb, account: Account) -> None:
        mariadb.execute("SET GLOBAL require_secure_transport = ON")
        try:
            # MySQL says that it wants TLS, MariaDB that it knows no such user.
            refused(f"{account.url}?ssl_disabled=true", TerminalError, "wants TLS|refuses this user")
            assert room.create(account.url, 1) == 1
        finally:
            mariadb.execute("SET GLOBAL require_secure_transport = OFF")


def test_a_server_without_tls_is_refused_where_tls_is_asked_for(mariadb: MariaDb, account: Account) -> None:
    refused(f"{account.url}?ssl_ca={mariadb.certificates.ca}", TerminalError, "asks for TLS")


def test_a_wrong_parameter_of_the_url_is_wrong_usage(account: Account, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        room.summary(f"{account.url}?ssl_mode=REQUIRED")
    done = run("source", "show", home=tmp_path, PINFLOW__SOURCE__URL=f"{account.url}?ssl_mode=REQUIRED")
    assert done.returncode == 2
    assert "no option 'ssl_mode'" in done.stderr
