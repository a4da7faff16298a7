"""Questions over views, in DuckDB."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb

from pinflow.engine.duckdb.connection import connect, first_line
from pinflow.engine.duckdb.dialect import to_duckdb
from pinflow.engine.duckdb.files import LakeFiles
from pinflow.engine.duckdb.floats import shorten_floats
from pinflow.engine.protocol import Result, Session, View
from pinflow.errors import CorruptError, LimitError, UsageError
from pinflow.sql_files import read_sql

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pinflow.config import Config

__all__ = ["DuckDBSession"]

EMPTY_TYPES = {"timestamp": "TIMESTAMPTZ", "string": "VARCHAR", "binary": "BLOB", "array<float>": "FLOAT[]"}
"""Spark SQL type → DuckDB type, where the names differ."""


class DuckDBSession(Session):
    """`Session` on DuckDB: each view is loaded into memory, or spilled, when a question first needs it."""

    def __init__(self, config: Config, scratch: Path, views: Sequence[View]) -> None:
        self._config = config
        self._scratch = scratch
        self._views = {view.name: view for view in views}
        self._files = LakeFiles(config)
        self._db = self._connect()
        self._loaded: set[str] = set()

    def ask(self, sql: str, *, where: str) -> Result:
        """See `Session.ask`."""
        translated = to_duckdb(sql, where=where)
        with self._bound(self._db):
            self._db.execute("SET preserve_insertion_order = false")
            self._load(self._db, _tables_of(self._db, translated), self._loaded)
            self._db.execute("RESET preserve_insertion_order")
            return self._answer(self._db, translated)

    def run(self, sql: str) -> Result:
        """See `Session.run`: on a connection of its own, which is locked before the SQL is run."""
        db = self._connect()
        try:
            with self._bound(db):
                self._load(db, _tables_of(db, sql), set())
                db.execute("RESET preserve_insertion_order")
                db.execute("SET enable_external_access = false")
                db.execute("SET lock_configuration = true")
                return self._answer(db, sql)
        finally:
            db.close()

    def close(self) -> None:
        """See `Session.close`."""
        self._db.close()

    def _connect(self) -> duckdb.DuckDBPyConnection:
        return connect(self._scratch, self._config.query.memory_mb, self._config.engine.threads)

    def _load(self, db: duckdb.DuckDBPyConnection, tables: set[str], loaded: set[str]) -> None:
        for name, view in self._views.items():
            if name.lower() in tables and name not in loaded:
                _load_view(db, self._files, view)
                loaded.add(name)

    def _answer(self, db: duckdb.DuckDBPyConnection, sql: str) -> Result:
        limit = self._config.query.max_rows
        found = _without_zones(db.sql(sql))
        rows = found.fetchmany(limit + 1)
        if len(rows) > limit:
            raise UsageError(
                f"the answer has more than {limit:,} rows",
                where="query.max_rows",
                hint="add a LIMIT, or raise it",
            )
        return Result(_distinct(found.columns), shorten_floats(rows, found.types))

    def _tables_hint(self) -> str:
        quoted = (f'"{name}"' if name[:1].isdigit() else name for name in self._views)
        return f"the tables are {', '.join(quoted)}"

    @contextmanager
    def _bound(self, db: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """Interrupt what runs too long, and raise DuckDB's errors as ours."""
        seconds = self._config.query.timeout_seconds
        timer = threading.Timer(seconds, db.interrupt)
        timer.start()
        try:
            yield
        except duckdb.InterruptException as error:
            raise LimitError(
                f"the query was stopped after {seconds:g} s",
                where="query.timeout_seconds",
                hint="ask for less, or raise it",
            ) from error
        except duckdb.OutOfMemoryException as error:
            raise LimitError(
                f"the query needs more than its {self._config.query.memory_mb} MiB",
                where="query.memory_mb",
                hint="ask for less, or raise it",
            ) from error
        except duckdb.CatalogException as error:
            line = first_line(error)
            hint = NO_FUNCTION if "Function" in line.partition(" with name ")[0] else self._tables_hint()
            raise UsageError(line, where="the query", hint=hint) from error
        except duckdb.BinderException as error:
            hint = "SELECT * FROM a table shows its columns"
            raise UsageError(first_line(error), where="the query", hint=hint) from error
        except duckdb.Error as error:
            raise UsageError(first_line(error), where="the query") from error
        finally:
            timer.cancel()


