"""Appending: an idempotent producer, every record acknowledged by all replicas in sync or refused.

A producer that is idempotent sends a batch again, after a lost answer, without doubling it. That holds within one
producer: what it has told as failed may still be in the log, and a second append of it would be a second record.
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
from pinflow.log.kafka.delivery import Run, deliver
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
"""Records are sent together up to so many bytes, or as many as the topic takes if that is less.

A batch that the brokers refuse for its size has to be sent again in pieces, behind what followed it: not in order.
"""

BATCH_MARGIN = 512
"""The head of a batch, which counts too."""

SHRINK = 16
"""A topic that refused a batch and does not tell what it takes is tried with batches so many times smaller."""

AHEAD_MS = 60_000
"""A minute: brokers refuse times that are an hour ahead. At the bound batches share a time."""

CLOSE_S = 1.0
"""How long closing waits for an append under way, whose records it has given up."""

SAY_AGAIN_S = 60.0
"""A partition that takes nothing is logged so often."""

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
        self._said: dict[str, float] = {}
        self._accepted_ms = 0
        self._closed = False

    def append(self, batches: Sequence[ProduceBatch]) -> list[AppendResult]:
        """See `EventLog.append`."""
        if not self._lock.acquire(timeout=DELIVERY_S):
            raise UnavailableError("another append does not end; nothing was appended", where=self._where)
        try:
            for batch in batches:
                self._require(batch.topic, batch.partition)
            runs = self._sent(batches)
        finally:
            self._lock.release()
        appended = [
            AppendResult([*map(_offset, run.outcomes)], refused=self._refused(batch, run))
            for batch, run in zip(batches, runs, strict=True)
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

    def _require(self, topic: str, number: int) -> None:
        """The producer would take records of a topic that is not there, and fail them much later."""
        if number >= self._topics.known(topic).partitions:
            self._topics.find(topic)  # it may have grown
        partitions = self._topics.known(topic).partitions
        if not 0 <= number < partitions:
            raise UnknownPartitionError(
                f"topic {topic!r} has partitions 0 to {partitions - 1}, not {number}", where=topic
            )

    def _ready(self, topics: set[str]) -> dict[str, Producer]:
        """The producer of each topic. It would notice only after minutes that one has grown, or was made again."""
        if self._closed:
            raise UnavailableError("the log is closed; nothing was appended", where=self._where)
        for topic in topics - self._batch_bytes.keys():
            self._batch_bytes[topic] = self._largest(topic) or BATCH_BYTES
        ready = {}
        for topic in topics:
            size, known = self._batch_bytes[topic], self._topics.known(topic)
            if size not in self._producers:
                self._producers[size] = _Sender(self._clients.producer(size), {})
            producer, used = self._producers[size]
            if used.setdefault(topic, known) != known:
                try:
                    producer.list_topics(topic, timeout=ASK_S)
                except KafkaException as error:
                    raise self._clients.failed(error, "nothing was appended", topic) from error
                used[topic] = known
            ready[topic] = producer
        return ready

    def _sent(self, batches: Sequence[ProduceBatch]) -> list[Run]:
        producers = self._ready({batch.topic for batch in batches})
        sizes = {topic: self._batch_bytes[topic] for topic in producers}
        runs = [Run(batch, moment) for batch, moment in zip(batches, self._moments(batches), strict=True)]
        for run in runs:
            run.hand_over(producers[run.topic], range(len(run.outcomes)))
        for producer in {*producers.values()}:
            deliver(producer, [run for run in runs if producers[run.topic] is producer])
        for number, run in enumerate(runs):
            refused = run.refused_together(sizes[run.topic])
            later = [each for each in runs[number + 1 :] if each.place == run.place]
            for index in refused:
                if run.appended_after(index) or any(map(Run.appended_any, later)):
                    run.leave(index)
                    continue
                run.hand_over(producers[run.topic], [index])
                deliver(producers[run.topic], [run])
            if refused and self._batch_bytes[run.topic] == sizes[run.topic]:
                self._shrink(run.topic)
        for run in runs:
            if run.fatal:  # it takes nothing more; the next append makes another
                self._producers.pop(sizes[run.topic], None)
        return runs

    def _moments(self, batches: Sequence[ProduceBatch]) -> list[int]:
        """When each batch is accepted: later than any append before, whichever partitions it goes to.

        Under a load of more such batches than there are milliseconds the time runs ahead of the clock, within a bound.
        """
        now = time.time_ns() // 1_000_000
        moment = min(max(now, self._accepted_ms + 1), max(now + AHEAD_MS, self._accepted_ms))
        moments = []
        for batch in batches:
            if moment < now + AHEAD_MS:
                moment += batch.later
            moments.append(moment)
        self._accepted_ms = moment
        return moments

    def _largest(self, topic: str) -> int | None:
        """The largest batch to send to a topic; None where it is not told. Raises as `batch_bytes`."""
        largest = self._topics.batch_bytes(topic)
        return largest and max(1, min(BATCH_BYTES, largest - BATCH_MARGIN))

    def _shrink(self, topic: str) -> None:
        """Send smaller batches from the next append on: the topic takes less than it did, or we may not ask."""
        try:
            told = self._largest(topic)
        except UnavailableError:
            told = None
        now = self._batch_bytes[topic]
        self._batch_bytes[topic] = told if told and told < now else max(1, now // SHRINK)

    def _refused(self, batch: ProduceBatch, run: Run) -> dict[int, PinflowError]:
        errors: dict[int, KafkaError] = {
            index: outcome for index, outcome in enumerate(run.outcomes) if isinstance(outcome, KafkaError)
        }
        known: dict[int, PinflowError] = {}
        for error in errors.values():
            if error.code() not in known:
                known[error.code()] = self._told(batch, error)
        return {index: known[error.code()] for index, error in errors.items()}

    def _told(self, batch: ProduceBatch, error: KafkaError) -> PinflowError:
        where = f"{batch.topic} partition {batch.partition}"
        if error.code() in GONE:
            return self._gone(batch)
        failed = self._clients.failed(error, "the record was not appended", where)
        if isinstance(failed, UnavailableError) or error.code() in LOST:
            return UnavailableError(
                failed.what.replace("was not appended", "was not acknowledged"), where=where, hint=failed.hint
            )
        if type(failed) is TerminalError:  # the others blame the record or the topic
            self._say(failed, where)
        return failed

    def _say(self, failed: PinflowError, where: str) -> None:
        """A client is not told more than that it failed; the operator is, now and then."""
        now = time.monotonic()
        if now - self._said.get(where, -SAY_AGAIN_S) >= SAY_AGAIN_S:
            self._said[where] = now
            _log.error("%s (%s); %s", failed.what, where, failed.hint)

    def _gone(self, batch: ProduceBatch) -> PinflowError:
        """The brokers do not know the place; whether it is there is asked again."""
        try:
            partitions = self._topics.find(batch.topic).partitions
        except PinflowError as error:
            return error
        if batch.partition >= partitions:
            return UnknownPartitionError(
                f"topic {batch.topic!r} has {partitions} partitions", where=batch.topic
            )
        return UnavailableError("not all brokers know the topic now", where=batch.topic, hint="try again")


def _offset(outcome: int | KafkaError | None) -> int:
    return outcome if isinstance(outcome, int) else -1
