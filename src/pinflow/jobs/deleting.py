"""Deleting a topic without losing what it took."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinflow.errors import TerminalError
from pinflow.jobs.status import status

if TYPE_CHECKING:
    from pinflow.jobs.parts import Parts

__all__ = ["delete_topic"]


def delete_topic(parts: Parts, topic: str, *, force: bool = False) -> None:
    """Delete a topic of the log.

    Where the log keeps what a deleted topic took, nothing is lost. Elsewhere it is deleted only when every job has
    committed all of it, or by force. What is posted meanwhile is not seen: nobody should post to it any more.

    Raises:
        UnknownTopicError: The topic does not exist.
        TerminalError: Records of it have not landed or are not clean yet, and would be gone.
    """
    if not force and not parts.log.abilities.keeps_deleted:
        left = sum(max(each.to_land, each.to_clean) for each in status(parts) if each.topic == topic)
        if left:
            raise TerminalError(
                f"{left:,} records of the topic are not in the lake yet, and this log would lose them",
                where=topic,
                hint="pinflow land --drain and pinflow stream --drain, then again; --force deletes them all the same",
            )
    parts.log.topics.delete(topic)
