"""Log retention: what every job has committed, and is past the retention, may leave the log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pinflow.crash import reached
from pinflow.errors import ChangedTableError, CorruptError
from pinflow.jobs.pipelines import side_roads
from pinflow.steps.ledger import last_plan

if TYPE_CHECKING:
    from pinflow.jobs.runtime import Parts
    from pinflow.lake.tables.table import Table

__all__ = ["committed_by_all", "readers_of", "trim_log"]


EVER_MS = 1 << 50
"""Later than any time of acceptance, also where a clock was wrong by years; milliseconds since 1970 UTC."""


def trim_log(parts: Parts, problems: list[str]) -> dict[str, int]:
    """Trim every topic, and return how many records left each that lost some. Safe to repeat, and at any kill.

    A partition is trimmed only before the smallest position that all who read the log have committed: `land` always,
    `stream` for its own topics. `batch` reads the landing zone and does not count. Of a topic that was deleted all
    that they have committed goes, whatever the retention. A topic that cannot be trimmed is named in `problems`.
    """
    config = parts.config.log
    if not parts.log.abilities.trims:
        return {}
    live = parts.log.topics.list()
    trimmed = {}
    for topic in parts.log.topics.readable():
        older_than = keep = None
        if topic not in live:
            older_than = EVER_MS
        elif config.retention_seconds:
            older_than = int((time.time() - config.retention_seconds) * 1000)
        if config.retention_bytes and topic in live:
            keep = config.retention_bytes
        if older_than is None and keep is None:
            continue
        try:
            dropped = sum(
                parts.log.trim(topic, partition, committed, older_than_ms=older_than, keep_bytes=keep)
                for partition, committed in committed_by_all(parts, topic).items()
            )
        except (
            ChangedTableError,
            CorruptError,
        ) as error:  # it is not known what may go; the others are trimmed
            problems.append(f"{topic}: {error.what}")
            continue
        if dropped:
            trimmed[topic] = dropped
        reached("maintain", "log-trimmed")
    return trimmed


def committed_by_all(parts: Parts, topic: str) -> dict[int, list[str]]:
    """Partition → where each job that reads it from the log stands; only partitions that all have committed some of."""
    plans = [last_plan(parts.store, job, table) for job, table in readers_of(parts, topic)]
    positions = [plan.positions if plan is not None else {} for plan in plans]
    everywhere = set(positions[0]).intersection(*positions[1:])
    return {partition: [each[partition] for each in positions] for partition in sorted(everywhere)}


def readers_of(parts: Parts, topic: str) -> list[tuple[str, Table]]:
    """The jobs that read a topic from the log, each with its table: `land` always, `stream` its own topics."""
    streams = [
        (road.job, road.open_table(parts.store))
        for road in side_roads("stream", parts.config.id)
        if road.topic == topic
    ]
    return [(f"land/{topic}", parts.landing.manifest), *streams]
