"""How the URL of a MySQL source, an option file and the environment become a connection."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import make_url
from tests.certificates import Certificates, certificates

from pinflow.config import mask
from pinflow.errors import ConfigError, MissingExtraError
from pinflow.source.mysql.columns import shortest_single
from pinflow.source.mysql.options import connect_arguments

if TYPE_CHECKING:
    from pathlib import Path

HOST = "mysql+pymysql://me:secret@db.example"


def options(url: str, *, long: bool = False) -> dict[str, Any]:
    return connect_arguments(make_url(url), mask(url), long=long)


def assert_refused(url: str, match: str) -> ConfigError:
    with pytest.raises(ConfigError, match=match) as raised:
        options(url)
    assert "secret" not in str(raised.value)
    return raised.value


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("certificates"))


def test_a_url_says_who_and_where() -> None:
    found = options("mysql+pymysql://me:p%40ss%2F%C3%A9%20%3A@db.example:3307/pinterest_data")
    assert (found["user"], found["host"], found["port"]) == ("me", "db.example", 3307)
    assert found["password"] == "p@ss/é :".encode()
    assert found["charset"] == "utf8mb4"
    assert "ssl" not in found


def test_every_wait_is_bounded_and_can_be_set() -> None:
    names = ("connect_timeout", "read_timeout", "write_timeout")
    assert [options(f"{HOST}/x")[name] for name in names] == [10, 60, 60]
    assert options(f"{HOST}/x", long=True)["read_timeout"] == 900
    found = options(f"{HOST}/x?connect_timeout=1.5&read_timeout=2&write_timeout=3", long=True)
    assert [found[name] for name in names] == [1.5, 2, 3]


@pytest.mark.parametrize(
    ("rest", "match"),
    [
        ("", "names no database"),
        ("/x?conect_timeout=1", "no option 'conect_timeout'"),
        ("/x?local_infile=1", "no option 'local_infile'"),
        ("/x?read_timeout=1&read_timeout=2", "more than once"),
        ("/x?charset=latin1", "utf8mb4 only"),
        ("/x?connect_timeout=0", "connect_timeout=0 is not valid"),
        ("/x?connect_timeout=soon", "connect_timeout=soon is not valid"),
        ("/x?read_timeout=nan", "read_timeout=nan is not valid"),
        ("/x?ssl_verify_cert=perhaps", "ssl_verify_cert=perhaps is not valid"),
        ("/x?ssl_ca=/nowhere/ca.pem", r"ssl_ca = /nowhere/ca\.pem cannot be loaded: No such file"),
        ("/x?read_default_file=/nowhere/my.cnf", "cannot be read: No such file"),
    ],
)
def test_what_does_not_fit_is_named(rest: str, match: str) -> None:
    assert_refused(HOST + rest, match)


def test_a_misspelt_parameter_gets_a_suggestion() -> None:
    assert (
        assert_refused(f"{HOST}/x?ssl_verify_identiy=true", "no option").hint
        == "did you mean ssl_verify_identity?"
    )


def test_a_host_that_can_be_none_is_named() -> None:
    assert_refused("mysql://me:secret@a..b/x", "not a valid name")


def test_without_a_user_or_password_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYSQL_USER", "someone")
    monkeypatch.setenv("MYSQL_PWD", "pässword")
    found = options("mysql://db.example/x")
    assert (found["user"], found["password"]) == ("someone", "pässword".encode())
    found = options("mysql://me@db.example/x")
    assert (found["user"], found["password"]) == ("me", "pässword".encode())
    assert options(f"{HOST}/x")["password"] == b"secret"


def test_an_option_file_says_what_the_url_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MYSQL_PWD", "of the environment")
    (tmp_path / ".my.cnf").write_text(
        "[client]\nuser = filed\npassword = 'pö#ss'\nhost = file.example\nport = 3310\n[other]\nuser=other\n"
    )
    found = options("mysql+pymysql:///x?read_default_file=~/.my.cnf")
    assert (found["user"], found["password"], found["host"], found["port"]) == (
        "filed", "pö#ss".encode(), "file.example", 3310
    )  # fmt: skip
    found = options("mysql+pymysql://me@db.example:3307/x?read_default_file=~/.my.cnf")
    assert (found["user"], found["password"], found["host"], found["port"]) == (
        "me", "pö#ss".encode(), "db.example", 3307
    )  # fmt: skip
    found = options("mysql://h/x?read_default_file=~/.my.cnf&read_default_group=other")
    assert found["user"] == "other"
    assert "password" not in found


@pytest.mark.parametrize("text", ["password=secret\n[client]\n", "[mysqld]\nport=1\n"])
def test_an_option_file_that_is_none_is_named_and_not_quoted(tmp_path: Path, text: str) -> None:
    file = tmp_path / "my.cnf"
    file.write_text(text)
    error = assert_refused(f"mysql://h/x?read_default_file={file}", r"my\.cnf (is not|has no)")
    assert error.__cause__ is None


def test_no_word_of_tls_leaves_it_to_the_server() -> None:
    found = options(f"{HOST}/x")
    assert not {"ssl", "ssl_disabled"} & set(found)
    assert options(f"{HOST}/x?ssl_disabled=true")["ssl_disabled"] is True


@pytest.mark.parametrize(
    ("rest", "mode", "name"),
    [
        ("ssl_ca={ca}", ssl.CERT_REQUIRED, True),
        ("ssl_ca={ca}&ssl_verify_identity=true", ssl.CERT_REQUIRED, True),
        ("ssl_ca={ca}&ssl_verify_identity=false", ssl.CERT_REQUIRED, False),
        ("ssl_ca={ca}&ssl_check_hostname=false", ssl.CERT_REQUIRED, False),
        ("ssl_ca={ca}&ssl_verify_cert=false", ssl.CERT_NONE, False),
        ("ssl_verify_identity=true", ssl.CERT_REQUIRED, True),
        ("ssl_verify_cert=true", ssl.CERT_REQUIRED, True),
        ("ssl_ca={ca}&ssl_cert={cert}&ssl_key={key}", ssl.CERT_REQUIRED, True),
    ],
)
def test_a_server_is_distrusted_unless_told_otherwise(
    made: Certificates, rest: str, mode: ssl.VerifyMode, name: bool
) -> None:
    context = options(f"{HOST}/x?{rest.format_map(made._asdict())}")["ssl"]
    assert (context.verify_mode, context.check_hostname) == (mode, name)
    if "ssl_ca" in rest:
        assert len(context.get_ca_certs()) == 1


@pytest.mark.parametrize(
    "rest", ["ssl_ca={key}", "ssl_cert={cert}&ssl_key={ca}", "ssl_cert={cert}&ssl_key={locked_key}"]
)
def test_a_file_that_is_no_certificate_is_named(made: Certificates, rest: str) -> None:
    assert_refused(f"{HOST}/x?{rest.format_map(made._asdict())}", "cannot be loaded")


@pytest.mark.parametrize("package", ["pymysql", "cryptography"])
def test_what_is_not_installed_names_its_extra(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(MissingExtraError) as raised:
        options(f"{HOST}/x")
    assert "pinflow[mysql]" in raised.value.hint


@pytest.mark.parametrize(
    ("kept", "written"),
    [
        (-179.91229248046875, -179.9123),
        (1.0000000116860974e-07, 1e-7),
        (0.5, 0.5),
        (16777216.0, 16777216.0),
        (0.30000001192092896, 0.3),
        (-0.0, -0.0),
        (3.4028234663852886e38, 3.4028235e38),
    ],
)
def test_a_float_becomes_the_shortest_number_that_is_the_same(kept: float, written: float) -> None:
    assert repr(shortest_single(kept)) == repr(written)
