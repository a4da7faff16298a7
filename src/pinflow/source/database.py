"""Opening the source database, looking at it, and filling it whole or not at all."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, inspect, select
from sqlalchemy.exc import DBAPIError

from pinflow.errors import AbsentError, TerminalError
from pinflow.findings import Finding
from pinflow.source.registry import backend_of
from pinflow.source.tables import TABLES, metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sqlalchemy import Connection, Engine, Table

    from pinflow.progress import Progress
    from pinflow.source.protocol import Backend
    from pinflow.source.rows import Block

__all__ = ["Database", "fill", "open_source"]

Processor = tuple[int, "Callable[[Any], Any]"]


class Database:
    """A database that is open. Its connections are kept and reused until the end; several threads may use it."""

    def __init__(self, backend: Backend, engine: Engine) -> None:
        self.backend = backend
        self.where = backend.where
        self._engine = engine

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Lend a connection with one transaction, which is undone at the end unless it is committed.

        Raises:
            UnavailableError: The database cannot be reached, or something in it is locked.
            PinflowError: As the backend translates the error of the driver.
        """
        try:
            with self._engine.connect() as connection:
                yield connection
        except DBAPIError as error:
            raise self.backend.translate_error(error) from error

    def describe(self) -> str:
        """The name and version of what keeps the database, and how it is reached where there is a choice."""
        with self.connect() as connection:
            return self.backend.describe(connection)

    def count_rows(self) -> dict[str, int]:
        """Table → rows."""
        with self.connect() as connection:
            return _count_rows(connection)

    def check(self) -> list[Finding]:
        """Look at the three tables and at what the server reports of itself, without changing anything.

        Raises:
            TerminalError: A column is missing, or of a type that has no meaning there.
            PinflowError: It cannot be looked at; see `connect`.
        """
        with self.connect() as connection:
            for table in TABLES:
                self.backend.selection(connection, table)
            findings = self.backend.check(connection)
            rows = _count_rows(connection)
        if len(set(rows.values())) > 1:
            counts = ", ".join(f"{table} {count:,}" for table, count in rows.items())
            what = f"the tables do not hold the same posts: {counts}"
            findings.append(Finding(what, "pinflow source create --replace", broken=True))
        return findings


@contextmanager
def open_source(url: str, *, long: bool = False) -> Iterator[Database]:
    """Open a source that holds its three tables, until the end of a block. With `long` a statement may take minutes.

    Raises:
        ConfigError: The URL is not one of a source.
        MissingExtraError: The database's driver is not installed.
        AbsentError: There is no source there.
        UnavailableError: The database cannot be reached, or is locked.
        TerminalError: It refuses the user, or lacks a privilege.
        CorruptError: What is there is not a database.
    """
    with _open(backend_of(url), make=False, long=long) as database:
        with database.connect() as connection:
            present = inspect(connection)
            missing = [table.name for table in TABLES if not present.has_table(table.name)]
        if missing:
            raise AbsentError(
                f"there is no source yet: table {', '.join(missing)} is missing",
                where=database.where,
                hint="pinflow source create",
            )
        yield database


def fill(url: str, blocks: Iterable[Block], *, replace: bool, progress: Progress) -> int:
    """Write all blocks in one transaction, so readers see all of them or none. Returns the number of posts.

    The tables themselves are made before it. Killed at any moment, the source is as it was but for tables
    without rows, and the next fill goes on from there.

    Raises:
        TerminalError: The source holds posts already and is not to be replaced.
        Others: As `open_source`, and whatever `blocks` raises; nothing is written then.
    """
    posts = 0
    with _open(backend_of(url), make=True, long=True) as database, database.connect() as connection:
        database.backend.claim(connection)
        metadata.create_all(connection)
        connection.commit()
        _make_room(connection, database.where, replace=replace)
        inserts = [_Insert(table, connection) for table in TABLES]
        for block in blocks:
            for insert, rows in zip(inserts, block, strict=True):
                insert(rows)
            posts += len(block.pins)
            progress.advance(len(block.pins))
        connection.commit()
    return posts


def _count_rows(connection: Connection) -> dict[str, int]:
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
            self._connection.exec_driver_sql(self._sql, self._process(rows))

    def _process(self, rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
        if not self._processors:
            return rows
        columns: list[Any] = list(zip(*rows, strict=True))
        for position, processor in self._processors:
            columns[position] = map(processor, columns[position])
        return list(zip(*columns, strict=True))


def _make_room(connection: Connection, where: str, *, replace: bool) -> None:
    if replace:
        for table in TABLES:
            connection.execute(table.delete())
        return
    rows = max(_count_rows(connection).values())
    if rows:
        raise TerminalError(
            f"the source holds {rows:,} posts already, and nothing was changed",
            where=where,
            hint="pinflow source show looks at it; pinflow source create --replace makes it anew",
        )


@contextmanager
def _open(backend: Backend, *, make: bool, long: bool) -> Iterator[Database]:
    engine = backend.open(make=make, long=long)
    try:
        yield Database(backend, engine)
    finally:
        engine.dispose()
