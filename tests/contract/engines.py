"""The engines that the contract suite runs over, and how a test hands records over and looks at what came of them.

Name → a function that opens the engine, with a folder for what it keeps. An engine may run in a cluster, where each
call takes seconds: so a test cleans thousands of records at once, and all tests of a file share one engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from arro3.core import Table as Arrow

from pinflow.config import load
from pinflow.datasets import LINEAGE, dataset
from pinflow.engine import RecordsInMemory, View, open_engine, open_tables
from pinflow.jobs.pipelines import side_pipelines
from pinflow.lake import open_store
from pinflow.lake.tables.protocol import Append
from pinflow.log import Chunk, Records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from pinflow.engine import Cleaned, Engine, Outcome, RecordId, Session
    from pinflow.lake import Tables

__all__ = ["ENGINES", "TOPIC", "Found", "Value", "chunks_of", "clean", "open_session", "tables_of"]

TOPIC = "it's a topic"
USER_ID = "0a6a638f5991"


def _duckdb(folder: Path) -> Engine:
    return open_engine(load(folder, env={}).config, folder)


ENGINES: dict[str, Callable[[Path], Engine]] = {"duckdb": _duckdb}


def tables_of(name: str, folder: Path) -> Tables:
    """The tables that an engine can write, in a new lake."""
    config = load(folder, env={}).config
    engine = msgspec.structs.replace(config.engine, url=name)
    return open_tables(msgspec.structs.replace(config, engine=engine), open_store(str(folder / "lake")))


Value = str | bytes | None


class Found(NamedTuple):
    """What came of records; rows and rejects by partition and offset, in this order."""

    rows: dict[tuple[int, int], dict[str, Any]]
    rejects: dict[tuple[int, int], dict[str, Any]]
    nulled: list[dict[str, Any]]
    outcomes: Mapping[int, Outcome]


def chunks_of(
    values: Sequence[Value], *, partition: int = 0, first: int = 0, longest: int = 10_000
) -> list[Chunk]:
    """Records of a partition, their offsets from `first` on, each accepted a second after the one before."""
    chunks = []
    for start in range(0, len(values), longest):
        part = values[start : start + longest]
        offsets = list(range(first + start, first + start + len(part)))
        records = Records([each.encode() if isinstance(each, str) else each for each in part])
        times = [offset * 1_000_000 for offset in offsets]
        chunks.append(Chunk(TOPIC, partition, str(offsets[0]), str(offsets[-1] + 1), offsets, times, records))
    return chunks


def clean(
    engine: Engine, name: str, chunks: Iterable[Chunk], refused: Mapping[RecordId, str] | None = None
) -> Found:
    """Clean records of a dataset and look at all that came of them."""
    found = engine.clean(dataset(name), RecordsInMemory(TOPIC, list(chunks)), refused)
    return Found(_by_record(found.rows), _by_record(found.rejects), _rows(found.nulled), found.outcomes)


def open_session(engine: Engine, tables: Tables, records: Mapping[str, Iterable[Chunk]]) -> Session:
    """Clean records of each dataset into a table, and open the latest rows of each for questions."""
    views = []
    for pipeline in side_pipelines("batch", USER_ID):
        table = pipeline.open_table(tables)
        found: Cleaned = engine.clean(
            pipeline.dataset, RecordsInMemory(TOPIC, list(records[pipeline.dataset.name]))
        )
        table.commit("test", 1, Append(found.rows))
        columns = pipeline.dataset.clean | LINEAGE
        views.append(View(pipeline.dataset.name, table.snapshot(), columns, pipeline.dataset.latest(columns)))
    return engine.session(views)


def _by_record(relation: Any) -> dict[tuple[int, int], dict[str, Any]]:
    rows = _rows(relation)
    found = {(row["_partition"], row["_offset"]): row for row in rows}
    assert len(found) == len(rows), "a record came to more than one row"
    return dict(sorted(found.items()))


def _rows(relation: Any) -> list[dict[str, Any]]:
    table = Arrow.from_arrow(relation)
    columns = [table.column(name).to_pylist() for name in table.column_names]
    return [dict(zip(table.column_names, row, strict=True)) for row in zip(*columns, strict=True)]
