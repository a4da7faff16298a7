"""The dialect of an API in front of Kinesis: its bodies, answers and error types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta, Raw

from pinflow.gateway.answer import Answer, Placed, Posted
from pinflow.gateway.refusal import Reason, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pinflow.log import Extent

__all__ = [
    "KinesisRecord",
    "KinesisRecords",
    "describe_stream",
    "json_answer",
    "parse_shard_count",
    "refused",
]

MEDIA_TYPE = b"application/json"

CONTENT_TYPES = frozenset({b"application/json", b"application/x-amz-json-1.1"})

MAX_RECORDS = 500
"""Kinesis' own limit of records in one PutRecords."""

MAX_SHARDS = 1024
"""As many partitions as `log.partitions` may be."""

TYPES: dict[Reason, tuple[int, str]] = {
    Reason.BROKEN_ENCODING: (400, "SerializationException"),
    Reason.CONFLICT: (409, "ConflictException"),
    Reason.EXISTS: (400, "ResourceInUseException"),
    Reason.FORBIDDEN: (403, "AccessDeniedException"),
    Reason.HEADER: (400, "ValidationException"),
    Reason.HEADERS: (431, "RequestHeaderFieldsTooLargeException"),
    Reason.INTERNAL: (500, "InternalFailure"),
    Reason.INVALID: (400, "ValidationException"),
    Reason.MALFORMED: (400, "SerializationException"),
    Reason.MEDIA_TYPE: (415, "UnsupportedMediaTypeException"),
    Reason.METHOD: (405, "MethodNotAllowedException"),
    Reason.OVERLOADED: (429, "ProvisionedThroughputExceededException"),
    Reason.PARTITION: (400, "ResourceNotFoundException"),
    Reason.REUSED: (422, "IdempotentParameterMismatchException"),
    Reason.ROUTE: (404, "UnknownOperationException"),
    Reason.SLOW: (408, "RequestTimeoutException"),
    Reason.TOO_LARGE: (413, "RequestEntityTooLargeException"),
    Reason.TOPIC: (400, "ResourceNotFoundException"),
    Reason.UNAUTHORIZED: (401, "UnrecognizedClientException"),
    Reason.UNAVAILABLE: (503, "ServiceUnavailableException"),
}
"""Reason → HTTP status and `__type`."""

ABSENT = Raw(b"")

Key = Annotated[str, Meta(max_length=256)]
"""A partition key; 256 characters are Kinesis' own limit."""


class _Record(msgspec.Struct, gc=False):
    data: Raw = msgspec.field(name="Data")
    key: Key | None = msgspec.field(name="PartitionKey", default=None)


class _ManyRecord(msgspec.Struct, gc=False):
    data: Raw = ABSENT
    data_upper: Raw = msgspec.field(name="Data", default=ABSENT)
    key: Key | None = msgspec.field(name="partition-key", default=None)
    key_camel: Key | None = msgspec.field(name="partitionKey", default=None)
    key_upper: Key | None = msgspec.field(name="PartitionKey", default=None)


class _Many(msgspec.Struct, gc=False):
    records: list[_ManyRecord] | None = None
    records_upper: list[_ManyRecord] | None = msgspec.field(name="Records", default=None)


class _ShardCount(msgspec.Struct, gc=False):
    count: Annotated[int, Meta(ge=1, le=MAX_SHARDS)] = msgspec.field(name="ShardCount")


class _Put(msgspec.Struct, gc=False, rename="pascal"):
    sequence_number: str
    shard_id: str


class _Failed(msgspec.Struct, gc=False, rename="pascal"):
    error_code: str
    error_message: str


class _PutMany(msgspec.Struct, gc=False, rename="pascal"):
    failed_record_count: int
    records: list[_Put | _Failed]


_decode = msgspec.json.Decoder(_Record).decode
_decode_many = msgspec.json.Decoder(_Many).decode
_decode_text = msgspec.json.Decoder(str).decode
_decode_shard_count = msgspec.json.Decoder(_ShardCount).decode
_encode = msgspec.json.Encoder().encode


class _Kinesis:
    name = "kinesis"

    def refused(self, refusal: Refusal) -> Answer:
        """See `Dialect.refused`."""
        return refused(refusal)


class KinesisRecord(_Kinesis):
    """The dialect of `PUT /streams/{stream}/record`: one record, `Data` kept as its JSON text."""

    def parse(self, content_type: bytes, body: bytes) -> Posted:
        """See `Dialect.parse`."""
        record = _decoded(_decode, content_type, body)
        keys: list[bytes | None] | None = [record.key.encode()] if record.key is not None else None
        return Posted([bytes(record.data)], keys)

    def accepted(self, placed: Placed) -> Answer:
        """See `Dialect.accepted`; a refused record refuses the request."""
        for refusal in placed.refused.values():
            return refused(Refusal(_reason(refusal), refusal.message))
        return json_answer(_put(placed.partitions[0], placed.offsets[0]))


