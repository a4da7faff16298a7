"""The topics of a Kafka log: what there is, and creating and deleting them."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple, final

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import ConfigResource, NewTopic, ResourceType  # type: ignore[attr-defined]

from pinflow.errors import TopicExistsError, UnavailableError, UnknownTopicError
from pinflow.log.kafka.clients import ASK_S, LOOK_AGAIN
from pinflow.log.kafka.errors import LOST, NO_TOPIC, error_of
from pinflow.log.protocol import TopicAdmin
from pinflow.retrying import Attempts

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable

    from pinflow.log.kafka.clients import Clients

__all__ = ["KafkaTopics", "TopicInfo"]

INTERNAL = "__"
"""The names of Kafka's own topics begin with it."""

NO_ID = "AAAAAAAAAAAAAAAAAAAAAA"
"""The id that brokers before Kafka 2.8 report for every topic: zero."""

SETTLE_S = 10.0
"""How long a topic that was made or deleted may need until the cluster shows it."""


class TopicInfo(NamedTuple):
    """A topic's id, which a later topic of its name does not have (empty: too old brokers), and its size."""

    topic_id: str
    partitions: int


@final
class KafkaTopics(TopicAdmin):
    """The topics of a Kafka log."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._known: dict[str, TopicInfo] = {}

    def list(self) -> dict[str, int]:
        """See `TopicAdmin.list`: without Kafka's own topics, and those that no pattern of the URL names."""
        return {
            name: len(topic.partitions)
            for name, topic in sorted(self._clients.metadata().topics.items())
            if topic.error is None and self._is_visible(name)
        }

    def readable(self) -> builtins.list[str]:
        """See `TopicAdmin.readable`: what is deleted is gone."""
        return [*self.list()]

    def create(self, topic: str, partitions: int) -> None:
        """See `TopicAdmin.create`. Returns when every partition has a leader."""
        settings = self._clients.settings
        if not self._is_visible(topic):
            raise UnknownTopicError(
                f"topic {topic!r} fits no pattern of log.url", where=settings.shown, hint="topics=…"
            )
        new = NewTopic(
            topic, num_partitions=partitions, replication_factor=settings.replication, config=settings.topic
        )
        try:
            self._clients.admin.create_topics([new], request_timeout=ASK_S)[topic].result()
        except KafkaException as error:
            failed = self._clients.translate(error, f"topic {topic!r} cannot be created", topic)
            if isinstance(failed, TopicExistsError):
                raise TopicExistsError(f"topic {topic!r} is there already", where=topic) from error
            raise failed from error
        self._wait(
            f"topic {topic!r} was created, and its partitions have no leaders yet",
            lambda: self._has_leaders(topic),
        )

    def delete(self, topic: str) -> None:
        """See `TopicAdmin.delete`. Its records go with it. Returns when it is gone from the list."""
        self.find(topic)
        try:
            self._clients.admin.delete_topics([topic], request_timeout=ASK_S)[topic].result()
        except KafkaException as error:
            raise self._clients.translate(error, f"topic {topic!r} cannot be deleted", topic) from error
        self.forget(topic)
        self._wait(f"topic {topic!r} is being deleted and still there", lambda: topic not in self.list())

    def find(self, topic: str) -> TopicInfo:
        """What the cluster says of a topic now.

        Raises:
            UnknownTopicError: There is no such topic.
            UnavailableError: The brokers do not answer.
        """
        if not self._is_visible(topic):
            raise _absent_error(topic)
        try:
            described = self._clients.by_controller(
                lambda timeout: self._clients.admin.describe_topics(
                    TopicCollection([topic]), request_timeout=timeout
                )[topic]
            )
        except KafkaException as error:
            self.forget(topic)
            if error_of(error).code() in NO_TOPIC:
                raise _absent_error(topic) from error
            raise self._clients.translate(error, f"topic {topic!r} cannot be found", topic) from error
        topic_id = str(described.topic_id)
        known = TopicInfo("" if topic_id == NO_ID else topic_id, len(described.partitions))
        self._known[topic] = known
        return known

    def batch_bytes(self, topic: str) -> int | None:
        """The largest batch of records that the brokers take for a topic; None where this user may not see it.

        Raises:
            UnavailableError: They do not answer.
        """
        text = self.configs(topic).get("max.message.bytes")
        return int(text) if text else None

    def configs(self, topic: str) -> dict[str, str]:
        """See `TopicAdmin.configs`: empty where the brokers do not show them to this user."""
        resource = ConfigResource(ResourceType.TOPIC, topic)
        answer = self._clients.admin.describe_configs([resource], request_timeout=ASK_S)[resource]
        try:
            entries = answer.result()
        except KafkaException as error:
            if error_of(error).code() in LOST:
                raise self._clients.translate(error, f"topic {topic!r} cannot be looked at", topic) from error
            return {}
        return {name: entry.value for name, entry in sorted(entries.items()) if entry.value is not None}

    def cached(self, topic: str) -> TopicInfo:
        """What `find` returned last; the brokers are asked only where it was not called yet. Raises as `find`."""
        return self._known.get(topic) or self.find(topic)

    def forget(self, topic: str) -> None:
        """Ask the cluster at the next use."""
        self._known.pop(topic, None)

    def _is_visible(self, name: str) -> bool:
        patterns = self._clients.settings.patterns
        return not name.startswith(INTERNAL) and (
            not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)
        )

    def _has_leaders(self, topic: str) -> bool:
        metadata = self._clients.metadata().topics.get(topic)
        return metadata is not None and all(
            partition.leader >= 0 and partition.error is None for partition in metadata.partitions.values()
        )

    def _wait(self, what: str, is_done: Callable[[], bool]) -> None:
        attempts = Attempts(LOOK_AGAIN, within=SETTLE_S)
        while not is_done():
            if attempts.over:
                raise UnavailableError(what, where=self._clients.settings.shown, hint="pinflow doctor")
            attempts.wait()


def _absent_error(topic: str) -> UnknownTopicError:
    return UnknownTopicError(f"there is no topic {topic!r}", where=topic, hint="pinflow gateway topics list")
