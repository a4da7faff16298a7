"""The sources that the contract suite runs over: name → a function that gives what one test has."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from tests.servers.mariadb import Account, MariaDb

__all__ = ["SOURCES", "Source"]


class Source(NamedTuple):
    """A source that is not made yet: its URL, and what runs SQL on it past pinflow."""

    url: str
    execute: Callable[[str], None]


def _sqlite(request: pytest.FixtureRequest) -> Source:
    folder: Path = request.getfixturevalue("tmp_path")
    path = folder / "source" / "source.db"

    def execute(statement: str) -> None:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(statement)

    return Source(f"sqlite:///{path}", execute)


def _mysql(request: pytest.FixtureRequest) -> Source:
    server: MariaDb = request.getfixturevalue("mariadb")
    account: Account = request.getfixturevalue("account")

    def execute(statement: str) -> None:
        server.execute(statement, database=account.database)

    return Source(account.url, execute)


SOURCES: dict[str, Callable[[pytest.FixtureRequest], Source]] = {"sqlite": _sqlite, "mysql": _mysql}
