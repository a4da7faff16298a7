"""The two dialects of the gateway: what a request looks like, and what its answer says."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec
from msgspec import Struct

from pinflow.datasets.naming import topic_names

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BatchDoor", "Door", "Item", "Refused", "Request", "StreamDoor", "Verdicts", "refusal"]

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
"""How much of an answer that is no JSON is shown."""


class Item(NamedTuple):
    """A record to send: its post's number and its JSON."""

    number: int
    row: bytes


class Request(NamedTuple):
    """An HTTP request; the path begins with a slash."""

    method: str
    path: str
    content_type: str
    body: bytes


class Verdicts(NamedTuple):
    """What an answer says: how many records are kept, which positions to send again, why others never are."""

    acknowledged: int
    again: list[int]
    refused: list[str]


class Refused(NamedTuple):
    """Why a whole request is refused."""

    status: int
    message: str
    unknown_topic: bool


class Door(Protocol):
    """One dialect."""

    @property
    def topics(self) -> tuple[str, str, str]:
        """Where pin, geo and user go."""

    @property
    def most_records(self) -> int:
        """Records in a request, at most."""

    def request(self, topic: str, items: Sequence[Item]) -> Request:
        """The request that appends these records."""

    def verdicts(self, body: bytes, count: int) -> Verdicts:
        """Read the answer to a request of `count` records.

        Raises:
            ValueError: It is no answer to such a request.
        """


class BatchDoor:
    """The Kafka REST Proxy v2 API. Records carry no key: the gateway places them by the post's number."""

    most_records = BATCH_MOST_RECORDS

    def __init__(self, user_id: str) -> None:
        self.topics = topic_names("batch", user_id)

    def request(self, topic: str, items: Sequence[Item]) -> Request:
        """See `Door`."""
        rows = b'},{"value":'.join([item.row for item in items])
        body = b'{"records":[{"value":' + rows + b"}]}"
        return Request("POST", f"/topics/{topic}", "application/vnd.kafka.json.v2+json", body)

    def verdicts(self, body: bytes, count: int) -> Verdicts:
        """See `Door`."""
        entries = _offsets(body).offsets
        _require_one_each(len(entries), count)
        again = [place for place, entry in enumerate(entries) if entry.error_code in RETRIABLE_CODES]
        refused = [
            f"{entry.error_code}: {entry.error}"
            for entry in entries
            if entry.error_code is not None and entry.error_code not in RETRIABLE_CODES
        ]
        return Verdicts(count - len(again) - len(refused), again, refused)


class StreamDoor:
    """The API in front of Kinesis; the partition key is the post's number."""

    most_records = KINESIS_MOST_RECORDS

    def __init__(self, user_id: str) -> None:
        self.topics = topic_names("stream", user_id)

    def request(self, topic: str, items: Sequence[Item]) -> Request:
        """See `Door`."""
        path = f"/streams/{topic}/record"
        if len(items) == 1:
            number, row = items[0]
            body = b'{"StreamName":"%s","Data":%s,"PartitionKey":"%d"}' % (topic.encode(), row, number)
            return Request("PUT", path, "application/json", body)
        records = b",".join([b'{"data":%s,"partition-key":"%d"}' % (row, number) for number, row in items])
        return Request("PUT", f"{path}s", "application/json", b'{"records":[' + records + b"]}")

    def verdicts(self, body: bytes, count: int) -> Verdicts:
        """See `Door`."""
        answer = _puts(body)
        entries = [_Put(SequenceNumber=answer.SequenceNumber)] if answer.Records is None else answer.Records
        _require_one_each(len(entries), count)
        again = [place for place, entry in enumerate(entries) if entry.ErrorCode in RETRIABLE_ERRORS]
        refused = [
            f"{entry.ErrorCode}: {entry.ErrorMessage}"
            for entry in entries
            if entry.ErrorCode not in RETRIABLE_ERRORS and (entry.ErrorCode or not entry.SequenceNumber)
        ]
        return Verdicts(count - len(again) - len(refused), again, refused)


def refusal(status: int, body: bytes) -> Refused:
    """Read the answer to a request that is refused whole, in either dialect."""
    try:
        said = msgspec.json.decode(body, type=_Error)
    except (msgspec.DecodeError, UnicodeDecodeError):
        said = _Error(message=body[:MESSAGE_LENGTH].decode(errors="replace"))
    unknown = status == 404 or said.type == "ResourceNotFoundException"
    return Refused(status, f"{status}: {said.message}", unknown)


def _require_one_each(entries: int, count: int) -> None:
    if entries != count:
        raise ValueError(f"the answer speaks of {entries} records, not of {count}")


class _Entry(Struct):
    error_code: int | None = None
    error: str | None = None


class _Offsets(Struct):
    offsets: list[_Entry]


class _Put(Struct):
    SequenceNumber: str | None = None
    ErrorCode: str | None = None
    ErrorMessage: str | None = None


class _Puts(Struct):
    Records: list[_Put] | None = None
    SequenceNumber: str | None = None


class _Error(Struct):
    message: str = ""
    type: str = msgspec.field(default="", name="__type")


_offsets = msgspec.json.Decoder(_Offsets).decode
_puts = msgspec.json.Decoder(_Puts).decode
