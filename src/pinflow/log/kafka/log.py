"""The log on Kafka: `EventLog` put together from the modules beside this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast, final

from pinflow.errors import MissingExtraError

try:
    import confluent_kafka  # noqa: F401 - the siblings need it
except ImportError as error:
    raise MissingExtraError("the Kafka log", "kafka") from error

from pinflow.errors import UnavailableError
from pinflow.log.kafka.append import Appender
from pinflow.log.kafka.check import check
from pinflow.log.kafka.clients import Clients
from pinflow.log.kafka.consumer_pool import ConsumerPool
from pinflow.log.kafka.groups import Groups
from pinflow.log.kafka.positions import KafkaPosition
from pinflow.log.kafka.topics import KafkaTopics
from pinflow.log.kafka.trim import trim
from pinflow.log.kafka.url import parse_url
from pinflow.log.kafka.watermarks import Watermarks
from pinflow.log.partition import CountedOffsets, Partition
from pinflow.log.protocol import ProgressLog
from pinflow.log.records import AppendResult, Capabilities, Chunk, PartitionRange, ProduceBatch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pinflow.findings import Finding

__all__ = ["KafkaLog"]


@final
class KafkaLog(ProgressLog):
    """The log on Kafka, `kafka://host:9092,host2:9092?option=value`."""

    capabilities = Capabilities(managed=True, retains_deleted=False, keeps_offsets=True, shows_progress=True)

    def __init__(self, url: str, *, read_only: bool = False) -> None:  # noqa: ARG002 - nothing is made by opening
        self._clients = Clients(parse_url(url))
        self._clients.admin  # noqa: B018 - connects later, but raises now for options that it does not take
        self._identity = ""
        self._topics = KafkaTopics(self._clients)
        self._watermarks = Watermarks(self._clients, self._topics)
        self._appender = Appender(self._clients, self._topics)
        self._consumers = ConsumerPool(self._clients)
        self._groups = Groups(self._clients)

    def append(self, batches: Sequence[ProduceBatch]) -> list[AppendResult]:
        """See `EventLog.append`: returns when all replicas in sync have every record, or it is refused."""
        try:
            return self._appender.append(batches)
        finally:
            self._watermarks.expire()

    def read(
        self, topic: str, partition: int, position: str | None, *, max_records: int, max_bytes: int
    ) -> Chunk:
        """See `EventLog.read`: committed records only.

        Right after `describe` or `ranges` it reads up to the ends that were found there.
        """
        offsets = self._watermarks.recent(topic, partition, position)
        return self._consumers.read(
            offsets, partition, position, max_records=max_records, max_bytes=max_bytes
        )

    def describe(self, topic: str) -> list[Partition]:
        """See `EventLog.describe`: asks the brokers once; the reads that follow go by their answer."""
        offsets = self._watermarks.ask(topic)
        return [
            Partition(number, numbering=CountedOffsets(begin, end))
            for number, (begin, end) in enumerate(zip(offsets.begins, offsets.ends, strict=True))
        ]

    def ranges(self, topic: str, known: Mapping[int, str] | None = None) -> list[PartitionRange]:
        """See `EventLog.ranges`. Offsets that held no record count until a reader has passed them."""
        offsets, known = self._watermarks.ask(topic), known or {}
        found = []
        for partition, (begin, end) in enumerate(zip(offsets.begins, offsets.ends, strict=True)):
            text = known.get(partition)
            position = KafkaPosition.parse(text) if text is not None else KafkaPosition(0)
            # What another topic of the name has passed says nothing of this one.
            passed = position.passed if position.topic_id in {"", offsets.topic_id} else 0
            found.append(
                PartitionRange(
                    partition,
                    str(offsets.position(begin)),
                    str(offsets.position(end, passed)),
                    accepted=end - passed,
                )
            )
        return found

    def trim(
        self,
        topic: str,
        partition: int,
        committed: Sequence[str],
        *,
        older_than_ms: int | None,
        keep_bytes: int | None,  # noqa: ARG002 - brokers do not say how many bytes their records take
    ) -> int:
        """See `EventLog.trim`: by age. Bytes are not looked at; `retention.bytes` of the topic does that."""
        if older_than_ms is None or not committed:
            return 0
        offsets = self._watermarks.ask(topic)
        try:
            return trim(self._clients, offsets, partition, committed, older_than_ms)
        finally:
            self._watermarks.expire()

    def show_progress(self, reader: str, topic: str, positions: Mapping[int, str]) -> None:
        """See `ProgressLog.show_progress`: as the offsets of group `pinflow-<reader>`."""
        self._groups.show_progress(reader, topic, positions)

    def check(self) -> list[Finding]:
        """See `EventLog.check`: the cluster, the topics, and what this user may do."""
        return check(self._clients, self._topics.list())

    @property
    def exact_from(self) -> int | None:
        """See `EventLog.exact_from`: brokers, gateways and producers have clocks of their own."""
        return None

    @property
    def topics(self) -> KafkaTopics:
        """See `EventLog.topics`."""
        return self._topics

    @property
    def identity(self) -> str:
        """See `EventLog.identity`: the cluster's id."""
        if not self._identity:
            cluster = cast("str | None", self._clients.metadata().cluster_id)
            if not cluster:  # a broker that is not ready yet
                raise UnavailableError(
                    "the brokers do not say the cluster's id", where=self._clients.settings.shown
                )
            self._identity = cluster
        return self._identity

    def close(self) -> None:
        """See `EventLog.close`."""
        self._groups.close()
        self._appender.close()
        self._consumers.close()
