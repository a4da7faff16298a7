"""Kinesis as AWS' own SDKs speak it: AWS JSON 1.1, posted to `/`, the operation in `X-Amz-Target`.

The stream stands in the body, and `Data` is Base64. Client errors have the status 400, and every answer a request id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import msgspec
from msgspec import Meta

from pinflow.gateway.answer import Answer, Dialect, Posted, RecordFormat
from pinflow.gateway.dialects.decoding import decode_body
from pinflow.gateway.dialects.kinesis_answers import TYPES, put_many, put_one
from pinflow.gateway.dialects.kinesis_rest import (
    MAX_RECORDS,
    HashKey,
    Key,
    hash_key,
    key_bytes,
    stream_of_arn,
)
from pinflow.gateway.refusal import Refusal, RefusalReason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["DIALECT", "PUTS", "TargetRequest", "decode_request", "json_answer", "operation_of", "refuse"]

MEDIA_TYPE = b"application/x-amz-json-1.1"

CONTENT_TYPES = frozenset({MEDIA_TYPE, b"application/x-amz-json-1.0", b"application/json"})

CBOR = b"application/x-amz-cbor-1.1"

PREFIX = "Kinesis_20131202."

STATUSES = {
    RefusalReason.CONFLICT: 400,
    RefusalReason.FORBIDDEN: 400,
    RefusalReason.OVERLOADED: 400,
    RefusalReason.REUSED: 400,
    RefusalReason.ROUTE: 400,
    RefusalReason.UNAUTHORIZED: 400,
}
"""Statuses other than those of an API in front of Kinesis. SDKs go by `__type`."""


class TargetRequest(msgspec.Struct, gc=False, forbid_unknown_fields=True, kw_only=True):
    """What names the stream of a request. There are no stream ids here."""

    stream: str | None = msgspec.field(name="StreamName", default=None)
    arn: str | None = msgspec.field(name="StreamARN", default=None)

    def stream_name(self) -> str:
        """The stream that is meant.

        Raises:
            Refusal: There is none, or there are two.
        """
        named = None if self.arn is None else stream_of_arn(self.arn)
        if self.stream is None and named is None:
            raise Refusal(RefusalReason.INVALID, "the request names no stream: give StreamName or StreamARN")
        if self.stream is not None and named not in {None, self.stream}:
            raise Refusal(RefusalReason.INVALID, "StreamName and StreamARN name different streams")
        return self.stream or named or ""


class _PutRequest(TargetRequest, gc=False, forbid_unknown_fields=True, kw_only=True):
    dry_run: bool | None = msgspec.field(name="DryRun", default=None)

    def check(self) -> None:
        if self.dry_run:
            raise Refusal(
                RefusalReason.INVALID, "DryRun is not supported: the gateway would append the records"
            )


class _PutRecord(_PutRequest, gc=False, forbid_unknown_fields=True, kw_only=True):
    """See `kinesis_rest` on `SequenceNumberForOrdering`."""

    data: bytes = msgspec.field(name="Data")
    key: Key | None = msgspec.field(name="PartitionKey", default=None)
    hash: HashKey | None = msgspec.field(name="ExplicitHashKey", default=None)
    ordering: str | None = msgspec.field(name="SequenceNumberForOrdering", default=None)


class _PutEntry(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    data: bytes = msgspec.field(name="Data")
    key: Key | None = msgspec.field(name="PartitionKey", default=None)
    hash: HashKey | None = msgspec.field(name="ExplicitHashKey", default=None)


class _PutRecords(_PutRequest, gc=False, forbid_unknown_fields=True, kw_only=True):
    records: Annotated[list[_PutEntry], Meta(min_length=1, max_length=MAX_RECORDS)] = msgspec.field(
        name="Records"
    )


_decode_one = msgspec.json.Decoder(_PutRecord).decode
_decode_many = msgspec.json.Decoder(_PutRecords).decode
_encode = msgspec.json.Encoder().encode


def parse_record(content_type: bytes, body: bytes) -> Posted:
    """See `RecordFormat`."""
    record = decode_request(_decode_one, content_type, body)
    record.check()
    keys: list[bytes | None] | None = None if record.key is None else [key_bytes(record.key)]
    hashes = None if record.hash is None else [hash_key(record.hash, "$")]
    return Posted([record.data], keys, hashes=hashes, topic=record.stream_name())


def parse_records(content_type: bytes, body: bytes) -> Posted:
    """See `RecordFormat`."""
    many = decode_request(_decode_many, content_type, body)
    many.check()
    keys = [None if record.key is None else key_bytes(record.key) for record in many.records]
    hashes = [hash_key(each.hash, f"$.Records[{at}]") for at, each in enumerate(many.records)]
    return Posted(
        [record.data for record in many.records],
        keys if keys.count(None) != len(keys) else None,
        hashes=hashes if hashes.count(None) != len(hashes) else None,
        topic=many.stream_name(),
    )


def json_answer(content: object) -> Answer:
    """A 200 of this dialect."""
    return _answer(200, content)


def refuse(refusal: Refusal) -> Answer:
    """An error of this dialect."""
    status, kind = TYPES[refusal.reason]
    answer = _answer(STATUSES.get(refusal.reason, status), {"__type": kind, "message": refusal.message})
    return answer._replace(headers=answer.headers + refusal.headers)


DIALECT = Dialect("kinesis", json_answer, refuse)

PUTS = {"PutRecord": RecordFormat(parse_record, put_one), "PutRecords": RecordFormat(parse_records, put_many)}
"""Operation that posts → its format."""


def operation_of(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The operation that a request to `/` asks for, None if it is not a call of an SDK.

    One of another service, or of another version, comes back whole.
    """
    for name, value in headers:
        if name == b"x-amz-target":
            return value.decode("latin-1").removeprefix(PREFIX)
    return None


def decode_request(decode: Callable[[bytes], Any], content_type: bytes, body: bytes) -> Any:
    """Decode the body of a call with `decode`.

    Raises:
        Refusal: It is of another content type, or of another shape.
    """
    plain = content_type.partition(b";")[0].strip().lower()
    if plain == CBOR:
        raise Refusal(
            RefusalReason.MEDIA_TYPE,
            "the gateway takes no CBOR: set AWS_CBOR_DISABLE=true, or the SDK's own setting",
        )
    if plain not in CONTENT_TYPES:
        raise Refusal(RefusalReason.MEDIA_TYPE, f"the content type is not {MEDIA_TYPE.decode()}")
    return decode_body(decode, body)


def _answer(status: int, content: object) -> Answer:
    identity = ((b"x-amzn-requestid", str(uuid4()).encode()),)
    return Answer(status, _encode(content), MEDIA_TYPE, identity)
