"""DuckDB in the process: in memory over Parquet files, its memory capped, the rest spilled."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb
from arro3.core import Array, DataType, RecordBatch, Table

from pinflow.datasets import LINEAGE
from pinflow.engine.duckdb.connection import connect, first_line
from pinflow.engine.duckdb.dialect import to_duckdb
from pinflow.engine.duckdb.numbers import maybe_rewritten, numbers_as_texts
from pinflow.engine.duckdb.session import DuckDBSession
from pinflow.engine.protocol import LONGEST_SAMPLE, MOST_SAMPLES, Cleaned, View
from pinflow.engine.raw import Raw, Rejected, raw_columns, split
from pinflow.errors import LimitError, RecordError, UnavailableError
from pinflow.steps.plan import Tally

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pinflow.config import Config
    from pinflow.datasets import Dataset
    from pinflow.engine.protocol import RecordId
    from pinflow.log import Chunk

__all__ = ["DuckDBEngine"]

ROWS_A_BATCH = 32_768
"""Rows of an Arrow batch handed over: DuckDB's threads take one batch each."""


class DuckDBEngine:
    """`Engine` on DuckDB."""

    def __init__(self, config: Config, scratch: Path) -> None:
        self._config = config
        self._scratch = scratch
        self._db: duckdb.DuckDBPyConnection | None = None
        self._translated: dict[str, tuple[str, str]] = {}

    def clean(
        self,
        dataset: Dataset,
        topic: str,
        chunks: Iterable[Chunk],
        refused: Mapping[RecordId, str] | None = None,
    ) -> Cleaned:
        """See `Engine.clean`."""
        raw, rejected = split(chunks, refused)
        reject_sql, clean_sql = self._sql_of(dataset)
        with self._running(topic):
            db = self._connected()
            db.register("texts", _texts(raw))
            db.register("unreadable", _unreadable(rejected))
            db.execute(_parsed(dataset, topic, "texts"))
            db.execute(f"CREATE OR REPLACE TEMP TABLE checked AS {reject_sql}")
            _read_numbers_again(db, dataset, topic, reject_sql)
            db.execute(
                "CREATE OR REPLACE TEMP VIEW raw AS "
                "SELECT * EXCLUDE (_reason, _maybe_rewritten) FROM checked WHERE _reason IS NULL"
            )
            db.execute(_REJECTED.format(topic=_quoted(topic)))
            if db.sql("SELECT 1 FROM checked WHERE _reason IS NOT NULL LIMIT 1").fetchone():
                db.execute(_REJECTED_BY_RULE)
            # All rows are made here, not while they are written: by then part of the step may be committed.
            stored = _stored(clean_sql, dataset.clean | LINEAGE | {"_nulled": "string"})
            db.execute(f"CREATE OR REPLACE TEMP TABLE cleaned AS {stored}")
            tallies = _tallies(db)
            found = any(tally.cells for tally in tallies.values())
            db.execute(
                f"CREATE OR REPLACE TEMP TABLE nulled AS {_nulled(dataset) if found else NOTHING_NULLED}"
            )
            db.execute("DROP TABLE checked")  # the texts of all fields, which nothing needs any more
            return Cleaned(
                rows=db.sql("SELECT * EXCLUDE (_nulled) FROM cleaned"),
                rejects=db.sql("SELECT * FROM rejected"),
                nulled=db.sql("SELECT * FROM nulled"),
                tallies=tallies,
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
            self.close()  # such a database answers nothing any more
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

    def _connected(self) -> duckdb.DuckDBPyConnection:
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


_PARSED = """
CREATE OR REPLACE TEMP VIEW parsed AS
SELECT * EXCLUDE (_text, _fields), {maybe_rewritten} AS _maybe_rewritten
FROM (
  SELECT {columns}, {topic} AS _topic, _partition, _offset, make_timestamptz(_accepted_us) AS _accepted_at,
    CASE
      WHEN _fields IS NULL THEN 'not JSON that can be read'
      WHEN _keys <> {keys} AND len(_keys) <> list_unique(_keys) THEN 'a field is there twice'
    END AS _broken, _text, _fields
  FROM (
    SELECT _text, _partition, _offset, _accepted_us, try(json_extract_string(_text, {paths})) AS _fields,
      try(json_keys(_text)) AS _keys
    FROM {texts}
  )
)
"""
"""Every field as text, by its name; the texts are JSON objects already."""

_READ_AGAIN = """
SELECT _text, _partition, _offset, _accepted_us FROM texts SEMI JOIN (
  SELECT _partition, _offset FROM checked WHERE _maybe_rewritten AND _broken IS NULL
) USING (_partition, _offset)
"""

_REJECTED = """
CREATE OR REPLACE TEMP TABLE rejected AS
SELECT raw, raw_bytes, reason, {topic} AS _topic, _partition, _offset,
  make_timestamptz(_accepted_us) AS _accepted_at
FROM unreadable
"""

_REJECTED_BY_RULE = """
INSERT INTO rejected
SELECT _text, NULL, _reason, checked._topic, checked._partition, checked._offset, checked._accepted_at
FROM checked JOIN texts ON texts._partition = checked._partition AND texts._offset = checked._offset
WHERE _reason IS NOT NULL
"""
"""Only where there are any: the join reads all texts, whatever the rules reject."""

_NULLED = """
SELECT sampled.ind, field, substring({text}, 1, {longest}) AS text, sampled._topic, sampled._partition,
  sampled._offset, sampled._accepted_at
FROM (
  SELECT *, row_number() OVER (PARTITION BY field ORDER BY _partition, _offset) AS _number
  FROM (SELECT * EXCLUDE (_nulled), unnest(string_split(_nulled, ',')) AS field FROM cleaned WHERE _nulled IS NOT NULL)
) AS sampled JOIN raw ON raw._partition = sampled._partition AND raw._offset = sampled._offset
WHERE _number <= {most}
"""
"""Of each field the first cells that became NULL by a rule, with their texts."""

NOTHING_NULLED = """
SELECT NULL::INTEGER AS ind, '' AS field, '' AS text, '' AS _topic, NULL::INTEGER AS _partition,
  NULL::BIGINT AS _offset, NULL::TIMESTAMPTZ AS _accepted_at
LIMIT 0
"""
"""The same where there are none, which takes less planning."""

_CELLS = """
SELECT _partition, field, count(*)
FROM (SELECT _partition, unnest(string_split(_nulled, ',')) AS field FROM cleaned WHERE _nulled IS NOT NULL)
GROUP BY ALL
"""


def _nulled(dataset: Dataset) -> str:
    texts = " ".join(f"""WHEN '{name}' THEN raw."{name}\"""" for name in dataset.raw)
    return _NULLED.format(text=f"CASE field {texts} END", most=MOST_SAMPLES, longest=LONGEST_SAMPLE)


def _parsed(dataset: Dataset, topic: str, texts: str) -> str:
    return _PARSED.format(
        topic=_quoted(topic),
        keys=dataset.raw,
        paths=_paths(dataset),
        columns=_columns(dataset),
        maybe_rewritten=maybe_rewritten(dataset.fractional),
        texts=texts,
    )


def _read_numbers_again(db: duckdb.DuckDBPyConnection, dataset: Dataset, topic: str, reject_sql: str) -> None:
    """Put records whose numbers may not be as they were sent into `checked` once more, the numbers being texts."""
    if db.execute("SELECT NOT EXISTS (FROM checked WHERE _maybe_rewritten)").fetchone() == (True,):
        return
    found = db.execute(_READ_AGAIN).fetchall()
    if not found:
        return
    texts, *others = map(list, zip(*found, strict=True))
    db.register("numbers_as_texts", _texts(Raw(list(map(numbers_as_texts, texts)), *others)))
    db.execute(_parsed(dataset, topic, "numbers_as_texts"))
    db.execute("DELETE FROM checked WHERE _maybe_rewritten AND _broken IS NULL")
    db.execute(f"INSERT INTO checked {reject_sql}")


def _columns(dataset: Dataset) -> str:
    return ", ".join(f'_fields[{index}] AS "{name}"' for index, name in enumerate(dataset.raw, 1))


def _paths(dataset: Dataset) -> list[str]:
    return [f'$."{name}"' for name in dataset.raw]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _stored(sql: str, columns: dict[str, str]) -> str:
    """The rows of a query in the very types that the table has."""
    casts = ", ".join(f'CAST("{name}" AS {DUCKDB_TYPES[kind]}) AS "{name}"' for name, kind in columns.items())
    return f"SELECT {casts} FROM ({sql})"  # noqa: S608


DUCKDB_TYPES = {
    "int": "INTEGER",
    "bigint": "BIGINT",
    "string": "VARCHAR",
    "binary": "BLOB",
    "timestamp": "TIMESTAMPTZ",
    "array<float>": "FLOAT[]",
}
"""Spark SQL type → DuckDB type, for the types that tables have."""


def _tallies(db: duckdb.DuckDBPyConnection) -> dict[int, Tally]:
    rows: dict[int, int] = dict(db.sql("SELECT _partition, count(*) FROM raw GROUP BY ALL").fetchall())
    rejects: dict[int, int] = dict(
        db.sql("SELECT _partition, count(*) FROM rejected GROUP BY ALL").fetchall()
    )
    cells: dict[int, dict[str, int]] = {}
    for partition, field, count in db.sql(_CELLS).fetchall():
        cells.setdefault(partition, {})[field] = count
    return {
        partition: Tally(
            records=rows.get(partition, 0) + rejects.get(partition, 0),
            rows=rows.get(partition, 0),
            rejected=rejects.get(partition, 0),
            cells=cells.get(partition, {}),
        )
        for partition in sorted(rows.keys() | rejects.keys())
    }


def _texts(raw: Raw) -> Table:
    return _table(
        {
            "_text": (raw.texts, DataType.string()),
            "_partition": (raw.partitions, DataType.int32()),
            "_offset": (raw.offsets, DataType.int64()),
            "_accepted_us": (raw.accepted_at, DataType.int64()),
        }
    )


def _unreadable(rejected: Rejected) -> Table:
    texts = [value.decode("utf-8", "replace") if value is not None else None for value in rejected.values]
    return _table(
        {
            "raw": (texts, DataType.string()),
            "raw_bytes": (rejected.values, DataType.binary()),
            "reason": (rejected.reasons, DataType.string()),
            "_partition": (rejected.partitions, DataType.int32()),
            "_offset": (rejected.offsets, DataType.int64()),
            "_accepted_us": (rejected.accepted_at, DataType.int64()),
        }
    )


def _table(columns: dict[str, tuple[list[Any], DataType]]) -> Table:
    rows = len(next(iter(columns.values()))[0])
    names = list(columns)
    batches = [
        RecordBatch.from_arrays(
            [Array(values[at : at + ROWS_A_BATCH], type=kind) for values, kind in columns.values()],
            names=names,
        )
        for at in range(0, max(rows, 1), ROWS_A_BATCH)
    ]
    return Table.from_batches(batches)
