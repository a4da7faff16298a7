"""Reaching the source database, and filling it whole or not at all."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, func, inspect, make_url, select
from sqlalchemy.exc import ArgumentError, DatabaseError, IntegrityError, NoSuchModuleError, OperationalError

from pinflow.config import masked
from pinflow.errors import (
    AbsentError,
    ConfigError,
    CorruptError,
    MissingExtraError,
    TerminalError,
    UnavailableError,
)
from pinflow.source.tables import TABLES, metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sqlalchemy import URL, Table

    from pinflow.progress import Progress
    from pinflow.source.rows import Block

__all__ = ["count_rows", "existing", "fill"]

LOCK_WAIT_SECONDS = 30
"""A writer of a million posts commits within this on a slow disk; readers wait for it."""

Processor = tuple[int, "Callable[[Any], Any]"]


@contextmanager
def existing(url: str) -> Iterator[Engine]:
    """An engine on a source that holds its three tables; released at the end.

    Raises:
        ConfigError: The URL names no database.
        MissingExtraError: The database's driver is not installed.
        AbsentError: There is no source there.
        UnavailableError: The database cannot be reached, or is locked.
        CorruptError: What is there is no database.
    """
    parsed = _parsed(url)
    path = _file_of(parsed)
    if path is not None and not path.exists():
        raise _missing(url)
    with _engine(parsed, url) as engine:
        if not {table.name for table in TABLES} <= set(inspect(engine).get_table_names()):
            raise _missing(url)
        yield engine


def fill(url: str, blocks: Iterable[Block], *, replace: bool, progress: Progress) -> int:
    """Write all blocks in one transaction, so readers see all of them or none. Returns the number of posts.

    Raises:
        TerminalError: The source holds posts already and is not to be replaced.
        Others: As `existing`, and whatever `blocks` raises; nothing is written then.
    """
    parsed = _parsed(url)
    path = _file_of(parsed)
    if path is not None:
        _make_folder(path, url)
    posts = 0
    with _engine(parsed, url) as engine:
        metadata.create_all(engine)
        with engine.begin() as connection:
            _make_room(connection, url, replace=replace)
            inserts = [_Insert(table, connection) for table in TABLES]
            for block in blocks:
                for insert, rows in zip(inserts, block, strict=True):
                    insert(rows)
                posts += len(block.pins)
                progress.advance(len(block.pins))
    return posts


def count_rows(connection: Connection) -> dict[str, int]:
    """Table name → rows."""
    return {
        table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
        for table in TABLES
    }


class _Insert:
    """Rows of tuples into one table, past the per-row work of the expression layer."""

    def __init__(self, table: Table, connection: Connection) -> None:
        dialect = connection.dialect
        self._connection = connection
        self._sql = str(table.insert().compile(dialect=dialect))
        self._processors: list[Processor] = []
        for position, column in enumerate(table.columns):
            processor = column.type.dialect_impl(dialect).bind_processor(dialect)
            if processor is not None:
                self._processors.append((position, processor))

    def __call__(self, rows: list[tuple[object, ...]]) -> None:
        if rows:
            self._connection.exec_driver_sql(self._sql, self._processed(rows))

    def _processed(self, rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
        if not self._processors:
            return rows
        columns: list[Any] = list(zip(*rows, strict=True))
        for position, processor in self._processors:
            columns[position] = map(processor, columns[position])
        return list(zip(*columns, strict=True))


def _make_room(connection: Connection, url: str, *, replace: bool) -> None:
    if replace:
        for table in TABLES:
            connection.execute(table.delete())
        return
    rows = max(count_rows(connection).values())
    if rows:
        raise TerminalError(
            f"the source holds {rows:,} posts already, and nothing was changed",
            where=masked(url),
            hint="pinflow source show looks at it; pinflow source create --replace makes it anew",
        )


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError) as error:
        raise ConfigError(
            "the source's URL names no database that is known",
            where=f"source.url = {masked(url)}",
            hint="use sqlite:///<file> or mysql+pymysql://<user>@<host>/pinterest_data",
        ) from error
    if parsed.get_backend_name() == "sqlite" and parsed.database in {None, "", ":memory:"}:
        raise ConfigError(
            "the source needs a file: one in memory is gone when its program ends",
            where=f"source.url = {masked(url)}",
            hint="use sqlite:///<file>",
        )
    return parsed


def _file_of(parsed: URL) -> Path | None:
    if parsed.get_backend_name() != "sqlite":
        return None
    return Path(str(parsed.database))


def _make_folder(path: Path, url: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnavailableError(
            f"the folder of the source cannot be made: {error}", where=masked(url)
        ) from error


@contextmanager
def _engine(parsed: URL, url: str) -> Iterator[Engine]:
    arguments = {"timeout": LOCK_WAIT_SECONDS} if parsed.get_backend_name() == "sqlite" else {}
    try:
        engine = create_engine(parsed, connect_args=arguments)
    except ImportError as error:
        raise MissingExtraError(
            f"a source on {parsed.get_backend_name()}", parsed.get_backend_name()
        ) from error
    try:
        with _translated(url):
            yield engine
    finally:
        engine.dispose()


@contextmanager
def _translated(url: str) -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        raise UnavailableError(
            f"the source database cannot be used now: {error.orig}",
            where=masked(url),
            hint="check source.url with pinflow config show, and that the database runs",
        ) from error
    except IntegrityError as error:
        raise TerminalError(
            f"another program wrote to the source at the same time, and nothing was changed: {error.orig}",
            where=masked(url),
            hint="pinflow source show",
        ) from error
    except DatabaseError as error:
        raise CorruptError(
            f"the source is no database that can be read: {error.orig}",
            where=masked(url),
            hint="move the file away, then pinflow source create",
        ) from error


def _missing(url: str) -> AbsentError:
    return AbsentError("there is no source yet", where=masked(url), hint="pinflow source create")
