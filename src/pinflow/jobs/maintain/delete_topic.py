"""Deleting a topic without losing what it took."""

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

    Where the log keeps what a deleted topic took, nothing is lost. Elsewhere it is deleted only when every job that
    reads it from the log stands at its end, or by force. What is posted meanwhile is not seen: nobody should post to
    it any more.

    Raises:
        UnknownTopicError: The topic does not exist.
        TerminalError: Records of it have not landed or are not clean yet, and would be gone.
    """
    if not force and not runtime.log.capabilities.retains_deleted:
        for job in _find_jobs_behind(runtime, topic):
            kind = job.partition("/")[0]
            raise TerminalError(
                f"{kind} has not read the topic to its end, and this log would lose what is left",
                where=topic,
                hint=f"pinflow {kind} --drain, then again; --force deletes it all the same",
            )
    runtime.log.topics.delete(topic)


def _find_jobs_behind(runtime: Runtime, topic: str) -> list[str]:
    """The jobs that read the topic from the log and do not stand at the end of every partition."""
    found = []
    for job, table in readers_of(runtime, topic):
        positions = read_standing(runtime.store, job, table).positions
        ranges = runtime.log.ranges(topic, positions)
        if any(positions.get(each.partition, each.begin) != each.end for each in ranges):
            found.append(job)
    return found
