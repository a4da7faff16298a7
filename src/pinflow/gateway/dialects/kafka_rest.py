"""The Kafka REST Proxy v2 dialect: its bodies, answers and error codes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

import msgspec
from msgspec import Raw

from pinflow.gateway.answer import Answer, Dialect, Placed, Posted, RecordFormat
from pinflow.gateway.dialects import media
from pinflow.gateway.dialects.decoding import decode_body, reason_of
from pinflow.gateway.dialects.record_headers import Header, Timestamp, headers_of
from pinflow.gateway.refusal import Refusal, RefusalReason
from pinflow.log import CountedOffsets

if TYPE_CHECKING:
    from pinflow.log import Partition

__all__ = [
    "BROKERS",
    "DIALECT",
    "RECORDS",
    "describe_offsets",
    "describe_partition",
    "describe_topic",
    "json_answer",
    "partition_number",
    "refuse",
]

BROKERS = {"brokers": [0]}
"""The gateway is the one broker that its clients see."""

CODES: dict[RefusalReason, tuple[int, int]] = {
    RefusalReason.ACCEPT: (406, 406),
    RefusalReason.BROKEN_ENCODING: (400, 400),
    RefusalReason.CONFLICT: (409, 409),
    RefusalReason.EXISTS: (409, 409),
    RefusalReason.FORBIDDEN: (403, 40301),
    RefusalReason.HEADER: (400, 400),
    RefusalReason.HEADERS: (431, 431),
    RefusalReason.INTERNAL: (500, 500),
    RefusalReason.INVALID: (422, 422),
    RefusalReason.MALFORMED: (422, 42203),
    RefusalReason.MEDIA_TYPE: (415, 415),
    RefusalReason.METHOD: (405, 405),
    RefusalReason.OVERLOADED: (429, 429),
    RefusalReason.PARTITION: (404, 40402),
    RefusalReason.REUSED: (422, 422),
    RefusalReason.ROUTE: (404, 404),
    RefusalReason.SLOW: (408, 408),
    RefusalReason.TOO_LARGE: (413, 413),
    RefusalReason.TOPIC: (404, 40401),
    RefusalReason.UNAUTHORIZED: (401, 40101),
    RefusalReason.UNAVAILABLE: (503, 50003),
}
"""RefusalReason → HTTP status and `error_code`. 50003 is the proxy's "retriable error of the broker"."""

RECORD_CODES = {
    RefusalReason.INTERNAL: 50002,
    RefusalReason.INVALID: 50002,
    RefusalReason.OVERLOADED: 50003,
    RefusalReason.PARTITION: 40402,
    RefusalReason.TOO_LARGE: 50002,
    RefusalReason.TOPIC: 40401,
    RefusalReason.UNAVAILABLE: 50003,
}
"""The same → `error_code` in the entry of one record: 50002 an error of the broker, 50003 one to try again after."""

ABSENT = Raw(b"")

NULL = b"null"

TOMBSTONE = Raw(NULL)
"""The value of a record that has a key alone."""

PARTITION = re.compile(r"[0-9]{1,9}", re.ASCII)

CONVERTED = re.compile(rb"application/vnd\.kafka\.(?:avro|protobuf|jsonschema)[.+]", re.IGNORECASE)
"""Content types whose records the proxy converts by a schema."""


