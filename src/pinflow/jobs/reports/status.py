"""status: the progress of every topic, from the ranges of the log's partitions and the jobs' receipts alone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from pinflow.errors import ChangedTableError, CorruptError
from pinflow.jobs.pipelines import pipelines
from pinflow.jobs.topics import count_accepted, landed_only_topics, list_topics
from pinflow.steps.failure_reports import Failing, failing_jobs
from pinflow.steps.standing import Standing, read_standing

if TYPE_CHECKING:
    from pinflow.errors import PinflowError
    from pinflow.jobs.pipelines import Pipeline
    from pinflow.jobs.runtime import Runtime

__all__ = ["TopicStatus", "status"]


class TopicStatus(msgspec.Struct, frozen=True):
    """One topic; counts are records.

    `table` is None for a topic that no side reads. `to_land` and `to_clean` are the lags of its two jobs.
    """

    topic: str
    table: str | None
    partitions: int
    accepted: int
    landed: int
    rows: int
    quarantined: int
    to_land: int
    to_clean: int
    landed_to: dict[int, str] = {}
    """Partition → the log's own position up to which it has landed."""
    cleaned_to: dict[int, str] = {}
    """Partition → the position up to which the table's job has cleaned."""
    nulled: dict[str, int] = {}
    """Field → cells of the rows that had a text and that a rule made NULL."""
    failing: list[Failing] = []
    """The topic's failing jobs: retried, or set aside."""


def status(runtime: Runtime) -> list[TopicStatus]:
    """The status of every topic.

    Raises:
        UnavailableError: The log or the lake cannot be read.
    """
    by_topic = {pipeline.topic: pipeline for pipeline in pipelines(runtime.config.id)}
    found = []
    topics = list_topics(runtime)
    failing = failing_jobs(runtime.store)
    manifest, without_log = runtime.landing.manifest.snapshot(), landed_only_topics(runtime)
    for topic in topics:
        accepted = count_accepted(runtime, topic, manifest, only_landed=topic in without_log)
        total = sum(accepted.values())
        landed = read_standing(runtime.store, f"land/{topic}", manifest)
        pipeline = by_topic.get(topic)
        fails = failing.get(topic, [])
        cleaned = Standing()
        if pipeline is not None:
            try:
                cleaned = read_standing(
                    runtime.store, pipeline.job, pipeline.open_table(runtime.tables).snapshot()
                )
            except (ChangedTableError, CorruptError) as error:
                fails = [*fails, _report_unreadable(pipeline, error)]
        found.append(
            TopicStatus(
                topic=topic,
                table=pipeline.table if pipeline else None,
                partitions=len(accepted),
                accepted=total,
                landed=landed.total.records,
                rows=cleaned.total.rows,
                quarantined=cleaned.total.rejected,
                to_land=max(0, total - landed.total.records),
                to_clean=max(0, total - cleaned.total.records) if pipeline else 0,
                landed_to=landed.positions,
                cleaned_to=cleaned.positions,
                nulled=cleaned.total.cells,
                failing=fails,
            )
        )
    return found


def _report_unreadable(pipeline: Pipeline, error: PinflowError) -> Failing:
    now = time.time_ns() // 1_000_000
    return Failing(pipeline.table, "unreadable", error.what, 0, now, "", error.where, error.hint)
