"""The Kafka REST Proxy v2 dialect: its bodies, answers and error codes."""

from __future__ import annotations

import re
from typing import cast

import msgspec
from msgspec import Raw

from pinflow.gateway.answer import Answer, Placed, Posted
from pinflow.gateway.decoding import decoded
from pinflow.gateway.refusal import Reason, Refusal

__all__ = ["KafkaRest", "describe_partition", "describe_topic", "json_answer", "partition_number", "refused"]

MEDIA_TYPE = b"application/vnd.kafka.v2+json"

CODES: dict[Reason, tuple[int, int]] = {
    Reason.BROKEN_ENCODING: (400, 400),
    Reason.CONFLICT: (409, 409),
    Reason.EXISTS: (409, 409),
    Reason.FORBIDDEN: (403, 40301),
    Reason.HEADER: (400, 400),
    Reason.HEADERS: (431, 431),
    Reason.INTERNAL: (500, 500),
    Reason.INVALID: (422, 422),
    Reason.MALFORMED: (422, 42203),
    Reason.MEDIA_TYPE: (415, 415),
    Reason.METHOD: (405, 405),
    Reason.OVERLOADED: (429, 429),
    Reason.PARTITION: (404, 40402),
    Reason.REUSED: (422, 422),
    Reason.ROUTE: (404, 404),
    Reason.SLOW: (408, 408),
    Reason.TOO_LARGE: (413, 413),
    Reason.TOPIC: (404, 40401),
    Reason.UNAUTHORIZED: (401, 40101),
    Reason.UNAVAILABLE: (503, 50003),
}
"""Reason → HTTP status and `error_code`. 50003 is the proxy's "retriable error of the broker"."""

RECORD_CODES = {
    Reason.INTERNAL: 50002,
    Reason.INVALID: 50002,
    Reason.OVERLOADED: 50003,
    Reason.PARTITION: 40402,
    Reason.TOO_LARGE: 50002,
    Reason.TOPIC: 40401,
    Reason.UNAVAILABLE: 50003,
}
"""Reason → `error_code` in the entry of one record: 50002 an error of the broker, 50003 one to try again after."""

ABSENT = Raw(b"")

NULL = b"null"

PARTITION = re.compile(r"[0-9]{1,9}", re.ASCII)


class _Record(msgspec.Struct, gc=False):
    value: Raw
    key: Raw = ABSENT
    partition: int | None = None


class _Body(msgspec.Struct, gc=False):
    records: list[_Record]


class _BinaryRecord(msgspec.Struct, gc=False):
    value: bytes | None
    key: bytes | None = None
    partition: int | None = None


class _BinaryBody(msgspec.Struct, gc=False):
    records: list[_BinaryRecord]


class _Entry(msgspec.Struct, gc=False):
    partition: int | None
    offset: int | None
    error_code: int | None = None
    error: str | None = None


class _Accepted(msgspec.Struct, gc=False):
    offsets: list[_Entry]
    key_schema_id: None = None
    value_schema_id: None = None


_decode = msgspec.json.Decoder(_Body).decode
_decode_binary = msgspec.json.Decoder(_BinaryBody).decode
_decode_line = msgspec.json.Decoder(Raw).decode
_encode = msgspec.json.Encoder().encode


class KafkaRest:
    """The dialect of `POST /topics/{topic}`."""

    name = "kafka"

    def parse(self, content_type: bytes, body: bytes) -> Posted:
        """See `Dialect.parse`: JSON, binary or NDJSON, by the content type."""
        parse = FORMATS.get(content_type) or FORMATS.get(content_type.partition(b";")[0].strip().lower())
        if parse is None:
            kinds = ", ".join(name.decode() for name in FORMATS)
            raise Refusal(Reason.MEDIA_TYPE, f"the content type is not one of {kinds}")
        posted = decoded(parse, body)
        if not posted.values:
            raise Refusal(Reason.INVALID, "the request holds no record")
        return posted

    def accepted(self, placed: Placed) -> Answer:
        """See `Dialect.accepted`: one entry a record, in order; the status is 200 even so."""
        entries = list(map(_Entry, placed.partitions, placed.offsets))
        for index, refusal in placed.refused.items():
            entries[index] = _Entry(None, None, RECORD_CODES[refusal.reason], refusal.message)
        return Answer(200, _encode(_Accepted(entries)), MEDIA_TYPE)

    def refused(self, refusal: Refusal) -> Answer:
        """See `Dialect.refused`."""
        return refused(refusal)


def refused(refusal: Refusal) -> Answer:
    """An error of this dialect."""
    status, code = CODES[refusal.reason]
    body = _encode({"error_code": code, "message": refusal.message})
    return Answer(status, body, MEDIA_TYPE, refusal.headers)


def partition_number(text: str) -> int:
    """The partition that a path names; -1, which no topic has, if it is no number."""
    return int(text) if PARTITION.fullmatch(text) else -1


def json_answer(content: object) -> Answer:
    """A 200 of this dialect."""
    return Answer(200, _encode(content), MEDIA_TYPE)


def describe_partition(partition: int) -> dict[str, object]:
    """One partition as the proxy shows it. The log keeps one copy, so the one broker always leads."""
    replica = {"broker": 0, "leader": True, "in_sync": True}
    return {"partition": partition, "leader": 0, "replicas": [replica]}


def describe_topic(topic: str, partitions: list[int]) -> dict[str, object]:
    """One topic as the proxy shows it."""
    described = [describe_partition(partition) for partition in partitions]
    return {"name": topic, "configs": {}, "partitions": described}


def _parse_json(body: bytes) -> Posted:
    records = _decode(body).records
    # The slices would keep the whole body alive, and the log wants bytes.
    values = _null_is_none([bytes(record.value) for record in records])
    keys = None
    if any([record.key is not ABSENT for record in records]):  # noqa: C419 - a list is faster than a generator
        keys = _null_is_none([bytes(record.key) or NULL for record in records])
    return Posted(values, keys, _asked(records))


def _parse_binary(body: bytes) -> Posted:
    records = _decode_binary(body).records
    keys = None
    if any(record.key is not None for record in records):
        keys = [record.key for record in records]
    return Posted([record.value for record in records], keys, _asked(records))


def _parse_lines(body: bytes) -> Posted:
    values: list[bytes] = []
    for number, line in enumerate(body.split(b"\n"), 1):
        stripped = line.strip(b" \t\r")
        if not stripped:
            continue
        try:
            _decode_line(stripped)
        except msgspec.DecodeError as error:
            raise Refusal(Reason.MALFORMED, f"line {number}: {error}") from None
        values.append(stripped)
    return Posted(_null_is_none(values))


def _null_is_none(texts: list[bytes]) -> list[bytes | None]:
    if NULL in texts:
        return [None if text == NULL else text for text in texts]
    return cast("list[bytes | None]", texts)


def _asked(records: list[_Record] | list[_BinaryRecord]) -> list[int | None] | None:
    asked = [record.partition for record in records]
    return asked if asked.count(None) != len(asked) else None


FORMATS = {
    b"application/vnd.kafka.json.v2+json": _parse_json,
    b"application/vnd.kafka.binary.v2+json": _parse_binary,
    b"application/vnd.kafka.v2+json": _parse_json,
    b"application/json": _parse_json,
    b"application/x-ndjson": _parse_lines,
}
