"""The dialect of an API in front of Kinesis: its bodies, answers and error types."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta, Raw

from pinflow.gateway.answer import Answer, Dialect, Posted, RecordFormat
from pinflow.gateway.dialects.decoding import decode_body
from pinflow.gateway.dialects.hash_keys import hash_of_text
from pinflow.gateway.dialects.kinesis_answers import TYPES, put_many, put_one
from pinflow.gateway.refusal import Refusal, RefusalReason

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = [
    "DIALECT",
    "MAX_RECORDS",
    "MAX_SHARDS",
    "RECORD",
    "RECORDS",
    "Create",
    "HashKey",
    "Key",
    "hash_key",
    "json_answer",
    "key_bytes",
    "parse_create",
    "refuse",
    "stream_of_arn",
]

MEDIA_TYPE = b"application/json"

CONTENT_TYPES = frozenset({b"application/json", b"application/x-amz-json-1.1"})

MAX_RECORDS = 500
"""Kinesis' own limit of records in one PutRecords."""

MAX_SHARDS = 1024
"""As many partitions as `log.partitions` may be."""

ABSENT = Raw(b"")

LONGEST_KEY = 256
"""Characters of a partition key, Kinesis' own limit."""

Key = Annotated[str, Meta(max_length=LONGEST_KEY)] | int | float
"""A partition key. A number stands for its text."""

HashKey = str | int
"""An `ExplicitHashKey`."""

ARN = re.compile(r"arn:aws[a-z-]*:kinesis:[^:]*:[0-9]{12}:stream/([a-zA-Z0-9._-]+)", re.ASCII)


class _Named(msgspec.Struct, gc=False, forbid_unknown_fields=True, kw_only=True):
    """What a body may say of its stream. The path wins over the name, as in the API that is in front of Kinesis."""

    stream: Raw = msgspec.field(name="StreamName", default=ABSENT)
    arn: str | None = msgspec.field(name="StreamARN", default=None)


class _OneRecord(_Named, gc=False, forbid_unknown_fields=True, kw_only=True):
    """One record.

    Later records of a shard always have greater sequence numbers here, so `SequenceNumberForOrdering` is kept to.
    """

    data: Raw = msgspec.field(name="Data")
    key: Key | None = msgspec.field(name="PartitionKey", default=None)
    hash: HashKey | None = msgspec.field(name="ExplicitHashKey", default=None)
    ordering: str | None = msgspec.field(name="SequenceNumberForOrdering", default=None)