NO_FUNCTION = "DuckDB's own functions can be used, but none that reaches for files, network or environment"


def _load_view(db: duckdb.DuckDBPyConnection, files: LakeFiles, view: View) -> None:
    """Load a view's own columns by their names: in files that others wrote there may be more, in another order."""
    if view.unreadable is not None:
        raise view.unreadable
    found = view.snapshot.files() if view.snapshot is not None else []
    try:
        with files.lend(db, found):
            try:
                _load_rows(db, view, _source(view, found))
            except (duckdb.InvalidInputException, duckdb.BinderException):
                if not found:
                    raise
                # Files differ in their columns; to look at all of them first takes longer where they are far away.
                _load_rows(db, view, _source(view, found, ", union_by_name = true"))
    except (duckdb.IOException, duckdb.InvalidInputException, duckdb.BinderException) as error:
        raise CorruptError(
            f"a file of table {view.name!r} cannot be read: {first_line(error)}",
            where=view.name,
            hint="bring it back from a copy; pinflow audit names what is missing",
        ) from error


def _source(view: View, files: Sequence[str], options: str = "") -> str:
    """The view's columns as they are stored, in the types that they should have."""
    kinds = {name: EMPTY_TYPES.get(kind, kind) for name, kind in view.columns.items()}
    if not files:
        columns = ", ".join(f'CAST(NULL AS {kind}) AS "{name}"' for name, kind in kinds.items())
        return f"(SELECT {columns} LIMIT 0)"
    listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
    columns = ", ".join(f'CAST("{name}" AS {kind}) AS "{name}"' for name, kind in kinds.items())
    return f"(SELECT {columns} FROM read_parquet([{listed}]{options}))"  # noqa: S608


def _load_rows(db: duckdb.DuckDBPyConnection, view: View, source: str) -> None:
    db.execute(f"CREATE OR REPLACE TEMP VIEW _stored AS SELECT * FROM {source}")  # noqa: S608
    latest = to_duckdb(view.sql.replace("{table}", "_stored"), where=view.name)
    db.execute(f'CREATE TABLE "{view.name}" AS {latest}')


def _distinct(names: list[str]) -> list[str]:
    """The names of columns, those that come again with a number, so that none is lost in JSON."""
    seen: set[str] = set()
    distinct = []
    for name in names:
        fresh, number = name, 1
        while fresh in seen:
            number += 1
            fresh = f"{name}_{number}"
        seen.add(fresh)
        distinct.append(fresh)
    return distinct


def _without_zones(found: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """The same rows with timestamps as plain UTC ones: Python would need a further package for the others."""
    if ZONED not in map(str, found.types):
        return found
    quoted = ['"' + name.replace('"', '""') + '"' for name in found.columns]
    return found.project(
        ", ".join(
            f"CAST({name} AS TIMESTAMP) AS {name}" if str(kind) == ZONED else name
            for name, kind in zip(quoted, found.types, strict=True)
        )
    )


ZONED = "TIMESTAMP WITH TIME ZONE"


def _tables_of(db: duckdb.DuckDBPyConnection, sql: str) -> set[str]:
    """The names that a query reads from, in lower case, by DuckDB's own parser.

    Raises:
        UsageError: It is not exactly one SELECT.
    """
    row = db.execute(read_sql("pinflow.engine.duckdb", "tables_of"), [sql]).fetchone()
    tables, count, error = row if row is not None else ([], 0, "nothing was parsed")
    if error is not None or count != 1:
        raise UsageError(
            f"only one SELECT can be run: {error or f'there are {count} statements'}",
            where="the query",
            hint="pinflow query --sql 'SELECT count(*) FROM pin'; a name that begins with a digit needs double quotes",
        )
    return {str(name).strip('"').lower() for name in tables}
