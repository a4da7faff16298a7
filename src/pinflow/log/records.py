"""What goes into a log and comes out of it.

Records travel in columns, not one object each: a gateway commit or a job's read handles hundreds of thousands of
records with list operations only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pinflow.errors import UnavailableError, UnknownPartitionError, UnknownTopicError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pinflow.errors import PinflowError

__all__ = [
    "ANYWHERE",
    "AppendResult",
    "Capabilities",
    "Chunk",
    "Headers",
    "IdempotencyKey",
    "Partition",
    "PartitionRange",
    "ProduceBatch",
    "Records",
    "StoredResponse",
    "raise_if_all_refused",
    "size_of",
]

Headers = tuple[tuple[str, bytes], ...]

ANYWHERE = -2
"""Stands for the partition of records that the log places by their routes."""


class Records(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Records as columns of equal length, in order.

    `values` holds the bytes exactly as sent, None for a tombstone. `keys` and `headers` are None where no record of
    the run has any.
    """

    values: list[bytes | None]
    keys: list[bytes | None] | None = None
    headers: list[Headers] | None = None

    def __len__(self) -> int:
        return len(self.values)

    @staticmethod
    def concat(parts: Sequence[Records]) -> Records:
        """Join runs of records in order."""
        if len(parts) == 1:
            return parts[0]
        values: list[bytes | None] = []
        for part in parts:
            values += part.values
        keys: list[bytes | None] | None = None
        if any(part.keys is not None for part in parts):
            keys = []
            for part in parts:
                keys += part.keys if part.keys is not None else [None] * len(part)
        headers: list[Headers] | None = None
        if any(part.headers is not None for part in parts):
            headers = []
            for part in parts:
                headers += part.headers if part.headers is not None else [()] * len(part)
        return Records(values, keys, headers)

    def slice(self, start: int, stop: int) -> Records:
        """Return records `start` up to, not including, `stop`."""
        if start == 0 and stop >= len(self):
            return self
        return Records(
            self.values[start:stop],
            self.keys[start:stop] if self.keys is not None else None,
            self.headers[start:stop] if self.headers is not None else None,
        )


class ProduceBatch(NamedTuple):
    """Records to append to one partition.

    Where the log places records itself, `partition` may be `ANYWHERE`, and `routes` says for each record what its
    partition follows from: equal routes go to one partition, in order.

    `later` says that these records came after those of the batches before it, although they go to other partitions:
    a log whose times are coarser than its appends has to give them a later one.
    """

    topic: str
    partition: int
    records: Records
    routes: Sequence[bytes] | None = None
    later: bool = False


class AppendResult(NamedTuple):
    """What became of one batch.

    Attributes:
        offsets: What the log numbers each record with, in order; of a refused one it means nothing.
        partitions: Where each went, if the log placed them itself.
        refused: Why a record was not appended, by its index. With an `UnavailableError` it is not known whether it was.
    """

    offsets: Sequence[int]
    partitions: Sequence[int] | None = None
    refused: Mapping[int, PinflowError] = {}


class Capabilities(NamedTuple):
    """How a log differs from the embedded one.

    Attributes:
        assigns_partitions: It chooses the partition of a record by its route; partitions are not numbered from 0 on.
        managed: Others run it and answer for its bytes; reading it through is not free.
        retains_deleted: What a deleted topic took stays to be read, and offsets never start again.
        trims: It can drop what all have committed.
        keeps_offsets: Its topics go on where a landing zone ends that another sink wrote from them.
        text_keys_only: It takes bytes and a text key alone. Tombstones, headers and other keys are refused singly
            with a `UnsupportedRecordError`, and a record without a key comes back with its route as its key.
    """

    assigns_partitions: bool = False
    managed: bool = False
    retains_deleted: bool = True
    trims: bool = True
    keeps_offsets: bool = False
    text_keys_only: bool = False


class IdempotencyKey(NamedTuple):
    """What makes the log take one request once: kept in the write of its records.

    Attributes:
        key: Names the request; at most 64 bytes.
        fingerprint: Of what was sent, to tell another request under the same name.
        note: What the answer is made from again, besides the offsets.
        expires: Until when it is kept, milliseconds since 1970 UTC.
        start: The request's batches are those from `start`
        stop: up to, not including, `stop` of the append.
    """

    key: bytes
    fingerprint: bytes
    note: bytes
    expires: int
    start: int
    stop: int


class StoredResponse(NamedTuple):
    """What was kept of a request: its token's fingerprint and note, and what became of each of its batches."""

    fingerprint: bytes
    note: bytes
    appended: list[AppendResult]


class PartitionRange(NamedTuple):
    """What a partition holds: positions `begin` up to, not including, `end`; `accepted` counts all ever appended."""

    partition: int
    begin: str
    end: str
    accepted: int


class Partition(NamedTuple):
    """A partition of a topic.

    One that is `closed` takes nothing more. It was split or merged into others, which name it in `parents`: what they
    hold comes after all that it holds.

    Attributes:
        number: Its number.
        closed: Whether it takes nothing more.
        parents: The partitions that it was made of.
        first: The number of its first record, or one before it, as the log shows it.
        last: Where it is closed, the number of its last record, or one after it.
        hashes: The first and the last hash of the routes that go to it, where the log places them so.
        next: The offset that its next record gets; None where the log does not count.
    """

    number: int
    closed: bool = False
    parents: tuple[int, ...] = ()
    first: str = "0"
    last: str = ""
    hashes: tuple[int, int] | None = None
    next: int | None = None


class Chunk(msgspec.Struct, frozen=True):
    """Consecutive records read from one partition.

    Attributes:
        topic: The topic read.
        partition: The partition read.
        start: The position that was asked for.
        end: The position to read on from; equals `start` when nothing was there.
        offsets: One number a record, rising within the partition.
        timestamps: When each record was accepted, microseconds since 1970 UTC.
        records: The records themselves.
    """

    topic: str
    partition: int
    start: str
    end: str
    offsets: list[int]
    timestamps: list[int]
    records: Records

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def nbytes(self) -> int:
        """Size of the values and headers in bytes."""
        headers = sum(map(size_of, self.records.headers)) if self.records.headers is not None else 0
        return headers + sum(len(value) for value in self.records.values if value is not None)


def size_of(headers: Headers) -> int:
    """Bytes of a record's headers, names and values."""
    return sum([len(name.encode()) + len(value) for name, value in headers])


def raise_if_all_refused(
    appended: Sequence[AppendResult], *, sparing: type[PinflowError] | None = None
) -> None:
    """Raise why, where not one record was appended and all for the same kind of reason.

    Args:
        appended: What became of an append.
        sparing: A kind of error that says nothing of the log as a whole.

    Raises:
        UnavailableError, UnknownTopicError, UnknownPartitionError: The first of the errors.
    """
    errors = [error for each in appended for error in each.refused.values()]
    if not errors or len(errors) < sum(len(each.offsets) for each in appended):
        return
    if sparing is not None and any(isinstance(error, sparing) for error in errors):
        return
    for kind in (UnavailableError, UnknownTopicError, UnknownPartitionError):
        if all(isinstance(error, kind) for error in errors):
            raise errors[0]
