"""Appending: an idempotent producer, every record acknowledged by all replicas in sync or refused.

A producer that is idempotent sends a batch again, after a lost answer, without doubling it. That holds within one
producer: a record that it reports as failed may still be in the log, and a second append of it would be a second
record.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from confluent_kafka import KafkaError, KafkaException

from pinflow.errors import (
    PinflowError,
    TerminalError,
    UnavailableError,
    UnknownPartitionError,
)
from pinflow.log.kafka.clients import ASK_S, DELIVERY_S
from pinflow.log.kafka.delivery import PendingBatch, deliver
from pinflow.log.kafka.errors import LOST, NO_TOPIC
from pinflow.log.records import AppendResult, raise_if_all_refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from confluent_kafka import Producer

    from pinflow.log.kafka.clients import Clients
    from pinflow.log.kafka.topics import KafkaTopics, TopicInfo
    from pinflow.log.records import ProduceBatch

__all__ = ["Appender"]

BATCH_BYTES = 1_000_000
"""Records are sent together up to this size, or up to what the topic takes if that is less.

A batch that the brokers refuse for its size has to be sent again in pieces, behind what followed it: not in order.
"""

BATCH_MARGIN = 512
"""The head of a batch, which counts too."""

SHRINK = 16
"""A topic that refused a batch, and whose limit cannot be read, gets batches smaller by this factor."""

MAX_AHEAD_MS = 60_000
"""A minute: brokers refuse times that are an hour ahead. At the bound batches share a time."""

CLOSE_S = 1.0
"""How long closing waits for an append under way after it has given up its records."""

LOG_AGAIN_S = 60.0
"""The error of a partition that takes nothing is logged once in this time."""

GONE = NO_TOPIC | {KafkaError._DESTROY}  # noqa: SLF001
"""What the producer reports of a topic that is deleted while it appends."""

_log = logging.getLogger(__name__)


class _Sender(NamedTuple):
    """A producer of batches up to one size, and the topics as it knows them."""

    producer: Producer
    used: dict[str, TopicInfo]


class Appender:
    """Appends to the topics of a log. One append at a time; others wait for it.

    Topics that take batches of the same size share a producer: most have the brokers' own.
    """

    def __init__(self, clients: Clients, topics: KafkaTopics) -> None:
        self._clients = clients
        self._topics = topics
        self._lock = threading.Lock()
        self._producers: dict[int, _Sender] = {}
        self._batch_bytes: dict[str, int] = {}
        self._logged_at: dict[str, float] = {}
        self._accepted_ms = 0
        self._closed = False

    def append(self, batches: Sequence[ProduceBatch]) -> list[AppendResult]:
        """See `EventLog.append`."""
        if not self._lock.acquire(timeout=DELIVERY_S):
            raise UnavailableError("another append does not end; nothing was appended", where=self._where)
        try:
            pending = self._send(batches, [self._require(batch) for batch in batches])
        finally:
            self._lock.release()
        appended = [
            AppendResult([*map(_offset, each.outcomes)], refused=self._refusals(each)) for each in pending
        ]
        raise_if_all_refused(appended)
        return appended

    def close(self) -> None:
        """Give up what is under way, and release the connections."""
        self._closed = True
        for producer, _ in [*self._producers.values()]:
            producer.purge()
        if self._lock.acquire(timeout=CLOSE_S):
            self._producers.clear()
            self._lock.release()

    @property
    def _where(self) -> str:
        return self._clients.settings.shown

    def _require(self, batch: ProduceBatch) -> int:
        """The partition of a batch, which must exist: the producer would take its records, and fail them much later."""
        topic, number = batch.topic, batch.partition
        if number is not None and number >= self._topics.cached(topic).partitions:
            self._topics.find(topic)  # it may have grown
        partitions = self._topics.cached(topic).partitions
        if number is None or not 0 <= number < partitions:
            raise UnknownPartitionError(
                f"topic {topic!r} has partitions 0 to {partitions - 1}, not {number}", where=topic
            )
        return number

    def _producers_of(self, topics: set[str]) -> dict[str, Producer]:
        """The producer of each topic. It would notice only after minutes that one has grown, or was made again."""
        if self._closed:
            raise UnavailableError("the log is closed; nothing was appended", where=self._where)
        for topic in topics - self._batch_bytes.keys():
            self._batch_bytes[topic] = self._largest_batch(topic) or BATCH_BYTES
        ready = {}
        for topic in topics:
            size, known = self._batch_bytes[topic], self._topics.cached(topic)
            if size not in self._producers:
                self._producers[size] = _Sender(self._clients.producer(size), {})
            producer, used = self._producers[size]
            if used.setdefault(topic, known) != known:
                try:
                    producer.list_topics(topic, timeout=ASK_S)
                except KafkaException as error:
                    raise self._clients.translate(error, "nothing was appended", topic) from error
                used[topic] = known
            ready[topic] = producer
        return ready

    def _send(self, batches: Sequence[ProduceBatch], partitions: Sequence[int]) -> list[PendingBatch]:
        producers = self._producers_of({batch.topic for batch in batches})
        sizes = {topic: self._batch_bytes[topic] for topic in producers}
        pending = [
            PendingBatch(batch, partition, accepted_ms)
            for batch, partition, accepted_ms in zip(
                batches, partitions, self._acceptance_times(batches), strict=True
            )
        ]
        for each in pending:
            each.hand_over(producers[each.topic], range(len(each.outcomes)))
        for producer in {*producers.values()}:
            deliver(producer, [each for each in pending if producers[each.topic] is producer])
        for number, each in enumerate(pending):
            refused = each.find_refused_together(sizes[each.topic])
            later = [
                other for other in pending[number + 1 :] if other.topic_partition == each.topic_partition
            ]
            for index in refused:
                if each.has_appended_after(index) or any(map(PendingBatch.has_appended_any, later)):
                    each.leave_out(index)
                    continue
                each.hand_over(producers[each.topic], [index])
                deliver(producers[each.topic], [each])
            if refused and self._batch_bytes[each.topic] == sizes[each.topic]:
                self._shrink(each.topic)
        for each in pending:
            if each.fatal:  # it takes nothing more; the next append makes another
                self._producers.pop(sizes[each.topic], None)
        return pending

    def _acceptance_times(self, batches: Sequence[ProduceBatch]) -> list[int]:
        """When each batch is accepted: later than any append before, whichever partitions it goes to.

        Under a load of more such batches than there are milliseconds the time runs ahead of the clock, within a bound.
        """
        now = time.time_ns() // 1_000_000
        moment = min(max(now, self._accepted_ms + 1), max(now + MAX_AHEAD_MS, self._accepted_ms))
        moments = []
        for batch in batches:
            if moment < now + MAX_AHEAD_MS:
                moment += batch.later
            moments.append(moment)
        self._accepted_ms = moment
        return moments

    def _largest_batch(self, topic: str) -> int | None:
        """The largest batch to send to a topic; None where the limit cannot be read. Raises as `batch_bytes`."""
        largest = self._topics.batch_bytes(topic)
        return largest and max(1, min(BATCH_BYTES, largest - BATCH_MARGIN))

    def _shrink(self, topic: str) -> None:
        """Send smaller batches from the next append on: the topic takes less than it did, or we may not ask."""
        try:
            limit = self._largest_batch(topic)
        except UnavailableError:
            limit = None
        now = self._batch_bytes[topic]
        self._batch_bytes[topic] = limit if limit and limit < now else max(1, now // SHRINK)

    def _refusals(self, sent: PendingBatch) -> dict[int, PinflowError]:
        errors: dict[int, KafkaError] = {
            index: outcome for index, outcome in enumerate(sent.outcomes) if isinstance(outcome, KafkaError)
        }
        known: dict[int, PinflowError] = {}
        for error in errors.values():
            if error.code() not in known:
                known[error.code()] = self._translate(error, *sent.topic_partition)
        return {index: known[error.code()] for index, error in errors.items()}

    def _translate(self, error: KafkaError, topic: str, partition: int) -> PinflowError:
        where = f"{topic} partition {partition}"
        if error.code() in GONE:
            return self._missing_error(topic, partition)
        failed = self._clients.translate(error, "the record was not appended", where)
        if isinstance(failed, UnavailableError) or error.code() in LOST:
            return UnavailableError(
                failed.what.replace("was not appended", "was not acknowledged"), where=where, hint=failed.hint
            )
        if type(failed) is TerminalError:  # the others blame the record or the topic
            self._log_failure(failed, where)
        return failed

    def _log_failure(self, failed: PinflowError, where: str) -> None:
        """Log the error for the operator, now and then: a client's answer says no more than that it failed."""
        now = time.monotonic()
        if now - self._logged_at.get(where, -LOG_AGAIN_S) >= LOG_AGAIN_S:
            self._logged_at[where] = now
            _log.error("%s (%s); %s", failed.what, where, failed.hint)

    def _missing_error(self, topic: str, partition: int) -> PinflowError:
        """Why a record was refused whose topic or partition the brokers do not know: ask again whether it is there."""
        try:
            partitions = self._topics.find(topic).partitions
        except PinflowError as error:
            return error
        if partition >= partitions:
            return UnknownPartitionError(f"topic {topic!r} has {partitions} partitions", where=topic)
        return UnavailableError("not all brokers know the topic now", where=topic, hint="try again")


def _offset(outcome: int | KafkaError | None) -> int:
    return outcome if isinstance(outcome, int) else -1
