"""The consumers of a log: each is lent to one thread at a time, and kept to read on from where it stands."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from confluent_kafka import KafkaException

from pinflow.log.kafka.reader import TopicReader, chunk_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinflow.log.kafka.clients import Clients
    from pinflow.log.kafka.watermarks import TopicOffsets
    from pinflow.log.records import Chunk

__all__ = ["ConsumerPool"]

MAX_IDLE = 32
"""How many idle readers are kept. Each has a connection to every broker, and a cluster limits those."""


class _Idle(NamedTuple):
    topic: str
    topic_id: str
    reader: TopicReader


class ConsumerPool:
    """Reads any topic. Safe to use from several threads: each has a reader of its own meanwhile."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._lock = threading.Lock()
        self._idle: list[_Idle] = []
        self._closed = False
        self._empty: dict[tuple[str, str, int], tuple[int, int]] = {}

    def read(
        self, offsets: TopicOffsets, partition: int, position: str | None, *, max_records: int, max_bytes: int
    ) -> Chunk:
        """See `EventLog.read`; `offsets` says what there is."""
        key = (offsets.topic, offsets.topic_id, partition)
        skip = self._clients.settings.gaps == "skip"
        start = offsets.start(partition, position, empty=self._empty.get(key), skip=skip)
        requested, end = str(start) if position is None else position, offsets.ends[partition]
        if start.offset >= end:
            return chunk_of(offsets.topic, partition, requested, start, [])
        with self._lend(offsets, partition, start.offset) as reader:
            try:
                messages = reader.read(partition, start, end, max_records=max_records, max_bytes=max_bytes)
            except KafkaException as error:
                raise self._clients.translate(error, "the log cannot be read", offsets.topic) from error
        if not messages:
            # Only markers of transactions, or what was never committed. Retention takes them too.
            self._empty[key] = (start.offset, end)
        return chunk_of(offsets.topic, partition, requested, start, messages)

    def close(self) -> None:
        """Close all readers that are not lent; the others are closed when they come back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for each in idle:
            each.reader.close()

    @contextmanager
    def _lend(self, offsets: TopicOffsets, partition: int, offset: int) -> Iterator[TopicReader]:
        reader = self._take(offsets, partition, offset) or TopicReader(self._clients, offsets.topic)
        try:
            yield reader
        except BaseException:
            reader.close()  # where it stands now is not known
            raise
        self._give_back(_Idle(offsets.topic, offsets.topic_id, reader))

    def _take(self, offsets: TopicOffsets, partition: int, offset: int) -> TopicReader | None:
        with self._lock:
            fit = [
                each
                for each in self._idle
                if (each.topic, each.topic_id) == (offsets.topic, offsets.topic_id)
            ]
            if not fit:
                return None
            best = next((each for each in fit if each.reader.stands_at(partition, offset)), fit[-1])
            self._idle.remove(best)
            return best.reader

    def _give_back(self, idle: _Idle) -> None:
        with self._lock:
            self._idle.append(idle)
            dropped = self._idle if self._closed else self._idle[:-MAX_IDLE]
            self._idle = [] if self._closed else self._idle[-MAX_IDLE:]
        for each in dropped:
            each.reader.close()
