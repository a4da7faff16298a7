"""DuckDB in the process: in memory over Parquet files, its memory capped, the rest spilled."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import duckdb

from pinflow.datasets import LINEAGE
from pinflow.engine.duckdb.connection import connect, first_line
from pinflow.engine.duckdb.dialect import to_duckdb
from pinflow.engine.duckdb.records import ParsedRecords, raw_columns
from pinflow.engine.duckdb.session import DuckDBSession
from pinflow.engine.protocol import LONGEST_SAMPLE, MOST_SAMPLES, Cleaned, Engine, Outcome, View
from pinflow.errors import LimitError, RecordError, UnavailableError
from pinflow.sql_files import read_sql

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pinflow.config import Config
    from pinflow.datasets import Dataset
    from pinflow.engine.protocol import Input, RecordId

__all__ = ["DuckDBEngine"]


class DuckDBEngine(Engine):
    """`Engine` on DuckDB."""

    def __init__(self, config: Config, scratch: Path) -> None:
        self._config = config
        self._scratch = scratch
        self._db: duckdb.DuckDBPyConnection | None = None
        self._translated: dict[str, tuple[str, str]] = {}

    def clean(
        self, dataset: Dataset, records: Input, refused: Mapping[RecordId, str] | None = None
    ) -> Cleaned:
        """See `Engine.clean`."""
        topic = records.topic
        parsed = ParsedRecords(dataset, records.chunks(), refused)
        reject_sql, clean_sql = self._sql_of(dataset)
        columns = _in_types(dataset.clean | LINEAGE | {"_nulled": "string"})
        with self._running(topic):
            db = self._connect()
            db.register("records", parsed.table)
            db.execute(_sql("parsed", topic=_escape(topic)))
            db.execute(_sql("reasons", reject=reject_sql))
            db.execute(_sql("raw"))
            db.register("rejects", parsed.rejects(db.sql("FROM judged WHERE reason IS NOT NULL").fetchall()))
            db.execute(_sql("rejected", topic=_escape(topic)))
            # All rows are made here, not while they are written: by then part of the step may be committed.
            db.execute(_sql("cleaned", columns=columns, clean=clean_sql))
            outcomes = _outcomes(db)
            db.execute(
                _nulled_sql(dataset)
                if any(each.cells for each in outcomes.values())
                else _sql("nothing_nulled")
            )
            db.unregister("records")  # the texts of all fields, which nothing needs any more
            db.unregister("rejects")
            return Cleaned(
                rows=db.sql("SELECT * EXCLUDE (_nulled) FROM cleaned"),
                rejects=db.sql("FROM rejected"),
                nulled=db.sql("FROM nulled"),
                outcomes=outcomes,
            )

    def session(self, views: Sequence[View]) -> DuckDBSession:
        """See `Engine.session`."""
        return DuckDBSession(self._config, self._scratch, views)

    def close(self) -> None:
        """See `Engine.close`."""
        if self._db is not None:
            self._db.close()
            self._db = None

    @contextmanager
    def _running(self, topic: str) -> Iterator[None]:
        """Raise errors of DuckDB that the data, the memory or the disk cause as ours; one of the SQL itself is a bug.

        Raises:
            RecordError, LimitError, UnavailableError: See `Engine.clean`.
        """
        try:
            yield
        except (duckdb.DataError, duckdb.InvalidInputException) as error:
            raise RecordError(first_line(error), where=topic) from error
        except (duckdb.InternalException, duckdb.FatalException) as error:
            self.close()  # such a database fails at every further query
            raise RecordError(first_line(error), where=topic) from error
        except duckdb.OutOfMemoryException as error:
            raise LimitError(
                f"cleaning a step needs more than the engine's memory: {first_line(error)}",
                where=topic,
                hint="raise engine.memory_mb",
            ) from error
        except duckdb.IOException as error:
            raise UnavailableError(
                f"the engine cannot spill to the disk: {first_line(error)}",
                where=str(self._scratch),
                hint="pinflow doctor",
            ) from error

    def _connect(self) -> duckdb.DuckDBPyConnection:
        if self._db is None:
            self._db = connect(self._scratch, self._config.engine.memory_mb, self._config.engine.threads)
        return self._db

    def _sql_of(self, dataset: Dataset) -> tuple[str, str]:
        if dataset.rules not in self._translated:
            columns = raw_columns(dataset)
            self._translated[dataset.rules] = (
                to_duckdb(dataset.reject_sql, where=dataset.where("reject"), columns=columns, total=True),
                to_duckdb(dataset.clean_sql, where=dataset.where("clean"), columns=columns, total=True),
            )
        return self._translated[dataset.rules]


_sql = partial(read_sql, "pinflow.engine.duckdb")


def _nulled_sql(dataset: Dataset) -> str:
    texts = " ".join(f"""WHEN '{name}' THEN raw."{name}\"""" for name in dataset.raw)
    return _sql("nulled", texts=texts, most=MOST_SAMPLES, longest=LONGEST_SAMPLE)


def _escape(text: str) -> str:
    return text.replace("'", "''")


def _in_types(columns: dict[str, str]) -> str:
    return ", ".join(f'CAST("{name}" AS {DUCKDB_TYPES[kind]}) AS "{name}"' for name, kind in columns.items())


DUCKDB_TYPES = {
    "int": "INTEGER",
    "bigint": "BIGINT",
    "string": "VARCHAR",
    "binary": "BLOB",
    "timestamp": "TIMESTAMPTZ",
    "array<float>": "FLOAT[]",
}
"""Spark SQL type → DuckDB type, for the types that tables have."""


def _outcomes(db: duckdb.DuckDBPyConnection) -> dict[int, Outcome]:
    cells: dict[int, dict[str, int]] = {}
    for partition, field, count in db.sql(_sql("cells")).fetchall():
        cells.setdefault(partition, {})[field] = count
    return {
        partition: Outcome(rows + rejected, rows, rejected, first, last, cells.get(partition, {}))
        for partition, rows, rejected, first, last in db.sql(_sql("outcomes")).fetchall()
    }
