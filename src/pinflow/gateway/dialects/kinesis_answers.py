"""What Kinesis answers, in whichever of its forms it was asked: places of records, streams, shards and error types."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pinflow.gateway.dialects.hash_keys import range_of
from pinflow.gateway.refusal import Refusal, RefusalReason
from pinflow.log import CountedOffsets, ShardRange

if TYPE_CHECKING:
    from pinflow.gateway.answer import Placed
    from pinflow.log import Partition

__all__ = ["TYPES", "describe_shards", "describe_stream", "put_many", "put_one"]

TYPES: dict[RefusalReason, tuple[int, str]] = {
    RefusalReason.ACCEPT: (406, "NotAcceptableException"),
    RefusalReason.BROKEN_ENCODING: (400, "SerializationException"),
    RefusalReason.CONFLICT: (409, "ConflictException"),
    RefusalReason.EXISTS: (400, "ResourceInUseException"),
    RefusalReason.FORBIDDEN: (403, "AccessDeniedException"),
    RefusalReason.HEADER: (400, "ValidationException"),
    RefusalReason.HEADERS: (431, "RequestHeaderFieldsTooLargeException"),
    RefusalReason.INTERNAL: (500, "InternalFailure"),
    RefusalReason.INVALID: (400, "ValidationException"),
    RefusalReason.MALFORMED: (400, "SerializationException"),
    RefusalReason.MEDIA_TYPE: (415, "UnsupportedMediaTypeException"),
    RefusalReason.METHOD: (405, "MethodNotAllowedException"),
    RefusalReason.OVERLOADED: (429, "ProvisionedThroughputExceededException"),
    RefusalReason.PARTITION: (400, "ResourceNotFoundException"),
    RefusalReason.REUSED: (422, "IdempotentParameterMismatchException"),
    RefusalReason.ROUTE: (404, "UnknownOperationException"),
    RefusalReason.SLOW: (408, "RequestTimeoutException"),
    RefusalReason.TOO_LARGE: (413, "RequestEntityTooLargeException"),
    RefusalReason.TOPIC: (400, "ResourceNotFoundException"),
    RefusalReason.UNAUTHORIZED: (401, "UnrecognizedClientException"),
    RefusalReason.UNAVAILABLE: (503, "ServiceUnavailableException"),
}
"""RefusalReason → HTTP status and `__type`."""


class _PutResult(msgspec.Struct, gc=False, rename="pascal"):
    sequence_number: str
    shard_id: str


class _Failed(msgspec.Struct, gc=False, rename="pascal"):
    error_code: str
    error_message: str


class _PutMany(msgspec.Struct, gc=False, rename="pascal"):
    failed_record_count: int
    records: list[_PutResult | _Failed]


def put_one(placed: Placed) -> object:
    """The answer to one record.

    Raises:
        Refusal: The record was refused.
    """
    for refusal in placed.refused.values():
        raise Refusal(_reason(refusal), refusal.message)
    number = _sequence_number(placed.offsets[0], by_log=placed.by_log)
    return _PutResult(number, _shard_id(placed.partitions[0]))


def put_many(placed: Placed) -> object:
    """The answer to several records: one entry each, in order."""
    entries: list[_PutResult | _Failed] = [
        _PutResult(_sequence_number(offset, by_log=placed.by_log), _shard_id(partition))
        for partition, offset in zip(placed.partitions, placed.offsets, strict=True)
    ]
    for index, refusal in placed.refused.items():
        entries[index] = _Failed(TYPES[_reason(refusal)][1], refusal.message)
    return _PutMany(len(placed.refused), entries)


def describe_stream(stream: str, partitions: list[Partition], *, by_log: bool) -> dict[str, object]:
    """One stream as Kinesis describes it. A stream that has no shard yet is being created."""
    described = {
        "StreamName": stream,
        "StreamStatus": "ACTIVE" if partitions else "CREATING",
        "Shards": describe_shards(partitions, by_log=by_log),
        "HasMoreShards": False,
    }
    return {"StreamDescription": described}


def describe_shards(partitions: list[Partition], *, by_log: bool) -> list[dict[str, object]]:
    """The shards of one stream."""
    return [_describe_shard(partition, len(partitions), by_log=by_log) for partition in partitions]


def _describe_shard(partition: Partition, partitions: int, *, by_log: bool) -> dict[str, object]:
    shown = partition.numbering
    if isinstance(shown, CountedOffsets):
        shown = ShardRange(shown.begin, None, *range_of(partition.number, partitions))
    sequences = {"StartingSequenceNumber": _sequence_number(shown.first, by_log=by_log)}
    if shown.last is not None:
        sequences["EndingSequenceNumber"] = _sequence_number(shown.last, by_log=by_log)
    shard: dict[str, object] = {
        "ShardId": _shard_id(partition.number),
        "HashKeyRange": {"StartingHashKey": str(shown.low_hash), "EndingHashKey": str(shown.high_hash)},
        "SequenceNumberRange": sequences,
    }
    names = ("ParentShardId", "AdjacentParentShardId")
    return shard | {name: _shard_id(parent) for name, parent in zip(names, partition.parents, strict=False)}


def _reason(refusal: Refusal) -> RefusalReason:
    """A record that is too large is an invalid one to Kinesis, not a request that is too large."""
    return RefusalReason.INVALID if refusal.reason is RefusalReason.TOO_LARGE else refusal.reason


def _shard_id(partition: int) -> str:
    return f"shardId-{partition:012d}"


def _sequence_number(offset: int, *, by_log: bool) -> str:
    """The log's own number as it is; an offset in 20 digits, so that it sorts as text."""
    return str(offset) if by_log else f"{offset:020d}"
