"""The durable log: ordered partitions of records behind one protocol."""

from pinflow.log.protocol import (
    EventLog,
    Examined,
    IdempotentLog,
    TopicAdmin,
    WatchedLog,
    answering,
    examined,
    partition_for,
    watched,
)
from pinflow.log.records import (
    ANYWHERE,
    AppendResult,
    Capabilities,
    Chunk,
    Headers,
    IdempotencyKey,
    Partition,
    PartitionRange,
    ProduceBatch,
    Records,
    StoredResponse,
    size_of,
)
from pinflow.log.registry import open_log

__all__ = [
    "ANYWHERE",
    "AppendResult",
    "Capabilities",
    "Chunk",
    "EventLog",
    "Examined",
    "Headers",
    "IdempotencyKey",
    "IdempotentLog",
    "Partition",
    "PartitionRange",
    "ProduceBatch",
    "Records",
    "StoredResponse",
    "TopicAdmin",
    "WatchedLog",
    "answering",
    "examined",
    "open_log",
    "partition_for",
    "size_of",
    "watched",
]
