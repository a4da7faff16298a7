"""The durable log: ordered partitions of records behind one protocol."""

from pinflow.log.base import (
    Answered,
    AnsweringLog,
    Chunk,
    EventLog,
    Extent,
    Headers,
    Produce,
    Records,
    Token,
    answering,
    open_log,
    partition_for,
)

__all__ = [
    "Answered",
    "AnsweringLog",
    "Chunk",
    "EventLog",
    "Extent",
    "Headers",
    "Produce",
    "Records",
    "Token",
    "answering",
    "open_log",
    "partition_for",
]
