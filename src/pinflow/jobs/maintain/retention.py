"""Log retention: records that every job has committed and that are past the retention may leave the log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pinflow.errors import ChangedTableError, CorruptError
from pinflow.failpoints import hit
from pinflow.jobs.pipelines import side_pipelines
from pinflow.steps.standing import read_standing

if TYPE_CHECKING:
    from pinflow.jobs.runtime import Runtime
    from pinflow.lake.tables.protocol import Table

__all__ = ["common_positions", "readers_of", "trim_log"]


FAR_FUTURE_MS = 1 << 50
"""Later than any time of acceptance, even if a clock was wrong by years; milliseconds since 1970 UTC."""


def trim_log(runtime: Runtime, problems: list[str]) -> dict[str, int]:
    """Trim every topic, and return topic → trimmed records. Safe to repeat, and to kill at any point.

    A partition is trimmed only before the smallest position that every job reading the log has committed: `land` always
    reads it, `stream` reads its own topics. `batch` reads the landing zone and does not count. A deleted topic loses
    all committed records, whatever the retention. A topic that cannot be trimmed is named in `problems`.
    """
    config = runtime.config.log
    if not runtime.log.capabilities.trims:
        return {}
    live = runtime.log.topics.list()
    trimmed = {}
    for topic in runtime.log.topics.readable():
        older_than = keep = None
        if topic not in live:
            older_than = FAR_FUTURE_MS
        elif config.retention_seconds:
            older_than = int((time.time() - config.retention_seconds) * 1000)
        if config.retention_bytes and topic in live:
            keep = config.retention_bytes
        if older_than is None and keep is None:
            continue
        try:
            dropped = sum(
                runtime.log.trim(topic, partition, committed, older_than_ms=older_than, keep_bytes=keep)
                for partition, committed in common_positions(runtime, topic).items()
            )
        except (
            ChangedTableError,
            CorruptError,
        ) as error:  # it is unknown what may be trimmed; other topics are
            problems.append(f"{topic}: {error.what}")
            continue
        if dropped:
            trimmed[topic] = dropped
        hit("maintain", "log-trimmed")
    return trimmed


def common_positions(runtime: Runtime, topic: str) -> dict[int, list[str]]:
    """Partition → the position of each job that reads it from the log; only partitions that all of them have begun."""
    positions = [
        read_standing(runtime.store, job, table).positions for job, table in readers_of(runtime, topic)
    ]
    everywhere = set(positions[0]).intersection(*positions[1:])
    return {partition: [each[partition] for each in positions] for partition in sorted(everywhere)}


def readers_of(runtime: Runtime, topic: str) -> list[tuple[str, Table]]:
    """The jobs that read a topic from the log, each with its table: `land` always, `stream` its own topics."""
    streams = [
        (pipeline.job, pipeline.open_table(runtime.tables))
        for pipeline in side_pipelines("stream", runtime.config.id)
        if pipeline.topic == topic
    ]
    return [(f"land/{topic}", runtime.landing.manifest), *streams]
