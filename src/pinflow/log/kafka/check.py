"""What is worth knowing or repairing in a cluster and its topics, for `pinflow doctor`."""

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

from pinflow.findings import Finding
from pinflow.log.kafka.clients import ASK_S
from pinflow.log.kafka.errors import error_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pinflow.log.kafka.clients import Clients

__all__ = ["check"]

SHORT_RETENTION_MS = 24 * 3600 * 1000
"""A topic that keeps its records for a shorter time may lose them while a job is stopped overnight."""

CLOCK_MS = 5_000
"""Records stamped further ahead of this machine's clock than this show that two clocks differ."""

SHOWN = 3
"""How many topics a sentence names."""

NEEDED = (AclOperation.DESCRIBE, AclOperation.READ, AclOperation.WRITE)
"""What pinflow does with every topic. Some stations do less; `doctor` asks for all of them."""

OLD, NEW = "inter.broker.protocol.version", "group.coordinator.rebalance.protocols"
"""Settings of a broker: the first went with Kafka 4.0, the second came with 3.7."""

Configs = dict[str, str]


def check(clients: Clients, topics: Iterable[str]) -> list[Finding]:
    """Look at the cluster and at these topics.

    Raises:
        UnavailableError: The brokers do not answer.
        TerminalError: They do not let this user in.
    """
    names = [*topics]
    try:
        cluster = clients.admin.describe_cluster(
            include_authorized_operations=True, request_timeout=ASK_S
        ).result()
        if not names:
            return [_describe_brokers(clients, cluster), *_check_create(cluster)]
        answers = clients.admin.describe_topics(
            TopicCollection(names), include_authorized_operations=True, request_timeout=ASK_S
        )
        described = {name: future.result() for name, future in answers.items()}
        return [
            _describe_brokers(clients, cluster),
            *_check_create(cluster),
            *_check_permissions(described),
            *_check_replicas(described, len(cluster.nodes)),
            *_check_configs(clients, described),
            *_check_clocks(clients, described),
        ]
    except KafkaException as error:
        raise clients.translate(error, "the cluster cannot be looked at") from error


def _describe_brokers(clients: Clients, cluster: Any) -> Finding:
    version, count = _version(clients, cluster.nodes[0].id), len(cluster.nodes)
    return Finding(
        f"the cluster has {count} brokers{version}"
        if count != 1
        else f"the cluster has 1 broker{version} and keeps 1 copy"
    )


def _version(clients: Clients, broker: int) -> str:
    """The version, as far as this user may read it in a broker's configuration; the protocol does not say it."""
    answers = clients.admin.describe_configs(
        [ConfigResource(ResourceType.BROKER, str(broker))], request_timeout=ASK_S
    )
    try:
        ((_, future),) = answers.items()
        config = future.result()
    except KafkaException:
        return ""
    if OLD in config:
        return f" of Kafka {config[OLD].value.partition('-')[0]}"
    return " of Kafka 4.0 or later" if NEW in config else ""


def _check_create(cluster: Any) -> Iterator[Finding]:
    operations = cluster.authorized_operations
    if operations and not {AclOperation.CREATE, AclOperation.ALL}.intersection(operations):
        yield Finding(
            "this user may not create topics by a permission of the cluster (Create)",
            "create the topics yourself, or allow Create",  # a permission for a prefix is not shown
        )


def _check_permissions(described: dict[str, Any]) -> Iterator[Finding]:
    for needed in NEEDED:
        lacking = [
            name
            for name, topic in described.items()
            if topic.authorized_operations is not None
            and not {needed, AclOperation.ALL}.intersection(topic.authorized_operations)
        ]
        if lacking:
            yield Finding(
                f"this user lacks the permission {needed.name.title()} {_name_some(lacking)}",
                f"allow it {needed.name.title()}; docs/parts/kafka.md lists who needs which",
                broken=True,
            )


