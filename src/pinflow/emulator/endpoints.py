"""The endpoints of the gateway, one a side: what a request to each looks like, and what its answer says."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec
from msgspec import Struct

from pinflow.datasets.naming import topic_names

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "BatchEndpoint",
    "Endpoint",
    "EndpointRequest",
    "Item",
    "Rejection",
    "StreamEndpoint",
    "Verdicts",
    "read_rejection",
]

KINESIS_MOST_RECORDS = 500
"""Kinesis takes no more records in one request."""

BATCH_MOST_RECORDS = 10_000
"""Some megabytes: within the body size that REST proxies allow."""

RETRIABLE_CODES = frozenset({2, 50003})
"""Per-record codes of the Kafka REST Proxy that mean "try again"; 50002 and others mean "never"."""

RETRIABLE_ERRORS = frozenset(
    {"ProvisionedThroughputExceededException", "InternalFailure", "ServiceUnavailable"}
)
"""Per-record codes of Kinesis that mean "try again"."""

MESSAGE_LENGTH = 300
"""Characters that are shown of an answer that is not JSON."""


class Item(NamedTuple):
    """A record to send: the number of its post, and its JSON."""

    number: int
    row: bytes


class EndpointRequest(NamedTuple):
    """An HTTP request; the path begins with a slash."""

    method: str
    path: str
    content_type: str
    body: bytes


class Verdicts(NamedTuple):
    """What an answer says: how many records are kept, which to send again (by index), and why others never will be."""

    acknowledged: int
    again: list[int]
    refused: list[str]


class Rejection(NamedTuple):
    """Why a whole request was rejected."""

    status: int
    message: str
    unknown_topic: bool


class Endpoint(Protocol):
    """Where the gateway takes the records of one side, and in which dialect.

    Attributes:
        topics: Where pin, geo and user go.
        most_records: How many records a request may hold.
    """

    topics: tuple[str, str, str]
    most_records: int

    def request(self, topic: str, items: Sequence[Item]) -> EndpointRequest:
        """The request that appends these records."""

    def verdicts(self, body: bytes, count: int) -> Verdicts:
        """Read the answer to a request of `count` records.

        Raises:
            ValueError: It is not an answer to such a request.
        """


class BatchEndpoint(Endpoint):
    """The Kafka REST Proxy v2 API. Records carry no key: the gateway places them by the post's number."""

    most_records = BATCH_MOST_RECORDS

    def __init__(self, user_id: str) -> None:
        self.topics = topic_names("batch", user_id)

    def request(self, topic: str, items: Sequence[Item]) -> EndpointRequest:
        """See `Endpoint`."""
        rows = b'},{"value":'.join([item.row for item in items])
        body = b'{"records":[{"value":' + rows + b"}]}"
        return EndpointRequest("POST", f"/topics/{topic}", "application/vnd.kafka.json.v2+json", body)

    def verdicts(self, body: bytes, count: int) -> Verdicts:
        """See `Endpoint`."""
        entries = _decode_kafka(body).offsets
        _require_one_each(len(entries), count)
        again = [index for index, entry in enumerate(entries) if entry.error_code in RETRIABLE_CODES]
        refused = [
            f"{entry.error_code}: {entry.error}"
            for entry in entries
            if entry.error_code is not None and entry.error_code not in RETRIABLE_CODES
        ]
        return Verdicts(count - len(again) - len(refused), again, refused)


class StreamEndpoint(Endpoint):
    """The API in front of Kinesis; the partition key is the post's number."""

    most_records = KINESIS_MOST_RECORDS

    def __init__(self, user_id: str) -> None:
        self.topics = topic_names("stream", user_id)

    def request(self, topic: str, items: Sequence[Item]) -> EndpointRequest:
        """See `Endpoint`."""
        path = f"/streams/{topic}/record"
        if len(items) == 1:
            number, row = items[0]
            body = b'{"StreamName":"%s","Data":%s,"PartitionKey":"%d"}' % (topic.encode(), row, number)
            return EndpointRequest("PUT", path, "application/json", body)
        records = b",".join([b'{"data":%s,"partition-key":"%d"}' % (row, number) for number, row in items])
        return EndpointRequest("PUT", f"{path}s", "application/json", b'{"records":[' + records + b"]}")

    def verdicts(self, body: bytes, count: int) -> Verdicts:
        """See `Endpoint`."""
        answer = _decode_kinesis(body)
        entries = (
            [_KinesisEntry(SequenceNumber=answer.SequenceNumber)]
            if answer.Records is None
            else answer.Records
        )
        _require_one_each(len(entries), count)
        again = [index for index, entry in enumerate(entries) if entry.ErrorCode in RETRIABLE_ERRORS]
        refused = [
            f"{entry.ErrorCode}: {entry.ErrorMessage}"
            for entry in entries
            if entry.ErrorCode not in RETRIABLE_ERRORS and (entry.ErrorCode or not entry.SequenceNumber)
        ]
        return Verdicts(count - len(again) - len(refused), again, refused)


def read_rejection(status: int, body: bytes) -> Rejection:
    """Read the answer to a request that was rejected as a whole, in either dialect."""
    try:
        said = msgspec.json.decode(body, type=_Error)
    except (msgspec.DecodeError, UnicodeDecodeError):
        said = _Error(message=body[:MESSAGE_LENGTH].decode(errors="replace"))
    unknown = status == 404 or said.type == "ResourceNotFoundException"
    return Rejection(status, f"{status}: {said.message}", unknown)


def _require_one_each(entries: int, count: int) -> None:
    if entries != count:
        raise ValueError(f"it is about {entries} records, not about {count}")


class _KafkaEntry(Struct):
    error_code: int | None = None
    error: str | None = None


class _KafkaAnswer(Struct):
    offsets: list[_KafkaEntry]


class _KinesisEntry(Struct):
    SequenceNumber: str | None = None
    ErrorCode: str | None = None
    ErrorMessage: str | None = None


class _KinesisAnswer(Struct):
    Records: list[_KinesisEntry] | None = None
    SequenceNumber: str | None = None


class _Error(Struct):
    message: str = ""
    type: str = msgspec.field(default="", name="__type")


_decode_kafka = msgspec.json.Decoder(_KafkaAnswer).decode
_decode_kinesis = msgspec.json.Decoder(_KinesisAnswer).decode
