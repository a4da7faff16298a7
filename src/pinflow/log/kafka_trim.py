"""Deleting the oldest records of a partition."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]

from pinflow.log.kafka_clients import ASK_S
from pinflow.log.kafka_errors import error_of
from pinflow.log.kafka_positions import Position

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pinflow.log.kafka_clients import Clients
    from pinflow.log.kafka_marks import MarkedTopic

__all__ = ["trim"]

_log = logging.getLogger(__name__)


def trim(
    clients: Clients, marked: MarkedTopic, partition: int, committed: Sequence[str], older_than_ms: int
) -> int:
    """Delete what is before every committed position and was accepted before `older_than_ms`; how many offsets.

    Raises:
        UnavailableError: The brokers do not answer.
        TerminalError: Records may not be deleted.
    """
    positions = [Position.parse(text) for text in committed]
    if any(position.topic_id not in {"", marked.topic_id} for position in positions):
        return 0  # of an earlier topic of this name; who stands there is told when it reads
    place = TopicPartition(marked.topic, partition)
    try:
        asked = clients.admin.list_offsets(
            {place: OffsetSpec.for_timestamp(older_than_ms)}, request_timeout=ASK_S
        )
        newer = asked[place].result().offset
        old = newer if newer >= 0 else marked.ends[partition]
        before = min(old, *(position.offset for position in positions))
        if before <= marked.begins[partition]:
            return 0
        deleted = clients.admin.delete_records(
            [TopicPartition(marked.topic, partition, before)], request_timeout=ASK_S
        )
        low = deleted[TopicPartition(marked.topic, partition, before)].result().low_watermark
    except KafkaException as error:
        if error_of(error).code() == KafkaError.POLICY_VIOLATION:
            _log.warning("topic %s is compacted, and its records cannot be deleted by age", marked.topic)
            return 0
        raise clients.failed(error, "the log cannot be trimmed", marked.topic) from error
    return max(0, int(low) - marked.begins[partition])
