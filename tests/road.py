"""A small road for tests: records into topics, jobs until nothing is left, rows back."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from pinflow.jobs.clean.clean import clean_jobs
from pinflow.jobs.land.land import land_jobs
from pinflow.log import Produce, Records
from pinflow.query.ask import run_sql
from pinflow.steps.worker import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pinflow.jobs.pipelines import Side
    from pinflow.jobs.runtime import Parts

ID = "0a6a638f5991"
RETRY_SECONDS = 10.0


def topic(side: Side, name: str) -> str:
    """The topic of a dataset on a side."""
    return f"{ID}.{name}" if side == "batch" else f"streaming-{ID}-{name}"


def table(side: Side, name: str) -> str:
    """The table of a dataset on a side."""
    return name if side == "batch" else f"{ID}_{name}_table"


def post(
    parts: Parts, name: str, values: Sequence[bytes | None], *, partition: int = 0, partitions: int = 2
) -> None:
    """Append values to a topic, which is made if need be."""
    if name not in parts.log.topics.list():
        parts.log.topics.create(name, partitions)
    parts.log.append([Produce(name, partition, Records(list(values)))])


def rows(*values: dict[str, Any]) -> list[bytes | None]:
    """Records of JSON objects."""
    return [json.dumps(value).encode() for value in values]


def drain(parts: Parts, *stations: str) -> int:
    """Run jobs until nothing is left; `land`, `stream` and `batch` in this order by default."""
    return sum(_drain(parts, station) for station in stations or ("land", "stream", "batch"))


def _drain(parts: Parts, station: str) -> int:
    cleaning: Any = [] if station == "land" else clean_jobs(parts, station)  # type: ignore[arg-type]

    def jobs() -> Any:
        return land_jobs(parts, drain=True) if station == "land" else cleaning

    return run(
        parts.store, jobs, stop=threading.Event(), poll_seconds=0, drain=True, retry_seconds=RETRY_SECONDS
    )


def select(parts: Parts, sql: str) -> list[tuple[object, ...]]:
    """The rows of free SQL."""
    return run_sql(parts, sql).rows
