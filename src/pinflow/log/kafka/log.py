"""`EventLog` on Kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pinflow.errors import MissingExtraError

try:
    import confluent_kafka  # noqa: F401 - the siblings need it
except ImportError as error:
    raise MissingExtraError("the Kafka log", "kafka") from error

from pinflow.errors import UnavailableError
from pinflow.log.kafka.append import Appender
from pinflow.log.kafka.clients import Clients
from pinflow.log.kafka.examine import examine
from pinflow.log.kafka.groups import Groups
from pinflow.log.kafka.marks import Watermarks
from pinflow.log.kafka.positions import Position
from pinflow.log.kafka.readers import ConsumerPool
from pinflow.log.kafka.topics import KafkaTopics
from pinflow.log.kafka.trim import trim
from pinflow.log.kafka.url import parse_url
from pinflow.log.records import AppendResult, Capabilities, Chunk, Partition, PartitionRange, ProduceBatch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pinflow.findings import Finding

__all__ = ["KafkaLog"]


class KafkaLog:
    """`EventLog` on Kafka."""

    capabilities = Capabilities(managed=True, retains_deleted=False, keeps_offsets=True)

    def __init__(self, url: str, *, read_only: bool = False) -> None:  # noqa: ARG002 - nothing is made by opening
        self._clients = Clients(parse_url(url))
        self._clients.admin  # noqa: B018 - connects later, but tells now what it does not take
        self._identity = ""
        self.topics = KafkaTopics(self._clients)
        self._marks = Watermarks(self._clients, self.topics)
        self._appender = Appender(self._clients, self.topics)
        self._readers = ConsumerPool(self._clients)
        self._groups = Groups(self._clients)

    def append(self, batches: Sequence[ProduceBatch]) -> list[AppendResult]:
        """See `EventLog.append`: returns when all replicas in sync have every record, or it is refused."""
        try:
            return self._appender.append(batches)
        finally:
            self._marks.expire()

    def read(
        self, topic: str, partition: int, position: str | None, *, max_records: int, max_bytes: int
    ) -> Chunk:
        """See `EventLog.read`: committed records only.

        Right after `partitions` or `ranges` it reads up to the ends that were found there.
        """
        marked = self._marks.fresh(topic, partition, position)
        return self._readers.read(marked, partition, position, max_records=max_records, max_bytes=max_bytes)

    def partitions(self, topic: str) -> list[Partition]:
        """See `EventLog.partitions`: one question to the brokers, whose answer the reads that follow go by."""
        marked = self._marks.ask(topic)
        return [
            Partition(number, first=str(begin), next=end)
            for number, (begin, end) in enumerate(zip(marked.begins, marked.ends, strict=True))
        ]

    def ranges(self, topic: str, known: Mapping[int, str] | None = None) -> list[PartitionRange]:
        """See `EventLog.ranges`. Offsets that held no record count until a reader has passed them."""
        marked, known = self._marks.ask(topic), known or {}
        found = []
        for partition, (begin, end) in enumerate(zip(marked.begins, marked.ends, strict=True)):
            text = known.get(partition)
            place = Position.parse(text) if text is not None else Position(0)
            # What another topic of the name has passed says nothing of this one.
            passed = place.passed if place.topic_id in {"", marked.topic_id} else 0
            found.append(
                PartitionRange(
                    partition,
                    str(marked.position(begin)),
                    str(marked.position(end, passed)),
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
        keep_bytes: int | None,  # noqa: ARG002 - brokers do not tell how many bytes their records take
    ) -> int:
        """See `EventLog.trim`: by age. Bytes are not looked at; `retention.bytes` of the topic does that."""
        if older_than_ms is None or not committed:
            return 0
        marked = self._marks.ask(topic)
        try:
            return trim(self._clients, marked, partition, committed, older_than_ms)
        finally:
            self._marks.expire()

    def committed(self, reader: str, topic: str, positions: Mapping[int, str]) -> None:
        """See `WatchedLog.committed`: as the offsets of group `pinflow-<reader>`."""
        self._groups.committed(reader, topic, positions)

    def examine(self) -> list[Finding]:
        """See `Examined.examine`."""
        return examine(self._clients, self.topics.list())

    @property
    def exact_from(self) -> int | None:
        """See `EventLog.exact_from`: brokers, gateways and producers have clocks of their own."""
        return None

    @property
    def identity(self) -> str:
        """See `EventLog.identity`: the cluster's id."""
        if not self._identity:
            cluster = cast("str | None", self._clients.metadata().cluster_id)
            if not cluster:  # a broker that is not ready yet
                raise UnavailableError(
                    "the brokers do not tell the cluster's id", where=self._clients.settings.shown
                )
            self._identity = cluster
        return self._identity

    def close(self) -> None:
        """See `EventLog.close`."""
        self._groups.close()
        self._appender.close()
        self._readers.close()
