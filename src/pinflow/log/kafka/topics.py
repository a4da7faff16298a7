"""The topics of a Kafka log: what there is, and creating and deleting them."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import ConfigResource, NewTopic, ResourceType  # type: ignore[attr-defined]

from pinflow.errors import TopicExistsError, UnavailableError, UnknownTopicError
from pinflow.log.kafka.clients import ASK_S, LOOK_AGAIN
from pinflow.log.kafka.errors import LOST, NO_TOPIC, error_of
from pinflow.retrying import Attempts

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable

    from pinflow.log.kafka.clients import Clients

__all__ = ["KafkaTopics", "TopicInfo"]

INTERNAL = "__"
"""The names of Kafka's own topics begin so."""

NO_ID = "AAAAAAAAAAAAAAAAAAAAAA"
"""The id of a topic, told by brokers before Kafka 2.8: zero."""

SETTLE_S = 10.0
"""How long a topic that was made or deleted may need until the cluster shows it."""


class TopicInfo(NamedTuple):
    """What tells a topic from a later one of its name (empty where the brokers are too old to say), and its size."""

    topic_id: str
    partitions: int


class KafkaTopics:
    """`TopicAdmin` of a Kafka log."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._known: dict[str, TopicInfo] = {}

    def list(self) -> dict[str, int]:
        """See `TopicAdmin.list`: without Kafka's own topics, and those that no pattern of the URL names."""
        return {
            name: len(topic.partitions)
            for name, topic in sorted(self._clients.metadata().topics.items())
            if topic.error is None and self._seen(name)
        }

    def readable(self) -> builtins.list[str]:
        """See `TopicAdmin.readable`: what is deleted is gone."""
        return [*self.list()]

    def create(self, topic: str, partitions: int) -> None:
        """See `TopicAdmin.create`. Returns when every partition has a leader."""
        settings = self._clients.settings
        if not self._seen(topic):
            raise UnknownTopicError(
                f"no pattern of log.url names a topic {topic!r}", where=settings.shown, hint="topics=…"
            )
        new = NewTopic(
            topic, num_partitions=partitions, replication_factor=settings.replication, config=settings.topic
        )
        try:
            self._clients.admin.create_topics([new], request_timeout=ASK_S)[topic].result()
        except KafkaException as error:
            failed = self._clients.failed(error, f"topic {topic!r} cannot be created", topic)
            if isinstance(failed, TopicExistsError):
                raise TopicExistsError(f"topic {topic!r} is there already", where=topic) from error
            raise failed from error
        self._wait(f"topic {topic!r} was created and has no leaders yet", lambda: self._led(topic))

    def delete(self, topic: str) -> None:
        """See `TopicAdmin.delete`. Its records go with it. Returns when it is gone from the list."""
        self.find(topic)
        try:
            self._clients.admin.delete_topics([topic], request_timeout=ASK_S)[topic].result()
        except KafkaException as error:
            raise self._clients.failed(error, f"topic {topic!r} cannot be deleted", topic) from error
        self.forget(topic)
        self._wait(f"topic {topic!r} is being deleted and still there", lambda: topic not in self.list())

    def find(self, topic: str) -> TopicInfo:
        """What the cluster says of a topic now.

        Raises:
            UnknownTopicError: There is none.
            UnavailableError: The brokers do not answer.
        """
        if not self._seen(topic):
            raise _absent(topic)
        try:
            described = self._clients.by_controller(
                lambda timeout: self._clients.admin.describe_topics(
                    TopicCollection([topic]), request_timeout=timeout
                )[topic]
            )
        except KafkaException as error:
            self.forget(topic)
            if error_of(error).code() in NO_TOPIC:
                raise _absent(topic) from error
            raise self._clients.failed(error, f"topic {topic!r} cannot be found", topic) from error
        topic_id = str(described.topic_id)
        known = TopicInfo("" if topic_id == NO_ID else topic_id, len(described.partitions))
        self._known[topic] = known
        return known

    def batch_bytes(self, topic: str) -> int | None:
        """The largest batch of records that the brokers take for a topic; None where they do not tell this user.

        Raises:
            UnavailableError: They do not answer.
        """
        text = self.configs(topic).get("max.message.bytes")
        return int(text) if text else None

    def configs(self, topic: str) -> dict[str, str]:
        """See `TopicAdmin.configs`: empty where the brokers do not show them to this user."""
        resource = ConfigResource(ResourceType.TOPIC, topic)
        asked = self._clients.admin.describe_configs([resource], request_timeout=ASK_S)[resource]
        try:
            entries = asked.result()
        except KafkaException as error:
            if error_of(error).code() in LOST:
                raise self._clients.failed(error, f"topic {topic!r} cannot be looked at", topic) from error
            return {}
        return {name: entry.value for name, entry in sorted(entries.items()) if entry.value is not None}

    def known(self, topic: str) -> TopicInfo:
        """What was found last, asked for only where nothing was. Raises as `find`."""
        return self._known.get(topic) or self.find(topic)

    def forget(self, topic: str) -> None:
        """Ask the cluster at the next use."""
        self._known.pop(topic, None)

    def _seen(self, name: str) -> bool:
        patterns = self._clients.settings.patterns
        return not name.startswith(INTERNAL) and (
            not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)
        )

    def _led(self, topic: str) -> bool:
        metadata = self._clients.metadata().topics.get(topic)
        return metadata is not None and all(
            partition.leader >= 0 and partition.error is None for partition in metadata.partitions.values()
        )

    def _wait(self, what: str, settled: Callable[[], bool]) -> None:
        attempts = Attempts(LOOK_AGAIN, within=SETTLE_S)
        while not settled():
            if attempts.over:
                raise UnavailableError(what, where=self._clients.settings.shown, hint="pinflow doctor")
            attempts.wait()


def _absent(topic: str) -> UnknownTopicError:
    return UnknownTopicError(f"there is no topic {topic!r}", where=topic, hint="pinflow gateway topics list")
