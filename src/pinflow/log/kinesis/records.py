"""Records on their way to a stream: what is sent of each, and what became of it."""

from __future__ import annotations

from bisect import bisect_right
from hashlib import md5
from typing import TYPE_CHECKING

from pinflow.errors import PinflowError, TooLargeError, UnknownPartitionError, UnsupportedRecordError
from pinflow.log.records import AppendResult

if TYPE_CHECKING:
    from pinflow.log.kinesis.stream_cache import Shard
    from pinflow.log.records import ProduceBatch

__all__ = ["Outgoing", "append_result", "hash_of", "prepare"]

LONGEST_KEY = 256
"""Characters of a partition key, Kinesis' own limit."""


class Outgoing:
    """A record of an append.

    Attributes:
        topic: Where it goes.
        route: Records of one route keep their order.
        data: Its value.
        key: Its partition key.
        hash: What decides its shard.
        bound_for: The shard that takes it, as far as is known.
        alone: Whether to send it in a request of its own, as others would fail with it.
        error: Why it was not appended, or not yet.
        shard: Where it is.
        sequence: Its sequence number there.
    """

    __slots__ = ("alone", "bound_for", "data", "error", "hash", "key", "route", "sequence", "shard", "topic")

    def __init__(self, topic: str, route: bytes, data: bytes, key: str, hashed: int) -> None:
        self.topic = topic
        self.route = route
        self.data = data
        self.key = key
        self.hash = hashed
        self.bound_for: int | None = None
        self.alone = False
        self.error: PinflowError | None = None
        self.shard = -1
        self.sequence = -1

    @property
    def size(self) -> int:
        """Bytes that count for Kinesis' limits."""
        return len(self.data) + len(self.key.encode())

    def entry(self) -> dict[str, object]:
        """The record as an entry of `PutRecords`."""
        return {"Data": self.data, "PartitionKey": self.key, "ExplicitHashKey": str(self.hash)}


def hash_of(route: bytes) -> int:
    """The hash key of a route, computed as Kinesis computes that of a partition key."""
    return int.from_bytes(md5(route, usedforsecurity=False).digest())


def prepare(batch: ProduceBatch, shards: list[Shard], largest: int) -> list[Outgoing | PinflowError]:
    """The records of a batch as they are sent, or why one cannot be sent.

    Args:
        batch: The batch.
        shards: The shards of its topic: needed where the batch names a partition, and to keep within their rates.
        largest: The largest record that the stream takes, in bytes.
    """
    fixed: int | None = None
    if batch.partition is not None:
        open_now = {shard.number: shard for shard in shards if not shard.closed}
        if batch.partition not in open_now:
            numbers = ", ".join(map(str, open_now))
            error = UnknownPartitionError(
                f"topic {batch.topic!r} has the partitions {numbers}, not {batch.partition}",
                where=batch.topic,
            )
            return [error] * len(batch.records)
        fixed = open_now[batch.partition].low
    made = [_prepare_one(batch, index, fixed, largest) for index in range(len(batch.records))]
    _bind(made, shards)
    return made


def _bind(records: list[Outgoing | PinflowError], shards: list[Shard]) -> None:
    taking = sorted((shard.low, shard.number) for shard in shards if not shard.closed)
    lows = [low for low, _ in taking]
    for record in records:
        if isinstance(record, Outgoing) and (at := bisect_right(lows, record.hash)):
            record.bound_for = taking[at - 1][1]


def _prepare_one(batch: ProduceBatch, index: int, fixed: int | None, largest: int) -> Outgoing | PinflowError:
    records = batch.records
    value, key = records.values[index], records.keys[index] if records.keys is not None else None
    if value is None or (records.headers is not None and records.headers[index]):
        what = "a record without a value" if value is None else "headers"
        return UnsupportedRecordError(f"Kinesis cannot carry {what}", where=batch.topic)
    route = batch.routes[index] if batch.routes is not None else None
    if route is None:
        route = key if fixed is None and key is not None else b"%d" % (batch.partition or 0)
    try:
        text = (key if key is not None else route).decode()
    except UnicodeDecodeError:
        text = ""
    if not 0 < len(text) <= LONGEST_KEY:
        return UnsupportedRecordError(
            f"Kinesis cannot carry the key: it has to be a text of 1 to {LONGEST_KEY} characters",
            where=batch.topic,
        )
    made = Outgoing(batch.topic, route, value, text, hash_of(route) if fixed is None else fixed)
    if made.size > largest:
        return TooLargeError(f"the stream takes records of at most {largest} bytes", where=batch.topic)
    return made


def append_result(records: list[Outgoing | PinflowError]) -> AppendResult:
    """What became of the records of a batch."""
    refused: dict[int, PinflowError] = {}
    for index, each in enumerate(records):
        error = each if isinstance(each, PinflowError) else each.error
        if error is not None:
            refused[index] = error
    return AppendResult(
        [each.sequence if isinstance(each, Outgoing) else -1 for each in records],
        [each.shard if isinstance(each, Outgoing) else -1 for each in records],
        refused,
    )
