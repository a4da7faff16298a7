"""The durable log: ordered partitions of records behind one protocol."""

from pinflow.log.protocol import (
    AnsweringLog,
    EventLog,
    Examined,
    TopicAdmin,
    WatchedLog,
    answering,
    examined,
    partition_for,
    watched,
)
from pinflow.log.records import (
    ANYWHERE,
    Abilities,
    Answered,
    Appended,
    Chunk,
    Extent,
    Headers,
    Partition,
    Produce,
    Records,
    Token,
    size_of,
)
from pinflow.log.registry import open_log

__all__ = [
    "ANYWHERE",
    "Abilities",
    "Answered",
    "AnsweringLog",
    "Appended",
    "Chunk",
    "EventLog",
    "Examined",
    "Extent",
    "Headers",
    "Partition",
    "Produce",
    "Records",
    "Token",
    "TopicAdmin",
    "WatchedLog",
    "answering",
    "examined",
    "open_log",
    "partition_for",
    "size_of",
    "watched",
]
