"""What is odd about a cluster and its topics, in sentences for `pinflow doctor`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclOperation,
    ConfigResource,
    OffsetSpec,
    ResourceType,
)

from pinflow.log.kafka_clients import ASK_S
from pinflow.log.kafka_errors import error_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pinflow.log.kafka_clients import Clients

__all__ = ["examine"]

SHORT_RETENTION_MS = 24 * 3600 * 1000
"""A topic that keeps its records for less may lose them while a job is stopped over a night."""

CLOCK_MS = 5_000
"""Records stamped later than this machine's clock by more show that two clocks differ."""

SHOWN = 3
"""So many topics are named in a sentence."""

NEEDED = (AclOperation.DESCRIBE, AclOperation.READ, AclOperation.WRITE)
"""What pinflow does with every topic. Some stations do less; `doctor` asks for all of them."""

Configs = dict[str, str]


def examine(clients: Clients, topics: Iterable[str]) -> list[str]:
    """Look at the cluster and at these topics.

    Raises:
        UnavailableError: The brokers do not answer.
        TerminalError: They do not let us in.
    """
    names = [*topics]
    try:
        cluster = clients.admin.describe_cluster(
            include_authorized_operations=True, request_timeout=ASK_S
        ).result()
        if not names:
            return [_brokers(len(cluster.nodes)), *_may_create(cluster)]
        asked = clients.admin.describe_topics(
            TopicCollection(names), include_authorized_operations=True, request_timeout=ASK_S
        )
        described = {name: future.result() for name, future in asked.items()}
        return [
            _brokers(len(cluster.nodes)),
            *_may_create(cluster),
            *_permissions(described),
            *_replicas(described, len(cluster.nodes)),
            *_configured(clients, described),
            *_clock(clients, described),
        ]
    except KafkaException as error:
        raise clients.failed(error, "the cluster cannot be looked at") from error


def _brokers(count: int) -> str:
    return f"the cluster has {count} brokers" if count != 1 else "the cluster has 1 broker and keeps 1 copy"


def _may_create(cluster: Any) -> list[str]:
    operations = cluster.authorized_operations
    if operations and not {AclOperation.CREATE, AclOperation.ALL}.intersection(operations):
        return ["this user may not create topics by a permission of the cluster (Create)"]
    return []


def _permissions(described: dict[str, Any]) -> list[str]:
    found = []
    for needed in NEEDED:
        lacking = [
            name
            for name, topic in described.items()
            if topic.authorized_operations is not None
            and not {needed, AclOperation.ALL}.intersection(topic.authorized_operations)
        ]
        found += _sentence(lacking, f"this user lacks the permission {needed.name.title()}")
    return found


def _replicas(described: dict[str, Any], brokers: int) -> list[str]:
    single, lagging, leaderless = [], [], []
    for name, topic in described.items():
        if brokers > 1 and any(len(each.replicas) < 2 for each in topic.partitions):
            single.append(name)
        if any(len(each.isr) < len(each.replicas) for each in topic.partitions):
            lagging.append(name)
        if any(each.leader is None for each in topic.partitions):
            leaderless.append(name)
    return [
        *_sentence(single, "only one broker keeps the records; create topics with replication=3 in log.url"),
        *_sentence(lagging, "not all replicas are in sync"),
        *_sentence(leaderless, "some partitions have no leader and take nothing"),
    ]


def _configured(clients: Clients, described: dict[str, Any]) -> list[str]:
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in described]
    asked = clients.admin.describe_configs(resources, request_timeout=ASK_S)
    configs: dict[str, Configs] = {}
    try:
        for resource, future in asked.items():
            configs[resource.name] = {name: entry.value for name, entry in future.result().items()}
    except KafkaException as error:
        return [f"the topics' configuration cannot be read: {error_of(error).str()}"]

    def those(wrong: Callable[[Configs], bool]) -> list[str]:
        return [name for name, config in configs.items() if wrong(config)]

    copies = {name: min(len(each.replicas) for each in topic.partitions) for name, topic in described.items()}
    acknowledged_by_one = [
        name for name in those(lambda config: config.get("min.insync.replicas") == "1") if copies[name] > 1
    ]
    return [
        *_sentence(
            those(lambda config: "compact" in config.get("cleanup.policy", "")),
            "cleanup.policy has compact: records may be gone before a job has read them, and audit cannot know",
        ),
        *_sentence(
            acknowledged_by_one,
            "min.insync.replicas is 1: a record is acknowledged when one broker has it; set 2",
        ),
        *_sentence(
            those(lambda config: 0 <= int(config.get("retention.ms", -1)) < SHORT_RETENTION_MS),
            "retention.ms is under a day: what no job has read by then is lost",
        ),
    ]


def _clock(clients: Clients, described: dict[str, Any]) -> list[str]:
    """A producer, or a broker, whose clock is ahead of this machine's."""
    places = [
        TopicPartition(name, partition.id)
        for name, topic in described.items()
        for partition in topic.partitions
        if partition.leader is not None
    ]
    newest: OffsetSpec = OffsetSpec.max_timestamp()  # type: ignore[no-untyped-call]
    asked = clients.admin.list_offsets(dict.fromkeys(places, newest), request_timeout=ASK_S)
    ahead = 0
    for future in asked.values():
        try:
            ahead = max(ahead, future.result().timestamp - int(time.time() * 1000))
        except KafkaException:
            return []  # brokers before Kafka 3.0 do not tell the newest time
    if ahead > CLOCK_MS:
        return [
            f"records are stamped {ahead / 1000:.0f} s ahead of this machine's clock; look at both clocks"
        ]
    return []


def _sentence(topics: list[str], what: str) -> list[str]:
    if not topics:
        return []
    names = ", ".join(sorted(topics)[:SHOWN])
    more = f" and {len(topics) - SHOWN} more" if len(topics) > SHOWN else ""
    return [f"{what} ({names}{more})"]
