"""A small pipeline for tests: records into topics, jobs until nothing is left, rows back."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from pinflow.ask.ask import run_sql
from pinflow.jobs.clean.clean import clean_jobs
from pinflow.jobs.land.land import land_jobs
from pinflow.log import ProduceBatch, Records
from pinflow.steps.worker import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pinflow.jobs.pipelines import Side
    from pinflow.jobs.runtime import Runtime

ID = "0a6a638f5991"
RETRY_SECONDS = 10.0


def topic(side: Side, name: str) -> str:
    """The topic of a dataset on a side."""
    return f"{ID}.{name}" if side == "batch" else f"streaming-{ID}-{name}"


def table(side: Side, name: str) -> str:
    """The table of a dataset on a side."""
    return name if side == "batch" else f"{ID}_{name}_table"


def post(
    runtime: Runtime, name: str, values: Sequence[bytes | None], *, partition: int = 0, partitions: int = 2
) -> None:
    """Append values to a topic, which is made if need be."""
    if name not in runtime.log.topics.list():
        runtime.log.topics.create(name, partitions)
    runtime.log.append([ProduceBatch(name, partition, Records(list(values)))])


def rows(*values: dict[str, Any]) -> list[bytes | None]:
    """Records of JSON objects."""
    return [json.dumps(value).encode() for value in values]


def drain(runtime: Runtime, *stations: str) -> int:
    """Run jobs until nothing is left; `land`, `stream` and `batch` in this order by default."""
    return sum(_drain(runtime, station) for station in stations or ("land", "stream", "batch"))


def _drain(runtime: Runtime, station: str) -> int:
    cleaning: Any = [] if station == "land" else clean_jobs(runtime, station)  # type: ignore[arg-type]

    def jobs() -> Any:
        return land_jobs(runtime, drain=True) if station == "land" else cleaning

    return run(
        runtime.store, jobs, stop=threading.Event(), poll_seconds=0, drain=True, retry_seconds=RETRY_SECONDS
    )


def select(runtime: Runtime, sql: str) -> list[tuple[object, ...]]:
    """The rows of free SQL."""
    return run_sql(runtime, sql).rows
