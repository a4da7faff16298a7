"""All topics: those of the log, and those that have only landed objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinflow.errors import UnknownTopicError
from pinflow.jobs.land.land import land_positions
from pinflow.steps.ledger import jobs_with_plans
from pinflow.steps.standing import read_standing

if TYPE_CHECKING:
    from pinflow.jobs.runtime import Runtime
    from pinflow.lake.tables.protocol import StepTable

__all__ = ["AcceptedCounts", "count_accepted", "landed_only_topics", "list_topics"]

AcceptedCounts = dict[int, int]
"""Partition → records ever accepted."""


def list_topics(runtime: Runtime) -> list[str]:
    """The names of all topics, sorted.

    Raises:
        UnavailableError: The log or the lake cannot be read.
    """
    return sorted({*runtime.log.topics.readable(), *jobs_with_plans(runtime.store, "land")})


def landed_only_topics(runtime: Runtime) -> set[str]:
    """Topics that are not in the log: adopted ones, and deleted ones whose records the log did not retain."""
    return set(jobs_with_plans(runtime.store, "land")).difference(runtime.log.topics.readable())


def count_accepted(runtime: Runtime, topic: str, manifest: StepTable, *, only_landed: bool) -> AcceptedCounts:
    """How many records of a topic were accepted; for a topic that is not in the log, how many have landed.

    The manifest is read before the log, which only grows: so never more records have landed than were accepted.
    """
    if not only_landed:
        known = land_positions(runtime, topic, manifest)
        try:
            return {held.partition: held.accepted for held in runtime.log.ranges(topic, known)}
        except UnknownTopicError:
            pass  # the topic was deleted after it was listed
    totals = read_standing(runtime.store, f"land/{topic}", manifest).totals
    return {partition: tally.records for partition, tally in sorted(totals.items())}
