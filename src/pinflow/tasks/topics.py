"""The topics of the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinflow.errors import UsageError
from pinflow.tasks.defaults import chosen_settings

if TYPE_CHECKING:
    from pinflow.config import Settings


__all__ = ["create_topic", "delete_topic", "list_topics"]


def list_topics(settings: Settings | None = None) -> dict[str, int]:
    """The topics of the log, and how many partitions each has."""
    from pinflow.jobs.runtime import Runtime

    with Runtime(chosen_settings(settings), read_only=True) as runtime:
        return dict(runtime.log.topics.list())


def create_topic(name: str, settings: Settings | None = None, *, partitions: int | None = None) -> None:
    """Create a topic, with `log.partitions` partitions by default. A gateway that runs takes records for it at once.

    Raises:
        UsageError: There can be no topic of this name.
        TopicExistsError: There is one already.
    """
    from pinflow.gateway.topics import name_problem, room_problem
    from pinflow.jobs.runtime import Runtime
    from pinflow.lake.landing.layout import path_limits

    chosen = chosen_settings(settings)
    count = chosen.config.log.partitions if partitions is None else partitions
    with Runtime(chosen) as runtime:
        room = path_limits(chosen.config.lake.url)
        others = runtime.log.topics.list() if room.folds_case else ()
        problem = name_problem(name) or room_problem(name, count, room, others)
        if problem is not None:
            raise UsageError(f"there can be no such topic: {problem}", where=name, hint="choose another name")
        runtime.log.topics.create(name, count)


def delete_topic(name: str, settings: Settings | None = None, *, force: bool = False) -> None:
    """Delete a topic: it takes nothing more. With `force` even if records would be lost.

    Raises:
        UnknownTopicError: There is none of this name.
        TerminalError: Records would be lost.
    """
    from pinflow.jobs.maintain.delete_topic import delete_topic as delete
    from pinflow.jobs.runtime import Runtime

    with Runtime(chosen_settings(settings)) as runtime:
        delete(runtime, name, force=force)