class _JsonRecord(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """One record; a field that is not here is refused, for what it holds would be lost."""

    value: Raw = TOMBSTONE
    key: Raw = ABSENT
    partition: int | None = None
    headers: list[Header] | None = None
    timestamp: Timestamp | None = None


class _BinaryRecord(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    value: bytes | None = None
    key: bytes | None = None
    partition: int | None = None
    headers: list[Header] | None = None
    timestamp: Timestamp | None = None


class _Schemas(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """What a converting proxy is asked for. Clients of any proxy send it as null."""

    key_schema: Raw = ABSENT
    key_schema_id: Raw = ABSENT
    value_schema: Raw = ABSENT
    value_schema_id: Raw = ABSENT


class _Body(_Schemas, gc=False, forbid_unknown_fields=True, kw_only=True):
    records: list[_JsonRecord]


class _BinaryBody(_Schemas, gc=False, forbid_unknown_fields=True, kw_only=True):
    records: list[_BinaryRecord]


class _RecordEntry(msgspec.Struct, gc=False):
    partition: int | None
    offset: int | None
    error_code: int | None = None
    error: str | None = None


class _Accepted(msgspec.Struct, gc=False):
    offsets: list[_RecordEntry]
    key_schema_id: None = None
    value_schema_id: None = None


_decode = msgspec.json.Decoder(_Body).decode
_decode_binary = msgspec.json.Decoder(_BinaryBody).decode
_decode_line = msgspec.json.Decoder(Raw).decode
_encode = msgspec.json.Encoder().encode


def parse(content_type: bytes, body: bytes) -> Posted:
    """See `RecordFormat`: JSON, binary or NDJSON, by the content type."""
    parse = FORMATS.get(content_type) or FORMATS.get(content_type.partition(b";")[0].strip().lower())
    if parse is None:
        raise _refuse_type(content_type)
    posted = decode_body(parse, body)
    if not posted.values:
        raise Refusal(RefusalReason.INVALID, "the request holds no record")
    return posted


def describe_placed(placed: Placed) -> object:
    """See `RecordFormat`: one entry a record, in order; the status is 200 even where some are refused."""
    entries = list(map(_RecordEntry, placed.partitions, placed.offsets))
    for index, refusal in placed.refused.items():
        entries[index] = _RecordEntry(None, None, RECORD_CODES[refusal.reason], refusal.message)
    return _Accepted(entries)


def json_answer(content: object) -> Answer:
    """A 200 of this dialect."""
    return Answer(200, _encode(content), media.DEFAULT)


def refuse(refusal: Refusal) -> Answer:
    """An error of this dialect."""
    status, code = CODES[refusal.reason]
    body = _encode({"error_code": code, "message": refusal.message})
    return Answer(status, body, media.DEFAULT, refusal.headers)


DIALECT = Dialect("kafka", json_answer, refuse)

RECORDS = RecordFormat(parse, describe_placed)
"""The format of `POST /topics/{topic}`."""


def partition_number(text: str) -> int:
    """The partition that a path names; -1, which no topic has, if that is not a number."""
    return int(text) if PARTITION.fullmatch(text) else -1


def describe_partition(partition: int) -> dict[str, object]:
    """One partition as the proxy shows it. The log keeps one copy, so the one broker always leads."""
    replica = {"broker": 0, "leader": True, "in_sync": True}
    return {"partition": partition, "leader": 0, "replicas": [replica]}


def describe_topic(topic: str, partitions: list[int], configs: dict[str, str]) -> dict[str, object]:
    """One topic as the proxy shows it."""
    described = [describe_partition(partition) for partition in partitions]
    return {"name": topic, "configs": configs, "partitions": described}


def describe_offsets(partition: Partition) -> dict[str, int]:
    """The first offset that a partition keeps and the one that its next record gets.

    Raises:
        Refusal: The log does not count its records.
    """
    if not isinstance(partition.numbering, CountedOffsets):
        raise Refusal(
            RefusalReason.INVALID, "this log numbers records without counting them: it has no end offset"
        )
    return {"beginning_offset": partition.numbering.begin, "end_offset": partition.numbering.next}


def _parse_json(body: bytes) -> Posted:
    posted = _decode(body)
    _check_schemas(posted)
    records = posted.records
    # The slices would keep the whole body alive, and the log wants bytes.
    values = _null_is_none([bytes(record.value) for record in records])
    keys = None
    if any([record.key is not ABSENT for record in records]):  # noqa: C419 - a list is faster than a generator
        keys = _null_is_none([bytes(record.key) or NULL for record in records])
    return Posted(values, keys, _read_partitions(records), headers_of(records))


def _parse_binary(body: bytes) -> Posted:
    posted = _decode_binary(body)
    _check_schemas(posted)
    records = posted.records
    keys = None
    if any(record.key is not None for record in records):
        keys = [record.key for record in records]
    return Posted([record.value for record in records], keys, _read_partitions(records), headers_of(records))


def _check_schemas(posted: _Schemas) -> None:
    if posted.key_schema is posted.key_schema_id is posted.value_schema is posted.value_schema_id is ABSENT:
        return
    for name in _Schemas.__struct_fields__:
        if bytes(getattr(posted, name)) not in {b"", NULL}:
            message = (
                f"`{name}` asks to convert records; the gateway keeps them as they are sent: leave it out"
            )
            raise Refusal(RefusalReason.INVALID, message)


def _parse_lines(body: bytes) -> Posted:
    values: list[bytes] = []
    for number, line in enumerate(body.split(b"\n"), 1):
        stripped = line.strip(b" \t\r")
        if not stripped:
            continue
        try:
            _decode_line(stripped)
        except msgspec.DecodeError as error:
            raise Refusal(RefusalReason.MALFORMED, f"line {number}: {reason_of(error, stripped)}") from None
        values.append(stripped)
    return Posted(_null_is_none(values))


def _null_is_none(texts: list[bytes]) -> list[bytes | None]:
    if NULL in texts:
        return [None if text == NULL else text for text in texts]
    return cast("list[bytes | None]", texts)


def _read_partitions(records: list[_JsonRecord] | list[_BinaryRecord]) -> list[int | None] | None:
    asked = [record.partition for record in records]
    return asked if asked.count(None) != len(asked) else None


def _refuse_type(content_type: bytes) -> Refusal:
    if CONVERTED.match(content_type):
        return Refusal(
            RefusalReason.MEDIA_TYPE,
            "the gateway converts no Avro, Protobuf or JSON Schema: send application/vnd.kafka.json.v2+json",
        )
    kinds = ", ".join(name.decode() for name in FORMATS)
    return Refusal(RefusalReason.MEDIA_TYPE, f"the content type is not one of {kinds}")


FORMATS = {
    b"application/vnd.kafka.json.v2+json": _parse_json,
    b"application/vnd.kafka.binary.v2+json": _parse_binary,
    b"application/vnd.kafka.v2+json": _parse_json,
    b"application/json": _parse_json,
    b"application/x-ndjson": _parse_lines,
    b"application/vnd.kafka.json.v1+json": _parse_json,
    b"application/vnd.kafka.json+json": _parse_json,
    b"application/vnd.kafka.binary.v1+json": _parse_binary,
    b"application/vnd.kafka.binary+json": _parse_binary,
    b"application/vnd.kafka.v1+json": _parse_binary,
    b"application/vnd.kafka+json": _parse_binary,
}
"""Content type → what reads it. REST Proxy v1 reads a type that names no format as binary, and so does Karapace; as
`application/vnd.kafka.v2+json` and `application/json` the gateway has always taken JSON."""
