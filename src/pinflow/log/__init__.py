"""The durable log: ordered partitions of records behind one protocol."""

from pinflow.log.base import Chunk, EventLog, Extent, Headers, Produce, Records, open_log, partition_for

__all__ = ["Chunk", "EventLog", "Extent", "Headers", "Produce", "Records", "open_log", "partition_for"]
