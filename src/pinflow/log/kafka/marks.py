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
from pinflow.log.kafka.errors import UNSETTLED, error_of, unsettled
from pinflow.log.kafka.positions import Position
from pinflow.retrying import Attempts

if TYPE_CHECKING:
    from pinflow.log.kafka.clients import Clients
    from pinflow.log.kafka.topics import KafkaTopics, TopicInfo

__all__ = ["TopicOffsets", "Watermarks"]

SETTLE_S = 3.0
"""How long a partition may be between two leaders before it counts as away."""

GONE_S = 1.0
"""How long brokers must not know a topic that was there, before it counts as deleted."""

FRESH_S = 0.1
"""A job asks for the ranges of a topic and then reads its partitions in turn; they need not all be asked again."""


EARLIEST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]


_log = logging.getLogger(__name__)


class TopicOffsets(NamedTuple):
    """A topic at one moment: for each partition the first offset kept, and the one after the last that is committed."""

    topic: str
    topic_id: str
    begins: list[int]
    ends: list[int]

    def position(self, offset: int, passed: int = 0) -> Position:
        """A position in this topic."""
        return Position(offset, passed, self.topic_id)

    def ends_before(self, partition: int, text: str | None) -> bool:
        """Whether a position of this very topic lies beyond the end."""
        if text is None or not 0 <= partition < len(self.ends):
            return False
        place = Position.parse(text)
        return place.offset > self.ends[partition] and place.topic_id in {"", self.topic_id}

    def start(
        self, partition: int, text: str | None, *, empty: tuple[int, int] | None = None, skip: bool = False
    ) -> Position:
        """Where to read from.

        Args:
            partition: Its number.
            text: The position, None for the begin.
            empty: From the first of these offsets up to the second there was no record.
            skip: Go on at the begin, with a warning, where the position lies before it.

        Raises:
            UnknownPartitionError: There is no such partition.
            GapError: The position lies before the begin, or in an earlier topic of this name.
            CorruptError: It lies beyond the end.
        """
        where = f"{self.topic} partition {partition}"
        place = Position.parse(text) if text is not None else None
        if place is not None and place.topic_id and self.topic_id and place.topic_id != self.topic_id:
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
        if place is None:
            return self.position(begin, begin)
        if place.offset < begin:
            known = empty[1] if empty is not None and empty[0] == place.offset else 0
            gone = f"offsets {place.offset} to {begin - 1} are no longer in the log"
            if begin > known and not skip:
                raise GapError(
                    gone,
                    where=where,
                    hint="pinflow audit says what has landed; to go on without what is lost: gaps=skip in log.url",
                )
            if begin > known:
                _log.warning("%s: %s: going on with the oldest that is there", where, gone)
            return place._replace(offset=begin, passed=place.passed + begin - place.offset)
        if place.offset > end:
            raise CorruptError(
                f"the log ends at offset {end}, but was read up to {place.offset} before: it has lost records",
                where=where,
                hint="pinflow audit says what has landed",
            )
        return place


class Watermarks:
    """Asks for them. What `ask` has found, `fresh` of the same thread gives once a partition, for a moment."""

    def __init__(self, clients: Clients, topics: KafkaTopics) -> None:
        self._clients = clients
        self._topics = topics
        self._local = threading.local()
        self._generation = 0
        self._met: set[str] = set()

    def ask(self, topic: str) -> TopicOffsets:
        """Ask the brokers.

        Raises:
            UnknownTopicError: There is no such topic.
            UnavailableError: The brokers do not answer.
        """
        attempts = Attempts(LOOK_AGAIN, within=SETTLE_S)
        while True:
            known = self._found(topic)
            try:
                marked = TopicOffsets(topic, known.topic_id, *self._offsets(topic, known.partitions))
            except KafkaException as error:
                if error_of(error).code() not in UNSETTLED:
                    raise self._clients.failed(error, "the log cannot be read", topic) from error
                if attempts.over:
                    raise unsettled(topic, error_of(error)) from error
                attempts.wait()
            else:
                self._met.add(topic)
                unused = set(range(known.partitions))
                self._seen()[topic] = _Seen(marked, time.monotonic(), self._generation, unused)
                return marked

    def _found(self, topic: str) -> TopicInfo:
        """The topic. One that was there is looked for again, as a broker that has just started may not know it yet."""
        attempts = Attempts(LOOK_AGAIN, within=GONE_S)
        while True:
            try:
                return self._topics.find(topic)
            except UnknownTopicError:
                if topic not in self._met or attempts.over:
                    self._met.discard(topic)
                    raise
            attempts.wait()

    def fresh(self, topic: str, partition: int, position: str | None) -> TopicOffsets:
        """The same, perhaps as this thread was told a moment ago. Raises as `ask`.

        A new leader may not know at once how far the one before had come: it is given time to reach the position.
        """
        attempts = Attempts(LOOK_AGAIN, within=SETTLE_S)
        marked = self._seen_or_asked(topic, partition)
        while marked.ends_before(partition, position) and not attempts.over:
            attempts.wait()
            marked = self.ask(topic)
        return marked

    def _seen_or_asked(self, topic: str, partition: int) -> TopicOffsets:
        seen = self._seen().get(topic)
        if (
            seen is None
            or partition not in seen.unused
            or seen.generation != self._generation
            or time.monotonic() - seen.at > FRESH_S
        ):
            marked = self.ask(topic)
            self._seen()[topic].unused.discard(partition)
            return marked
        seen.unused.discard(partition)
        return seen.marked

    def expire(self) -> None:
        """What was asked before is no longer true: something was appended or dropped here."""
        self._generation += 1

    def _offsets(self, topic: str, partitions: int) -> tuple[list[int], list[int]]:
        places = [TopicPartition(topic, partition) for partition in range(partitions)]
        admin, level = self._clients.admin, IsolationLevel.READ_COMMITTED
        begins = admin.list_offsets(dict.fromkeys(places, EARLIEST), request_timeout=ASK_S)
        ends = admin.list_offsets(dict.fromkeys(places, LATEST), isolation_level=level, request_timeout=ASK_S)
        found = [[asked[place].result().offset for place in places] for asked in (begins, ends)]
        if min(map(min, found), default=0) < 0:  # no error, and no answer: the leader is being changed
            raise KafkaException(KafkaError(KafkaError.OFFSET_NOT_AVAILABLE, "no leader tells offsets now"))
        return found[0], found[1]

    def _seen(self) -> dict[str, _Seen]:
        seen: dict[str, _Seen] | None = getattr(self._local, "seen", None)
        if seen is None:
            seen = self._local.seen = {}
        return seen


class _Seen(NamedTuple):
    marked: TopicOffsets
    at: float
    generation: int
    unused: set[int]
