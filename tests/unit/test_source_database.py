from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import CreateTable

from pinflow import source
from pinflow.errors import (
    AbsentError,
    ConfigError,
    CorruptError,
    MissingExtraError,
    PinflowError,
    UsageError,
)
from pinflow.source.tables import GEO, PIN, USER

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/folder/source.db"


def test_create_makes_the_full_set_by_default(url: str) -> None:
    assert source.create(url) == 11_154


def test_create_takes_no_number_below_one(url: str) -> None:
    with pytest.raises(UsageError, match="at least one post"):
        source.create(url, 0)


def test_a_source_that_is_not_there_is_absent_and_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "none.db"
    with pytest.raises(AbsentError) as looked:
        source.summary(f"sqlite:///{path}")
    with pytest.raises(AbsentError) as opened, source.open_posts(f"sqlite:///{path}"):
        pass
    assert looked.value.hint == opened.value.hint == "pinflow source create"
    assert not path.exists()


def test_a_file_that_is_no_database_is_corrupt(tmp_path: Path) -> None:
    path = tmp_path / "text.db"
    path.write_text("this is no database, but long enough to look like one" * 50, encoding="utf-8")
    with pytest.raises(CorruptError, match="not a database"):
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
