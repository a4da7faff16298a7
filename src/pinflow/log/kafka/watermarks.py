"""Where the partitions of a topic begin and end."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]

from pinflow.errors import CorruptError, GapError, UnknownPartitionError, UnknownTopicError
from pinflow.log.kafka.clients import ASK_S, LOOK_AGAIN
from pinflow.log.kafka.errors import UNSETTLED, error_of, no_leader_error
from pinflow.log.kafka.positions import KafkaPosition
from pinflow.retrying import Attempts

if TYPE_CHECKING:
    from pinflow.log.kafka.clients import Clients
    from pinflow.log.kafka.topics import KafkaTopics, TopicInfo

__all__ = ["TopicOffsets", "Watermarks"]

SETTLE_S = 3.0
"""How long a partition may be between two leaders before it counts as away."""

GONE_S = 1.0
"""For how long brokers must not know a topic that existed, before it counts as deleted."""

RECENT_S = 0.1
"""For how long an answer serves: a job asks for the partitions of a topic, and then reads each in turn."""


EARLIEST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]


_log = logging.getLogger(__name__)


class TopicOffsets(NamedTuple):
    """A topic at one moment: for each partition the first offset kept, and the one after the last that is committed."""

    topic: str
    topic_id: str
    begins: list[int]
    ends: list[int]

    def position(self, offset: int, passed: int = 0) -> KafkaPosition:
        """A position in this topic."""
        return KafkaPosition(offset, passed, self.topic_id)

    def ends_before(self, partition: int, text: str | None) -> bool:
        """Whether a position of this very topic lies beyond the end."""
        if text is None or not 0 <= partition < len(self.ends):
            return False
        position = KafkaPosition.parse(text)
        return position.offset > self.ends[partition] and position.topic_id in {"", self.topic_id}

    def start(
        self, partition: int, text: str | None, *, empty: tuple[int, int] | None = None, skip: bool = False
    ) -> KafkaPosition:
        """Where to read from.

        Args:
            partition: Its number.
            text: The position, None for the begin.
            empty: Two offsets between which there was no record.
            skip: Go on at the begin, with a warning, where the position lies before it.

        Raises:
            UnknownPartitionError: There is no such partition.
            GapError: The position lies before the begin, or in an earlier topic of this name.
            CorruptError: It lies beyond the end.
        """
        where = f"{self.topic} partition {partition}"
        position = KafkaPosition.parse(text) if text is not None else None
        if (
            position is not None
            and position.topic_id
            and self.topic_id
            and position.topic_id != self.topic_id
        ):
            raise GapError(
                "the topic was deleted and made again; what it held is gone",
                where=where,
                hint="pinflow audit",
            )
        if not 0 <= partition < len(self.ends):
            raise UnknownPartitionError(
                f"topic {self.topic!r} has partitions 0 to {len(self.ends) - 1}, not {partition}",
                where=self.topic,
            )
        begin, end = self.begins[partition], self.ends[partition]
        if position is None:
            return self.position(begin, begin)
        if position.offset < begin:
            known = empty[1] if empty is not None and empty[0] == position.offset else 0
            gone = f"offsets {position.offset} to {begin - 1} are no longer in the log"
            if begin > known and not skip:
                raise GapError(
                    gone,
                    where=where,
                    hint="pinflow audit says what has landed; to go on without what is lost: gaps=skip in log.url",
                )
            if begin > known:
                _log.warning("%s: %s: going on with the oldest that is there", where, gone)
            return position._replace(offset=begin, passed=position.passed + begin - position.offset)
        if position.offset > end:
            raise CorruptError(
                f"the log ends at offset {end}, but was read up to {position.offset} before: it has lost records",
                where=where,
                hint="pinflow audit says what has landed",
            )
        return position


class Watermarks:
    """Asks for the offsets of topics. For a moment `recent` returns what `ask` found, once for each partition."""

    def __init__(self, clients: Clients, topics: KafkaTopics) -> None:
        self._clients = clients
        self._topics = topics
        self._local = threading.local()
        self._generation = 0
        self._seen_topics: set[str] = set()

    def ask(self, topic: str) -> TopicOffsets:
        """Ask the brokers.

        Raises:
            UnknownTopicError: There is no such topic.
            UnavailableError: The brokers do not answer.
        """
        attempts = Attempts(LOOK_AGAIN, within=SETTLE_S)
        while True:
            known = self._find(topic)
            try:
                offsets = TopicOffsets(topic, known.topic_id, *self._offsets(topic, known.partitions))
            except KafkaException as error:
                if error_of(error).code() not in UNSETTLED:
                    raise self._clients.translate(error, "the log cannot be read", topic) from error
                if attempts.over:
                    raise no_leader_error(topic, error_of(error)) from error
                attempts.wait()
            else:
                self._seen_topics.add(topic)
                unused = set(range(known.partitions))
                self._recent_of_thread()[topic] = _Recent(offsets, time.monotonic(), self._generation, unused)
                return offsets

    def _find(self, topic: str) -> TopicInfo:
        """The topic. One that was there is looked for again, as a broker that has just started may not know it yet."""
        attempts = Attempts(LOOK_AGAIN, within=GONE_S)
        while True:
            try:
                return self._topics.find(topic)
            except UnknownTopicError:
                if topic not in self._seen_topics or attempts.over:
                    self._seen_topics.discard(topic)
                    raise
            attempts.wait()

    def recent(self, topic: str, partition: int, position: str | None) -> TopicOffsets:
        """The offsets of a topic, perhaps as this thread found them a moment ago. Raises as `ask`.

        A new leader may not know at once how far the one before had come: it is given time to reach the position.
        """
        attempts = Attempts(LOOK_AGAIN, within=SETTLE_S)
        offsets = self._recent_or_ask(topic, partition)
        while offsets.ends_before(partition, position) and not attempts.over:
            attempts.wait()
            offsets = self.ask(topic)
        return offsets

    def _recent_or_ask(self, topic: str, partition: int) -> TopicOffsets:
        seen = self._recent_of_thread().get(topic)
        if (
            seen is None
            or partition not in seen.unused
            or seen.generation != self._generation
            or time.monotonic() - seen.at > RECENT_S
        ):
            offsets = self.ask(topic)
            self._recent_of_thread()[topic].unused.discard(partition)
            return offsets
        seen.unused.discard(partition)
        return seen.offsets

    def expire(self) -> None:
        """Forget what was found: something was appended or dropped here."""
        self._generation += 1

    def _offsets(self, topic: str, partitions: int) -> tuple[list[int], list[int]]:
        asked = [TopicPartition(topic, partition) for partition in range(partitions)]
        admin, level = self._clients.admin, IsolationLevel.READ_COMMITTED
        begins = admin.list_offsets(dict.fromkeys(asked, EARLIEST), request_timeout=ASK_S)
        ends = admin.list_offsets(dict.fromkeys(asked, LATEST), isolation_level=level, request_timeout=ASK_S)
        found = [[answers[each].result().offset for each in asked] for answers in (begins, ends)]
        if min(map(min, found), default=0) < 0:  # no error, and no offset: the leader is being changed
            raise KafkaException(KafkaError(KafkaError.OFFSET_NOT_AVAILABLE, "no leader reports offsets now"))
        return found[0], found[1]

    def _recent_of_thread(self) -> dict[str, _Recent]:
        seen: dict[str, _Recent] | None = getattr(self._local, "seen", None)
        if seen is None:
            seen = self._local.seen = {}
        return seen


class _Recent(NamedTuple):
    offsets: TopicOffsets
    at: float
    generation: int
    unused: set[int]