def _check_replicas(described: dict[str, Any], brokers: int) -> Iterator[Finding]:
    single, lagging, leaderless = [], [], []
    for name, topic in described.items():
        if brokers > 1 and any(len(each.replicas) < 2 for each in topic.partitions):
            single.append(name)
        if any(len(each.isr) < len(each.replicas) for each in topic.partitions):
            lagging.append(name)
        if any(each.leader is None for each in topic.partitions):
            leaderless.append(name)
    if single:
        yield Finding(
            f"only one broker keeps the records {_name_some(single)}",
            "create topics with replication=3 in log.url",
        )
    if lagging:
        yield Finding(
            f"not all replicas are in sync {_name_some(lagging)}", "see whether a broker is down or slow"
        )
    if leaderless:
        yield Finding(
            f"some partitions have no leader and take nothing {_name_some(leaderless)}",
            "start the brokers that hold them: kafka-topics --describe --unavailable-partitions",
            broken=True,
        )


def _check_configs(clients: Clients, described: dict[str, Any]) -> Iterator[Finding]:
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in described]
    answers = clients.admin.describe_configs(resources, request_timeout=ASK_S)
    configs: dict[str, Configs] = {}
    try:
        for resource, future in answers.items():
            configs[resource.name] = {name: entry.value for name, entry in future.result().items()}
    except KafkaException as error:
        yield Finding(
            f"the topics' configuration cannot be read: {error_of(error).str()}",
            "allow DescribeConfigs, for doctor to look at retention and replicas",
        )
        return

    for wrong, what, hint, broken in CONFIG_CHECKS:
        found = [name for name, config in configs.items() if wrong(config, described[name])]
        if found:
            yield Finding(f"{what} {_name_some(found)}", hint, broken=broken)


def _least_in_sync(config: Configs) -> int:
    return int(config.get("min.insync.replicas", 1))


def _copies(topic: Any) -> int:
    return min(len(each.replicas) for each in topic.partitions)


def _copies_in_sync(topic: Any) -> int:
    """The fewest copies in sync that a partition of the topic has; one without a leader is a finding of its own."""
    return min((len(each.isr) for each in topic.partitions if each.leader is not None), default=1 << 31)


CONFIG_CHECKS: tuple[tuple[Callable[[Configs, Any], bool], str, str, bool], ...] = (
    (
        lambda config, _: "compact" in config.get("cleanup.policy", ""),
        "records may be gone before a job has read them, as cleanup.policy has compact",
        "set cleanup.policy=delete",
        True,
    ),
    (
        lambda config, topic: _copies_in_sync(topic) < min(_least_in_sync(config), _copies(topic)),
        "fewer replicas are in sync than min.insync.replicas, so nothing is acknowledged",
        "start the brokers that hold the others",
        True,
    ),
    (
        lambda config, topic: _least_in_sync(config) == 1 < _copies(topic),
        "a record is acknowledged when one broker has it",
        "set min.insync.replicas=2",
        False,
    ),
    (
        lambda config, _: 0 <= int(config.get("retention.ms", -1)) < SHORT_RETENTION_MS,
        "retention.ms is under a day: what no job has read by then is lost",
        "set a retention that outlasts a weekend",
        False,
    ),
)
"""What a topic's configuration may have wrong: the test, the sentence, what to do, and whether it is broken."""


def _check_clocks(clients: Clients, described: dict[str, Any]) -> Iterator[Finding]:
    """Whether a producer, or a broker, has a clock ahead of this machine's."""
    partitions = [
        TopicPartition(name, partition.id)
        for name, topic in described.items()
        for partition in topic.partitions
        if partition.leader is not None
    ]
    newest: OffsetSpec = OffsetSpec.max_timestamp()  # type: ignore[no-untyped-call]
    answers = clients.admin.list_offsets(dict.fromkeys(partitions, newest), request_timeout=ASK_S)
    ahead = 0
    for future in answers.values():
        try:
            ahead = max(ahead, future.result().timestamp - int(time.time() * 1000))
        except KafkaException:
            return  # brokers before Kafka 3.0 do not report the newest time
    if ahead > CLOCK_MS:
        yield Finding(
            f"records are stamped {ahead / 1000:.0f} s ahead of this machine's clock",
            "set the clocks of this machine, the brokers and the producers by NTP",
        )


def _name_some(topics: list[str]) -> str:
    """A few topics by name, for the end of a sentence."""
    names = ", ".join(sorted(topics)[:SHOWN])
    more = f" and {len(topics) - SHOWN} more" if len(topics) > SHOWN else ""
    return f"({names}{more})"
