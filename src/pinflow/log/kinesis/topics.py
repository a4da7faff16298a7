"""Creating, listing and deleting streams."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, final

from pinflow.errors import TopicExistsError, UnavailableError, UnknownTopicError
from pinflow.log.kinesis.errors import IN_USE, Failure
from pinflow.log.protocol import TopicAdmin
from pinflow.retrying import Attempts, Backoff

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable

    from pinflow.log.kinesis.client import Client
    from pinflow.log.kinesis.stream_cache import Streams
    from pinflow.log.kinesis.url import KinesisSettings

__all__ = ["KinesisTopics"]

SETTLE_S = 0.6
"""How long a create or a delete waits for its end. AWS takes half a minute and goes on by itself; the gateway gives a
call of the log 1.5 seconds."""

LOOK_AGAIN = Backoff(first=0.1, most=0.1, factor=1)
"""Between two looks at a stream that is being created or deleted."""

LISTS_AT_ONCE = 8
"""Streams whose shards are asked for at once."""


@final
class KinesisTopics(TopicAdmin):
    """The topics of a Kinesis log.

    Args:
        client: Calls Kinesis.
        settings: The log's options, which give the streams their names.
        streams: What is known of them.
        forget: Called with a topic that was created or deleted.
    """

    def __init__(
        self, client: Client, settings: KinesisSettings, streams: Streams, forget: Callable[[str], None]
    ) -> None:
        self._client = client
        self._settings = settings
        self._streams = streams
        self._forget = forget

    def list(self) -> dict[str, int]:
        """See `TopicAdmin.list`: open shards; 0 of a stream that is being created."""
        topics = self._streams.topics()
        with ThreadPoolExecutor(LISTS_AT_ONCE, "pinflow-list") as pool:
            counts = dict(zip(topics, pool.map(self._count, topics), strict=True))
        return {topic: count for topic, count in counts.items() if count is not None}

    def readable(self) -> builtins.list[str]:
        """See `TopicAdmin.readable`: what is deleted is gone."""
        return self._streams.topics()

    def configs(self, topic: str) -> dict[str, str]:
        """See `TopicAdmin.configs`."""
        described = self._streams.describe(topic, wait=False)
        return {
            "cleanup.policy": "delete",
            "max.message.bytes": str(described.record_bytes),
            "message.timestamp.type": "LogAppendTime",
            "retention.ms": str(described.retention_hours * 3_600_000),
        }

    def create(self, topic: str, partitions: int) -> None:
        """See `TopicAdmin.create`: the stream takes records once it is ACTIVE, on AWS after half a minute.

        Raises:
            UnknownTopicError: No stream of this log can have the name.
            UnavailableError: A stream of the name is being deleted.
        """
        mode = "ON_DEMAND" if self._settings.on_demand else "PROVISIONED"
        request: dict[str, object] = {
            "StreamName": self._settings.stream(topic),
            "StreamModeDetails": {"StreamMode": mode},
        }
        if not self._settings.on_demand:
            request["ShardCount"] = partitions
        if self._settings.record_mib > 1:
            request["MaxRecordSizeInKiB"] = self._settings.record_mib << 10
        try:
            self._client.ask("create_stream", **request)
        except Failure as failure:
            if failure.code not in IN_USE:
                raise failure.translate("create the stream", "", topic) from failure
            self._forget(topic)
            if self._streams.status(topic) == "DELETING":
                raise UnavailableError(f"topic {topic!r} is still being deleted", where=topic) from None
            raise TopicExistsError(f"topic {topic!r} is there already", where=topic) from None
        self._wait_until(topic, lambda status: status == "ACTIVE")

    def delete(self, topic: str) -> None:
        """See `TopicAdmin.delete`."""
        try:
            self._client.ask("delete_stream", StreamName=self._settings.stream(topic))
        except Failure as failure:
            raise failure.translate("delete the stream", topic, topic) from failure
        self._wait_until(topic, lambda status: not status)

    def _count(self, topic: str) -> int | None:
        try:
            return sum(not shard.closed for shard in self._streams.shards(topic))
        except UnknownTopicError:
            return None  # deleted since it was listed

    def _wait_until(self, topic: str, done: Callable[[str], bool]) -> None:
        attempts = Attempts(LOOK_AGAIN, within=SETTLE_S)
        while not done(self._streams.status(topic)) and not attempts.over:
            attempts.wait()
        self._forget(topic)
