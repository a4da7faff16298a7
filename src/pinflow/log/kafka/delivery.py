"""Handing the records of an append to a producer, and what it reports of each."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException

from pinflow.log.kafka.clients import DELIVERY_S
from pinflow.log.kafka.errors import TOO_LARGE, error_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from confluent_kafka import Message, Producer
    from confluent_kafka._types import HeadersType

    from pinflow.log.records import ProduceBatch

__all__ = ["PendingBatch", "deliver"]

POLL_S = 0.2
"""How often a wait for acknowledgements looks at its deadline."""

RECORDS_A_POLL = 1_000
"""Acknowledgements are taken each time this many records were handed over, so that they do not pile up."""

LATE_S = 5.0
"""The library reports a record as failed at most this long after `DELIVERY_S`."""

UNNUMBERED = KafkaError(KafkaError.DUPLICATE_SEQUENCE_NUMBER, "it was appended, but its offset is not known")
"""A batch that the brokers had already, and too long ago to remember where, is there without a number."""


LEFT_OUT = KafkaError(
    KafkaError._RETRY,  # noqa: SLF001
    "the topic takes only smaller batches, and what followed was appended",
)
"""A record that was refused with its batch, and cannot be sent again: what followed it is appended."""


class PendingBatch:
    """The records of one batch on their way: the offset of each, or why it has none, in order.

    All have one time of acceptance, milliseconds since 1970 UTC, unless the topic has the brokers stamp its records.
    """

    def __init__(self, batch: ProduceBatch, partition: int, accepted_ms: int) -> None:
        self.topic = batch.topic
        self._partition = partition
        self._records = batch.records
        self._accepted_ms = accepted_ms
        self.outcomes: list[int | KafkaError | None] = [None] * len(batch.records)
        self.unreported = 0
        self.fatal = False

    def hand_over(self, producer: Producer, indexes: Sequence[int]) -> None:
        """Give records to the producer, which sends them in the background."""
        topic, partition, records = self.topic, self._partition, self._records
        accepted_ms = self._accepted_ms
        values, keys, headers = records.values, records.keys, records.headers
        produce, done = producer.produce, self._on_delivery
        for count, index in enumerate(indexes, 1):
            self.unreported += 1
            self.outcomes[index] = None
            value, report = values[index], partial(done, index)
            key = keys[index] if keys is not None else None
            more: HeadersType | None = [*headers[index]] if headers is not None else None
            try:
                while True:
                    try:
                        produce(
                            topic,
                            value,
                            key,
                            partition,
                            on_delivery=report,
                            timestamp=accepted_ms,
                            headers=more,
                        )
                        break
                    except BufferError:  # records leave it, at the latest when they have waited too long
                        producer.poll(POLL_S)
                if not count % RECORDS_A_POLL:
                    producer.poll(0)
            except KafkaException as error:
                if self.outcomes[index] is None:
                    self._fail(index, error_of(error))

    @property
    def topic_partition(self) -> tuple[str, int]:
        """The partition that it goes to."""
        return self.topic, self._partition

    def has_appended_any(self) -> bool:
        """Whether any record has been appended."""
        return self.has_appended_after(-1)

    def has_appended_after(self, index: int) -> bool:
        """Whether any record after one has been appended."""
        return any(
            isinstance(outcome, int) or outcome is UNNUMBERED for outcome in self.outcomes[index + 1 :]
        )

    def leave_out(self, index: int) -> None:
        """Refuse a record, so that its sender sends it again."""
        self.outcomes[index] = LEFT_OUT

    def find_refused_together(self, batch_bytes: int) -> list[int]:
        """The records refused as their batch, of up to `batch_bytes`, was larger than the topic takes."""
        refused = [
            index
            for index, outcome in enumerate(self.outcomes)
            if isinstance(outcome, KafkaError)
            and outcome.code() in TOO_LARGE
            and self._size(index) <= batch_bytes
        ]
        return refused if len(refused) > 1 else []

    def give_up(self, error: KafkaError) -> None:
        """Count the records as failed for which no outcome was reported."""
        for index, outcome in enumerate(self.outcomes):
            if outcome is None:
                self._fail(index, error)
        self.unreported = 0

    def _size(self, index: int) -> int:
        values, keys, headers = (
            self._records.values,
            self._records.keys,
            self._records.headers,
        )
        size = len(values[index] or b"") + len((keys[index] if keys else None) or b"")
        return size + sum(len(name) + len(value) for name, value in (headers[index] if headers else ()))

    def _on_delivery(self, index: int, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._fail(index, error)
            return
        offset = message.offset()
        self.unreported -= 1
        self.outcomes[index] = offset if offset is not None and offset >= 0 else UNNUMBERED

    def _fail(self, index: int, error: KafkaError) -> None:
        self.unreported -= 1
        self.outcomes[index] = error
        self.fatal = self.fatal or error.fatal() or error.code() == KafkaError._FATAL  # noqa: SLF001


def deliver(producer: Producer, batches: Sequence[PendingBatch]) -> None:
    """Wait until every record of these that was handed to the producer is acknowledged or has failed."""
    deadline = time.monotonic() + DELIVERY_S + LATE_S
    while any(batch.unreported for batch in batches):
        error = None
        try:
            producer.flush(POLL_S)
        except KafkaException as fatal:
            error = error_of(fatal)
        if error is None and time.monotonic() > deadline:
            error = KafkaError(KafkaError._MSG_TIMED_OUT)  # noqa: SLF001
        if error is not None:
            for batch in batches:
                batch.give_up(error)