class KinesisRecords(_Kinesis):
    """The dialect of `PUT /streams/{stream}/records`: a text `data` is kept decoded, others as JSON text."""

    def parse(self, content_type: bytes, body: bytes) -> Posted:
        """See `Dialect.parse`."""
        many = _decoded(_decode_many, content_type, body)
        records = many.records if many.records is not None else many.records_upper
        if not records:
            raise Refusal(Reason.INVALID, "the request holds no records")
        if len(records) > MAX_RECORDS:
            raise Refusal(Reason.INVALID, f"the request holds more than {MAX_RECORDS} records")
        keys = [_key(record) for record in records]
        values: list[bytes | None] = [_data(record, index) for index, record in enumerate(records)]
        return Posted(values, keys if keys.count(None) != len(keys) else None)

    def accepted(self, placed: Placed) -> Answer:
        """See `Dialect.accepted`: one entry a record, in order."""
        entries: list[_Put | _Failed] = list(map(_put, placed.partitions, placed.offsets))
        for index, refusal in placed.refused.items():
            entries[index] = _Failed(TYPES[_reason(refusal)][1], refusal.message)
        return json_answer(_PutMany(len(placed.refused), entries))


def refused(refusal: Refusal) -> Answer:
    """An error of this dialect."""
    status, kind = TYPES[refusal.reason]
    return Answer(status, _encode({"__type": kind, "message": refusal.message}), MEDIA_TYPE, refusal.headers)


def json_answer(content: object) -> Answer:
    """A 200 of this dialect."""
    return Answer(200, _encode(content), MEDIA_TYPE)


def parse_shard_count(content_type: bytes, body: bytes) -> int:
    """The number of shards in the body of a create request.

    Raises:
        Refusal: It is missing, no integer, or not between 1 and `MAX_SHARDS`.
    """
    count: int = _decoded(_decode_shard_count, content_type, body).count
    return count


def describe_stream(stream: str, extents: list[Extent]) -> dict[str, object]:
    """One stream as Kinesis describes it. There are no hash key ranges: keys go by CRC-32 modulo shards."""
    shards = [
        {
            "ShardId": _shard_id(extent.partition),
            "SequenceNumberRange": {
                "StartingSequenceNumber": _sequence_number(_leading_number(extent.begin))
            },
        }
        for extent in extents
    ]
    described = {"StreamName": stream, "StreamStatus": "ACTIVE", "Shards": shards, "HasMoreShards": False}
    return {"StreamDescription": described}


def _decoded(decode: Callable[[bytes], Any], content_type: bytes, body: bytes) -> Any:
    if content_type not in CONTENT_TYPES:
        plain = content_type.partition(b";")[0].strip().lower()
        if plain not in CONTENT_TYPES:
            raise Refusal(Reason.MEDIA_TYPE, "the content type is not application/json")
    try:
        if not body.isascii():
            body.decode()  # raw slices are not checked by the decoder
        return decode(body)
    except msgspec.ValidationError as error:
        raise Refusal(Reason.INVALID, str(error)) from None
    except UnicodeDecodeError as error:
        raise Refusal(Reason.MALFORMED, f"the body is not UTF-8 (byte {error.start})") from None
    except msgspec.DecodeError as error:
        raise Refusal(Reason.MALFORMED, str(error)) from None
    except RecursionError:
        raise Refusal(Reason.MALFORMED, "the JSON is nested too deeply") from None


def _key(record: _ManyRecord) -> bytes | None:
    key = record.key
    if key is None:
        key = record.key_camel if record.key_camel is not None else record.key_upper
    return None if key is None else key.encode()


def _data(record: _ManyRecord, index: int) -> bytes:
    raw = bytes(record.data) or bytes(record.data_upper)
    if not raw:
        raise Refusal(Reason.INVALID, f"the record has no data - at `$.records[{index}]`")
    return _decode_text(raw).encode() if raw.startswith(b'"') else raw


def _reason(refusal: Refusal) -> Reason:
    """A record that is too large is an invalid one to Kinesis, not a request that is too large."""
    return Reason.INVALID if refusal.reason is Reason.TOO_LARGE else refusal.reason


def _put(partition: int, offset: int) -> _Put:
    return _Put(_sequence_number(offset), _shard_id(partition))


def _shard_id(partition: int) -> str:
    return f"shardId-{partition:012d}"


def _leading_number(position: str) -> int:
    """What a position begins with is the offset, where the log numbers its records from 0."""
    digits = position.partition("@")[0].partition("-")[0]
    return int(digits) if digits.isdecimal() else 0


def _sequence_number(offset: int) -> str:
    return f"{offset:020d}"
