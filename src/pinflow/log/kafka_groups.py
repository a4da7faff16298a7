"""Consumer groups that show, to Kafka's own tools, how far the readers of a log are.

Nothing is read from them: what a reader has covered stands in its plans. So a failure to tell it is only logged.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition

from pinflow.errors import CorruptError
from pinflow.log.kafka_clients import ASK_S
from pinflow.log.kafka_positions import Position

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pinflow.log.kafka_clients import Clients

__all__ = ["Groups"]

CLOSE_S = 2.0
"""How long closing waits for the last offsets to be taken."""

_log = logging.getLogger(__name__)

Place = tuple[str, str]
"""A group and a topic."""


class Groups:
    """Commits offsets in the background: of each group and topic one commit is under way, and the newest waits."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._lock = threading.Lock()
        self._running: dict[Place, Future[Any]] = {}
        self._waiting: dict[Place, list[TopicPartition]] = {}

    def committed(self, reader: str, topic: str, positions: Mapping[int, str]) -> None:
        """See `WatchedLog.committed`."""
        try:
            offsets = [
                TopicPartition(topic, partition, Position.parse(text).offset)
                for partition, text in sorted(positions.items())
            ]
        except CorruptError as error:
            _log.warning("the lag of %s is not shown: %s", reader, error.what)
            return
        if offsets:
            self._send((f"{self._clients.settings.group}-{reader}", topic), offsets)

    def close(self) -> None:
        """Wait a moment for what is under way."""
        while self._running:
            with self._lock:
                running = [*self._running.values()]
            if running and wait(running, CLOSE_S).not_done:
                return

    def _send(self, place: Place, offsets: list[TopicPartition]) -> None:
        with self._lock:
            if place in self._running:
                self._waiting[place] = offsets
                return
            request = [ConsumerGroupTopicPartitions(place[0], offsets)]
            try:
                asked = self._clients.admin.alter_consumer_group_offsets(request, request_timeout=ASK_S)
            except (KafkaException, ValueError) as error:
                _log.warning("the lag of group %s is not shown: %s", place[0], error)
                return
            future = self._running[place] = asked[place[0]]
        future.add_done_callback(lambda done: self._done(place, done))

    def _done(self, place: Place, done: Future[Any]) -> None:
        error = done.exception()
        if error is None:
            error = next((each.error for each in done.result().topic_partitions if each.error), None)
        if error is not None:
            _log.warning("the lag of group %s on %s is not shown: %s", *place, error)
        with self._lock:
            del self._running[place]
            waiting = self._waiting.pop(place, None)
        if waiting is not None:
            self._send(place, waiting)
