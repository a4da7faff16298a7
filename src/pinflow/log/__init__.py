"""The durable log: ordered partitions of records behind one protocol."""

from pinflow.log.offsets import offset_of, position_at
from pinflow.log.partition import CountedOffsets, Partition, ShardRange
from pinflow.log.protocol import (
    EventLog,
    IdempotentLog,
    ProgressLog,
    TopicAdmin,
    is_idempotent,
    partition_for,
    shows_progress,
)
from pinflow.log.records import (
    AppendResult,
    Capabilities,
    Chunk,
    Headers,
    IdempotencyKey,
    PartitionRange,
    ProduceBatch,
    Records,
    StoredResponse,
    size_of,
)
from pinflow.log.registry import open_log

__all__ = [
    "AppendResult",
    "Capabilities",
    "Chunk",
    "CountedOffsets",
    "EventLog",
    "Headers",
    "IdempotencyKey",
    "IdempotentLog",
    "Partition",
    "PartitionRange",
    "ProduceBatch",
    "ProgressLog",
    "Records",
    "ShardRange",
    "StoredResponse",
    "TopicAdmin",
    "is_idempotent",
    "offset_of",
    "open_log",
    "partition_for",
    "position_at",
    "shows_progress",
    "size_of",
]
