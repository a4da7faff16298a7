"""Consumer groups by which Kafka's own tools show how far the readers of a log are.

Nothing is read from them: what a reader has covered stands in its plans. So a failure to commit is only logged.
The offsets are committed by a consumer that reads nothing. The admin client could commit them too, but ends the whole
process when a group's coordinator dies at the wrong moment (librdkafka #4605).
"""

from __future__ import annotations

import logging
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException, TopicPartition

from pinflow.errors import PinflowError
from pinflow.log.kafka.positions import KafkaPosition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from confluent_kafka import Consumer, KafkaError

    from pinflow.log.kafka.clients import Clients

__all__ = ["Groups"]

CLOSE_S = 2.0
"""How long closing waits for the last commits."""

POLL_S = 0.05
"""How often closing looks whether all commits were answered."""

_log = logging.getLogger(__name__)


class Groups:
    """Commits offsets in the background, by one consumer a reader."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._lock = threading.Lock()
        self._consumers: dict[str, Consumer] = {}
        self._under_way = 0

    def show_progress(self, reader: str, topic: str, positions: Mapping[int, str]) -> None:
        """See `ProgressLog.show_progress`."""
        group = f"{self._clients.settings.group}-{reader}"
        try:
            offsets = [
                TopicPartition(topic, partition, KafkaPosition.parse(text).offset)
                for partition, text in sorted(positions.items())
            ]
            if offsets:
                self._commit(group, offsets)
        except (PinflowError, KafkaException) as error:
            _log.warning("the lag of group %s on %s is not shown: %s", group, topic, error)

    def close(self) -> None:
        """Wait a moment for the commits under way."""
        deadline = time.monotonic() + CLOSE_S
        with self._lock:
            while self._under_way and time.monotonic() < deadline:
                for consumer in self._consumers.values():
                    consumer.poll(POLL_S)
            for consumer in self._consumers.values():
                consumer.close()
            self._consumers.clear()

    def _commit(self, group: str, offsets: list[TopicPartition]) -> None:
        with self._lock:
            consumer = self._consumers.get(group)
            if consumer is None:
                on_commit = partial(self._on_commit, group)
                consumer = self._consumers[group] = self._clients.consumer(group, on_commit=on_commit)
            consumer.poll(0)  # lets it report what became of earlier commits
            consumer.commit(offsets=offsets, asynchronous=True)
            self._under_way += 1

    def _on_commit(self, group: str, error: KafkaError | None, offsets: list[TopicPartition]) -> None:
        self._under_way -= 1
        error = error or next((each.error for each in offsets if each.error), None)
        if error is not None:
            _log.warning("the lag of group %s is not shown: %s", group, error.str())
