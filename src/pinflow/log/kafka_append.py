"""Appending: one idempotent producer, every record acknowledged by all replicas in sync or refused.

A producer that is idempotent sends a batch again, after a lost answer, without doubling it. That holds within one
producer: what it has told as failed may still be in the log, and a second append of it would be a second record.
"""

from __future__ import annotations

import logging
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException, Producer

from pinflow.errors import (
    PinflowError,
    TerminalError,
    UnavailableError,
    UnknownPartitionError,
    UnknownTopicError,
)
from pinflow.log.kafka_clients import ASK_S, DELIVERY_S
from pinflow.log.kafka_errors import NO_TOPIC, TOO_LARGE, error_of
from pinflow.log.records import Appended

if TYPE_CHECKING:
    from collections.abc import Sequence

    from confluent_kafka import Message
    from confluent_kafka._types import HeadersType

    from pinflow.log.kafka_clients import Clients
    from pinflow.log.kafka_topics import KafkaTopics, Known
    from pinflow.log.records import Produce

__all__ = ["Appender"]

POLL_S = 0.2
"""A wait for acknowledgements is looked at this often."""

RECORDS_A_POLL = 1_000
"""Acknowledgements are taken each time so many records are handed over, so that they do not pile up."""

CLOSE_S = 1.0
"""How long closing waits for an append under way, whose records it has given up."""

LATE_S = 5.0
"""The library tells a record as failed at most so long after `DELIVERY_S`."""

_log = logging.getLogger(__name__)


class Appender:
    """Appends to the topics of a log. One append at a time; others wait for it."""

    def __init__(self, clients: Clients, topics: KafkaTopics) -> None:
        self._clients = clients
        self._topics = topics
        self._lock = threading.Lock()
        self._producer: Producer | None = None
        self._used: dict[str, Known] = {}
        self._closed = False

    def append(self, batches: Sequence[Produce]) -> list[Appended]:
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
            Appended([*map(_offset, run.outcomes)], refused=self._refused(batch, run))
            for batch, run in zip(batches, runs, strict=True)
        ]
        _raise_if_all_failed(appended)
        return appended

    def close(self) -> None:
        """Give up what is under way, and release the connections."""
        self._closed = True
        producer = self._producer
        if producer is not None:
            producer.purge()
        if self._lock.acquire(timeout=CLOSE_S):
            self._producer = None
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

    def _ready(self, topics: set[str]) -> Producer:
        """The producer. It would notice only after minutes that a topic has grown, or was made again."""
        if self._closed:
            raise UnavailableError("the log is closed; nothing was appended", where=self._where)
        if self._producer is None:
            self._producer, self._used = self._clients.producer(), {}
        for topic in topics:
            known = self._topics.known(topic)
            if self._used.setdefault(topic, known) != known:
                try:
                    self._producer.list_topics(topic, timeout=ASK_S)
                except KafkaException as error:
                    raise self._clients.failed(error, "nothing was appended", topic) from error
                self._used[topic] = known
        return self._producer

    def _sent(self, batches: Sequence[Produce]) -> list[_Run]:
        producer = self._ready({batch.topic for batch in batches})
        runs = [_Run(batch) for batch in batches]
        for run in runs:
            run.hand_over(producer, range(len(run.outcomes)))
        _wait(producer, runs)
        for run in runs:
            for index in run.refused_together():
                run.hand_over(producer, [index])
                _wait(producer, [run])
        if any(run.fatal for run in runs):
            self._producer = None  # it takes nothing more; the next append makes another
        return runs

    def _refused(self, batch: Produce, run: _Run) -> dict[int, PinflowError]:
        errors: dict[int, KafkaError] = {
            index: outcome for index, outcome in enumerate(run.outcomes) if isinstance(outcome, KafkaError)
        }
        known: dict[int, PinflowError] = {}
        for error in errors.values():
            if error.code() not in known:
                known[error.code()] = self._told(batch, error)
        return {index: known[error.code()] for index, error in errors.items()}

    def _told(self, batch: Produce, error: KafkaError) -> PinflowError:
        where = f"{batch.topic} partition {batch.partition}"
        if error.code() in NO_TOPIC:
            return self._gone(batch)
        failed = self._clients.failed(error, "the record was not appended", where)
        if isinstance(failed, UnavailableError):
            return UnavailableError(
                failed.what.replace("was not appended", "was not acknowledged"), where=where, hint=failed.hint
            )
        if isinstance(failed, TerminalError):
            _log.error("%s (%s); %s", failed.what, where, failed.hint)
        return failed

    def _gone(self, batch: Produce) -> PinflowError:
        """The brokers do not know the place; whether it is there is asked again."""
        try:
            partitions = self._topics.find(batch.topic).partitions
        except PinflowError as error:
            return error
        if batch.partition >= partitions:
            return UnknownPartitionError(
                f"topic {batch.topic!r} has {partitions} partitions", where=batch.topic
            )
        return UnavailableError("not all brokers know the topic yet", where=batch.topic, hint="try again")