class _ManyRecord(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    data: Raw = ABSENT
    data_upper: Raw = msgspec.field(name="Data", default=ABSENT)
    key: Key | None = msgspec.field(name="partition-key", default=None)
    key_camel: Key | None = msgspec.field(name="partitionKey", default=None)
    key_upper: Key | None = msgspec.field(name="PartitionKey", default=None)
    hash: HashKey | None = msgspec.field(name="ExplicitHashKey", default=None)


class _Many(_Named, gc=False, forbid_unknown_fields=True, kw_only=True):
    records: list[_ManyRecord] | None = None
    records_upper: list[_ManyRecord] | None = msgspec.field(name="Records", default=None)


class _Mode(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    mode: Literal["PROVISIONED", "ON_DEMAND"] = msgspec.field(name="StreamMode")


class Create(msgspec.Struct, gc=False, forbid_unknown_fields=True, kw_only=True):
    """What a stream is to be like."""

    stream: str | None = msgspec.field(name="StreamName", default=None)
    count: Annotated[int, Meta(ge=1, le=MAX_SHARDS)] | None = msgspec.field(name="ShardCount", default=None)
    mode: _Mode | None = msgspec.field(name="StreamModeDetails", default=None)

    def on_demand(self) -> bool:
        """Whether the number of shards is left to the service.

        Raises:
            Refusal: It is, and is given all the same.
        """
        asked = self.mode is not None and self.mode.mode == "ON_DEMAND"
        if asked and self.count is not None:
            raise Refusal(RefusalReason.INVALID, "a stream on demand has no `ShardCount`")
        return asked


_decode = msgspec.json.Decoder(_OneRecord).decode
_decode_many = msgspec.json.Decoder(_Many).decode
_decode_text = msgspec.json.Decoder(str).decode
_decode_create = msgspec.json.Decoder(Create).decode
_encode = msgspec.json.Encoder().encode


def parse_record(content_type: bytes, body: bytes) -> Posted:
    """See `RecordFormat`; `Data` is kept as its JSON text."""
    record = _decode_as(_decode, content_type, body)
    keys: list[bytes | None] | None = [key_bytes(record.key)] if record.key is not None else None
    hashes = [hash_key(record.hash, "$")] if record.hash is not None else None
    return Posted([bytes(record.data)], keys, hashes=hashes, topic=_stream_of(record))


def parse_records(content_type: bytes, body: bytes) -> Posted:
    """See `RecordFormat`; a text `data` is kept decoded, others as JSON text."""
    many = _decode_as(_decode_many, content_type, body)
    if many.records is not None and many.records_upper is not None:
        raise Refusal(RefusalReason.INVALID, "the request holds both `records` and `Records`")
    records = many.records if many.records is not None else many.records_upper
    if not records:
        raise Refusal(RefusalReason.INVALID, "the request holds no records")
    if len(records) > MAX_RECORDS:
        raise Refusal(RefusalReason.INVALID, f"the request holds more than {MAX_RECORDS} records")
    keys = [_key(record, index) for index, record in enumerate(records)]
    values: list[bytes | None] = [_data(record, index) for index, record in enumerate(records)]
    hashes = None
    if any([record.hash is not None for record in records]):  # noqa: C419 - a list is faster than a generator
        hashes = [hash_key(record.hash, f"$.records[{index}]") for index, record in enumerate(records)]
    keyed = keys if keys.count(None) != len(keys) else None
    return Posted(values, keyed, hashes=hashes, topic=_stream_of(many))


def json_answer(content: object) -> Answer:
    """A 200 of this dialect."""
    return Answer(200, _encode(content), MEDIA_TYPE)


def refuse(refusal: Refusal) -> Answer:
    """An error of this dialect."""
    status, kind = TYPES[refusal.reason]
    return Answer(status, _encode({"__type": kind, "message": refusal.message}), MEDIA_TYPE, refusal.headers)


DIALECT = Dialect("kinesis", json_answer, refuse)

RECORD = RecordFormat(parse_record, put_one)
"""The format of `PUT /streams/{stream}/record`."""

RECORDS = RecordFormat(parse_records, put_many)
"""The format of `PUT /streams/{stream}/records`."""


def parse_create(content_type: bytes, body: bytes) -> Create:
    """The body of a create request, which may be empty.

    Raises:
        Refusal: It is not a valid one.
    """
    create: Create = _decode_as(_decode_create, content_type, body) if body.strip() else Create()
    return create


def key_bytes(key: Key) -> bytes:
    """A partition key as it is kept: a number as its text.

    Raises:
        Refusal: That is longer than a key may be.
    """
    if isinstance(key, str):
        return key.encode()
    text = str(key).encode()
    if len(text) > LONGEST_KEY:
        raise Refusal(RefusalReason.INVALID, f"a partition key has at most {LONGEST_KEY} characters")
    return text


def hash_key(given: HashKey | None, where: str) -> int | None:
    """The hash key that a record asks for.

    Raises:
        Refusal: It is not between 0 and 2^128 - 1.
    """
    if given is None:
        return None
    found = hash_of_text(str(given))
    if found is None:
        raise Refusal(
            RefusalReason.INVALID,
            f"an ExplicitHashKey is between 0 and 2^128 - 1 - at `{where}.ExplicitHashKey`",
        )
    return found


def stream_of_arn(arn: str) -> str:
    """The stream that an ARN names, whatever its account and region.

    Raises:
        Refusal: It is not the ARN of a stream.
    """
    found = ARN.fullmatch(arn)
    if found is None:
        raise Refusal(
            RefusalReason.INVALID, "the StreamARN is not arn:aws:kinesis:<region>:<account>:stream/<name>"
        )
    return found[1]


def _stream_of(named: _Named) -> str | None:
    return None if named.arn is None else stream_of_arn(named.arn)


def _decode_as(decode: Callable[[bytes], Any], content_type: bytes, body: bytes) -> Any:
    if content_type not in CONTENT_TYPES:
        plain = content_type.partition(b";")[0].strip().lower()
        if plain not in CONTENT_TYPES:
            raise Refusal(RefusalReason.MEDIA_TYPE, "the content type is not application/json")
    return decode_body(decode, body)


def _key(record: _ManyRecord, index: int) -> bytes | None:
    key, camel, upper = record.key, record.key_camel, record.key_upper
    if camel is not None or upper is not None:
        if (key, camel, upper).count(None) < 2:
            message = f"the record has more than one partition key - at `$.records[{index}]`"
            raise Refusal(RefusalReason.INVALID, message)
        key = upper if camel is None else camel
    return None if key is None else key_bytes(key)


def _data(record: _ManyRecord, index: int) -> bytes:
    raw = bytes(record.data)
    if not raw:
        raw = bytes(record.data_upper)
        if not raw:
            raise Refusal(RefusalReason.INVALID, f"the record has no data - at `$.records[{index}]`")
    elif record.data_upper is not ABSENT:
        raise Refusal(
            RefusalReason.INVALID, f"the record has both `data` and `Data` - at `$.records[{index}]`"
        )
    return _decode_text(raw).encode() if raw.startswith(b'"') else raw
