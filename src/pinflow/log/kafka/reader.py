"""Reading one topic with one consumer, partition by partition, at any position.

A consumer gives the records of all its partitions as they come. Those that were not asked for wait in the lane of their
partition, so that a job that reads the partitions in turn finds the next records fetched.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

from confluent_kafka import KafkaError, TopicPartition

from pinflow.errors import UnavailableError
from pinflow.log.kafka.errors import UNSETTLED, no_leader_error
from pinflow.log.records import Chunk, Headers, Records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from confluent_kafka import Consumer, Message
    from confluent_kafka._types import HeadersType

    from pinflow.log.kafka.clients import Clients
    from pinflow.log.kafka.positions import KafkaPosition

__all__ = ["TopicReader", "chunk_of"]

STALLED_S = 5.0
"""After this time without a record, though there are more, a read fails: the log is away."""

WAIT_S = 0.5
"""How often a wait for records looks at its deadline."""

RECORDS_A_FETCH = 10_000
"""Records taken over at once from those that the client has fetched."""

MAX_WAITING_BYTES = 64 << 20
"""Records of other partitions that wait to be asked for; above it the partition with most of them is fetched again."""

OVERHEAD = 200
"""Bytes that a record takes in memory besides its value."""

LATEST_US = 253_402_300_799_000_000
"""The end of the year 9999. A producer may stamp its records with any time, and no table takes a later one."""


class TopicReader:
    """Reads a topic. Not to be used by two threads at once."""

    def __init__(self, clients: Clients, topic: str) -> None:
        self._clients = clients
        self._topic = topic
        self._consumer: Consumer = clients.consumer()
        self._lanes: dict[int, _Lane] = {}

    def stands_at(self, partition: int, offset: int) -> bool:
        """Whether it can go on reading there without fetching again."""
        lane = self._lanes.get(partition)
        return lane is not None and lane.next == offset

    def read(
        self, partition: int, start: KafkaPosition, end: int, *, max_records: int, max_bytes: int
    ) -> list[Message]:
        """The next records from a position on, before offset `end`.

        Raises:
            UnavailableError: The brokers do not give what is there.
            TerminalError: The topic may not be read.
        """
        lane = self._lane(partition, start.offset)
        quiet_since, fetched = time.monotonic(), lane.fetched
        while lane.fetched < end and not lane.holds(max_records, max_bytes):
            self._fetch()
            self._make_room(partition)  # the others fill up too, while this one may have no leader
            if lane.error is not None:
                raise self._translate(lane.error, partition)
            if lane.fetched != fetched:
                quiet_since, fetched = time.monotonic(), lane.fetched
            elif time.monotonic() - quiet_since > STALLED_S:
                raise self._stall_error(partition, lane.fetched, end)
        return lane.take(max_records, max_bytes)

    def close(self) -> None:
        """Release the connections."""
        self._consumer.close()

    def _lane(self, partition: int, offset: int) -> _Lane:
        lane = self._lanes.get(partition)
        if lane is None or lane.next != offset:
            self._leave(partition)
            self._consumer.incremental_assign([TopicPartition(self._topic, partition, offset)])
            lane = self._lanes[partition] = _Lane(offset)
        return lane

    def _leave(self, partition: int) -> None:
        if self._lanes.pop(partition, None) is not None:
            self._consumer.incremental_unassign([TopicPartition(self._topic, partition)])

    def _fetch(self) -> None:
        messages = self._consumer.consume(1, timeout=WAIT_S)
        if messages:
            messages += self._consumer.consume(RECORDS_A_FETCH, timeout=0)
        lanes = self._lanes
        for message in messages:
            lane = lanes.get(message.partition() or 0)
            error = message.error()
            if lane is None:
                continue
            if error is None:
                lane.add(message)
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                lane.fetched = max(lane.fetched, message.offset() or 0)
            elif message.topic() == self._topic:
                lane.error = error

    def _make_room(self, wanted: int) -> None:
        """Drop what was fetched for other partitions beyond the limit."""
        others = {number: lane.nbytes for number, lane in self._lanes.items() if number != wanted}
        while sum(others.values()) > MAX_WAITING_BYTES:
            largest = max(others, key=lambda number: others[number])
            self._leave(largest)
            del others[largest]

    def _translate(self, error: KafkaError, partition: int) -> Exception:
        self._leave(partition)
        if error.code() in UNSETTLED:
            return no_leader_error(f"{self._topic} partition {partition}", error)
        return self._clients.translate(
            error, "the log cannot be read", f"{self._topic} partition {partition}"
        )

    def _stall_error(self, partition: int, offset: int, end: int) -> UnavailableError:
        self._leave(partition)
        return UnavailableError(
            f"the brokers have not given offsets {offset} to {end - 1} within {STALLED_S:g} s",
            where=f"{self._topic} partition {partition} of {self._clients.settings.shown}",
            hint="pinflow doctor",
        )


class _Lane:
    """Fetched records of one partition. `next` is where they are read from, `fetched` where the fetching stands."""

    def __init__(self, offset: int) -> None:
        self.next = offset
        self.fetched = offset
        self.nbytes = 0
        self.error: KafkaError | None = None
        self._messages: list[Message] = []

    def add(self, message: Message) -> None:
        self._messages.append(message)
        self.nbytes += len(message) + OVERHEAD
        self.fetched = (message.offset() or 0) + 1

    def holds(self, records: int, nbytes: int) -> bool:
        return len(self._messages) >= records or self.nbytes - OVERHEAD * len(self._messages) >= nbytes

    def take(self, max_records: int, max_bytes: int) -> list[Message]:
        count = size = 0
        for message in self._messages[: max(1, max_records)]:
            size += len(message)
            if size > max_bytes and count:
                break
            count += 1
        taken, self._messages = self._messages[:count], self._messages[count:]
        if taken:
            self.next = (taken[-1].offset() or 0) + 1
            self.nbytes -= sum(map(len, taken)) + OVERHEAD * count
        return taken


def chunk_of(
    topic: str, partition: int, requested: str, start: KafkaPosition, messages: Sequence[Message]
) -> Chunk:
    """Messages as columns; without any the chunk ends at the position that was requested."""
    offsets = [message.offset() or 0 for message in messages]
    end = str(start.after(offsets[-1], len(offsets))) if offsets else requested
    timestamps = [message.timestamp()[1] * 1000 for message in messages]
    if timestamps and (max(timestamps) > LATEST_US or min(timestamps) < 0):
        timestamps = [min(max(stamp, 0), LATEST_US) for stamp in timestamps]
    return Chunk(topic, partition, requested, end, offsets, timestamps, _records(messages))


def _records(messages: Sequence[Message]) -> Records:
    keys = [message.key() for message in messages]
    headers = [message.headers() for message in messages]
    return Records(
        [message.value() for message in messages],
        keys if keys.count(None) != len(keys) else None,
        [_plain_headers(each) for each in headers] if any(headers) else None,
    )


def _plain_headers(headers: HeadersType | None) -> Headers:
    """Headers as pairs; one without a value gets an empty one."""
    pairs = cast("list[tuple[str, bytes | None]]", headers or [])  # what a consumer gives
    return tuple((name, value or b"") for name, value in pairs)