class _Run:
    """The records of one batch on their way: the offset of each, or why it has none, in order."""

    def __init__(self, batch: Produce) -> None:
        self._batch = batch
        self.outcomes: list[int | KafkaError | None] = [None] * len(batch.records)
        self.left = 0
        self.fatal = False

    def hand_over(self, producer: Producer, indexes: Sequence[int]) -> None:
        topic, partition, records, _ = self._batch
        values, keys, headers = records.values, records.keys, records.headers
        produce, done = producer.produce, self._done
        for count, index in enumerate(indexes, 1):
            self.left += 1
            key = keys[index] if keys is not None else None
            more: HeadersType | None = [*headers[index]] if headers is not None else None
            while True:
                try:
                    produce(
                        topic, values[index], key, partition, on_delivery=partial(done, index), headers=more
                    )
                except BufferError:
                    producer.poll(
                        POLL_S
                    )  # full: records leave it, at the latest when they have waited too long
                    continue
                except KafkaException as error:
                    self._failed(index, error_of(error))
                break
            if not count % RECORDS_A_POLL:
                producer.poll(0)

    def refused_together(self) -> list[int]:
        """Small records share a batch, and where a topic takes only smaller batches they were refused for it."""
        refused = [
            index
            for index, outcome in enumerate(self.outcomes)
            if isinstance(outcome, KafkaError) and outcome.code() in TOO_LARGE
        ]
        return refused if len(refused) > 1 else []

    def give_up(self) -> None:
        for index, outcome in enumerate(self.outcomes):
            if outcome is None:
                self.outcomes[index] = KafkaError(KafkaError._MSG_TIMED_OUT)  # noqa: SLF001
        self.left = 0

    def _done(self, index: int, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failed(index, error)
            return
        offset = message.offset()
        self.left -= 1
        # A batch that the brokers had already, and too long ago to remember its offset, is there without a number.
        self.outcomes[index] = offset if offset is not None and offset >= 0 else UNNUMBERED

    def _failed(self, index: int, error: KafkaError) -> None:
        self.left -= 1
        self.outcomes[index] = error
        self.fatal = self.fatal or error.fatal() or error.code() == KafkaError._FATAL  # noqa: SLF001


UNNUMBERED = KafkaError(KafkaError.DUPLICATE_SEQUENCE_NUMBER, "it was appended, but its offset is not known")


def _wait(producer: Producer, runs: Sequence[_Run]) -> None:
    deadline = time.monotonic() + DELIVERY_S + LATE_S
    while any(run.left for run in runs):
        producer.flush(POLL_S)
        if time.monotonic() > deadline:
            for run in runs:
                run.give_up()


def _offset(outcome: int | KafkaError | None) -> int:
    return outcome if isinstance(outcome, int) else -1


def _raise_if_all_failed(appended: Sequence[Appended]) -> None:
    errors = [error for each in appended for error in each.refused.values()]
    if errors and len(errors) == sum(len(each.offsets) for each in appended):
        for kind in (UnavailableError, UnknownTopicError, UnknownPartitionError):
            if all(isinstance(error, kind) for error in errors):
                raise errors[0]
