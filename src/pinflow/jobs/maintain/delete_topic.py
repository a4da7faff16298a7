"""Deleting a topic without losing its records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinflow.errors import TerminalError
from pinflow.jobs.maintain.retention import readers_of
from pinflow.steps.standing import read_standing

if TYPE_CHECKING:
    from pinflow.jobs.runtime import Runtime

__all__ = ["delete_topic"]


def delete_topic(runtime: Runtime, topic: str, *, force: bool = False) -> None:
    """Delete a topic of the log.

    A log that retains the records of deleted topics loses nothing. In any other log the topic is deleted only when
    every job that reads it has reached its end, or by force. Records that are posted meanwhile are lost: stop posting
    to the topic first.

    Raises:
        UnknownTopicError: The topic does not exist.
        TerminalError: Some of its records have not landed or are not clean yet, and would be lost.
    """
    if not force and not runtime.log.capabilities.retains_deleted:
        for job in _find_jobs_behind(runtime, topic):
            kind = job.partition("/")[0]
            raise TerminalError(
                f"{kind} has not read the topic to its end, and this log would lose the remaining records",
                where=topic,
                hint=f"run pinflow {kind} --drain and delete the topic again, or delete it now with --force",
            )
    runtime.log.topics.delete(topic)


def _find_jobs_behind(runtime: Runtime, topic: str) -> list[str]:
    """The jobs that read the topic from the log and have not reached the end of every partition."""
    found = []
    for job, table in readers_of(runtime, topic):
        positions = read_standing(runtime.store, job, table).positions
        ranges = runtime.log.ranges(topic, positions)
        if any(positions.get(each.partition, each.begin) != each.end for each in ranges):
            found.append(job)
    return found
