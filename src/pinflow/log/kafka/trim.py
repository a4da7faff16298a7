"""Deleting the oldest records of a partition."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]

from pinflow.log.kafka.clients import ASK_S
from pinflow.log.kafka.errors import error_of
from pinflow.log.kafka.positions import KafkaPosition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pinflow.log.kafka.clients import Clients
    from pinflow.log.kafka.watermarks import TopicOffsets

__all__ = ["trim"]

NONE_NEWER = -1
"""The offset that stands for "no record is younger". A lower one means that there is no answer."""

_log = logging.getLogger(__name__)


def trim(
    clients: Clients, offsets: TopicOffsets, partition: int, committed: Sequence[str], older_than_ms: int
) -> int:
    """Delete what is before every committed position and was accepted before `older_than_ms`; return how many offsets.

    Raises:
        UnavailableError: The brokers do not answer.
        TerminalError: Records may not be deleted.
    """
    positions = [KafkaPosition.parse(text) for text in committed]
    if any(position.topic_id not in {"", offsets.topic_id} for position in positions):
        return 0  # of an earlier topic of this name; a job that stands there gets an error when it reads
    begin, end = offsets.begins[partition], offsets.ends[partition]
    try:
        newer = _first_since(clients, TopicPartition(offsets.topic, partition), older_than_ms)
        before = min(end if newer == NONE_NEWER else newer, *(position.offset for position in positions))
        if before <= begin:
            return 0
        topic_partition = TopicPartition(offsets.topic, partition, before)
        deleted = clients.admin.delete_records([topic_partition], request_timeout=ASK_S)
        low = deleted[topic_partition].result().low_watermark
    except KafkaException as error:
        if error_of(error).code() == KafkaError.POLICY_VIOLATION:
            _log.warning("topic %s is compacted, and its records cannot be deleted by age", offsets.topic)
            return 0
        raise clients.translate(error, "the log cannot be trimmed", offsets.topic) from error
    return max(0, int(low) - begin)


def _first_since(clients: Clients, topic_partition: TopicPartition, since_ms: int) -> int:
    """The offset of the first record accepted at a time or later, or `NONE_NEWER`."""
    answer = clients.admin.list_offsets(
        {topic_partition: OffsetSpec.for_timestamp(since_ms)}, request_timeout=ASK_S
    )
    offset = int(answer[topic_partition].result().offset)
    if offset < NONE_NEWER:
        raise KafkaException(KafkaError(KafkaError.OFFSET_NOT_AVAILABLE, "no leader reports offsets now"))
    return offset
