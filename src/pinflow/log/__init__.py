"""The durable log: ordered partitions of records behind one protocol."""

from pinflow.log.base import (
    AnsweringLog,
    EventLog,
    Examined,
    TopicAdmin,
    WatchedLog,
    answering,
    examined,
    open_log,
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
    Produce,
    Records,
    Token,
)

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
    "Produce",
    "Records",
    "Token",
    "TopicAdmin",
    "WatchedLog",
    "answering",
    "examined",
    "open_log",
    "partition_for",
    "watched",
]
