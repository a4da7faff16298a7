"""Which kind of database a URL names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from pinflow.config import mask
from pinflow.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import URL

    from pinflow.source.protocol import Backend

__all__ = ["backend_of"]


def backend_of(url: str) -> Backend:
    """The backend that a URL names.

    Raises:
        ConfigError: It names no database that is supported, or is not valid.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise _unknown(url) from error
    kind = KINDS.get(parsed.drivername)
    if kind is None:
        raise _unknown(url)
    return kind(parsed, mask(url))


def _sqlite(url: URL, where: str) -> Backend:
    from pinflow.source.sqlite import SqliteSource  # noqa: PLC0415 - only the one that is used is loaded

    return SqliteSource(url, where)


def _mysql(url: URL, where: str) -> Backend:
    from pinflow.source.mysql import MySqlSource  # noqa: PLC0415

    return MySqlSource(url, where)


KINDS: dict[str, Callable[[URL, str], Backend]] = {
    "sqlite": _sqlite,
    "sqlite+pysqlite": _sqlite,
    "mysql": _mysql,
    "mysql+pymysql": _mysql,
    "mariadb": _mysql,
    "mariadb+pymysql": _mysql,
}
"""How a URL begins → what opens it."""


def _unknown(url: str) -> ConfigError:
    return ConfigError(
        "the source's URL does not name a database that pinflow supports",
        where=f"source.url = {mask(url)}",
        hint="use sqlite:///<file> or mysql+pymysql://<user>@<host>/pinterest_data",
    )
