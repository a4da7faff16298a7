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
    "AppendResult",
    "Capabilities",
    "Chunk",
    "Headers",
    "IdempotencyKey",
    "PartitionRange",
    "ProduceBatch",
    "Records",
    "StoredResponse",
    "raise_if_all_refused",
    "size_of",
]

Headers = tuple[tuple[str, bytes], ...]


class Records(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Records as columns of equal length, in order.

    `values` holds the bytes exactly as sent, None for a tombstone. `keys` and `headers` are None where no record
    has any.
    """

    values: list[bytes | None]
    keys: list[bytes | None] | None = None
    headers: list[Headers] | None = None

    def __len__(self) -> int:
        return len(self.values)

    @staticmethod
    def concat(parts: Sequence[Records]) -> Records:
        """Join records in order."""
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

    Where the log assigns partitions itself, `partition` may be None, and `routes` says for each record what its
    partition follows from: equal routes go to one partition, in order.

    `later` says that these records came after those of the batches before it, although they go to other partitions:
    a log whose times are coarser than its appends has to give them a later one.
    """

    topic: str
    partition: int | None
    records: Records
    routes: Sequence[bytes] | None = None
    later: bool = False


class AppendResult(NamedTuple):
    """What became of one batch.

    Attributes:
        offsets: The log's number for each record, in order; that of a refused one has no meaning.
        partitions: The partition of each, if the log chose them itself.
        refused: Why a record was not appended, by its index. With an `UnavailableError` it is not known whether it was.
    """

    offsets: Sequence[int]
    partitions: Sequence[int] | None = None
    refused: Mapping[int, PinflowError] = {}


class Capabilities(NamedTuple):
    """How a log differs from the embedded one.

    Attributes:
        assigns_partitions: It chooses the partition of a record by its route; partitions are not numbered from 0 on.
        managed: Others run it and vouch for its bytes; reading all of it has a price.
        retains_deleted: The records of a deleted topic can still be read, and offsets never start again.
        trims: It can drop what all jobs have committed.
        keeps_offsets: It has the offsets that another sink wrote to a landing zone: landing goes on where that ends.
        text_keys_only: It takes bytes and a text key alone. Tombstones, headers and other keys are refused singly
            with a `UnsupportedRecordError`, and a record without a key comes back with its route as its key.
        idempotent: It is an `IdempotentLog`.
        shows_progress: It is a `ProgressLog`.
        counts_records: It says how many records a partition has accepted without reading them.
    """

    assigns_partitions: bool = False
    managed: bool = False
    retains_deleted: bool = True
    trims: bool = True
    keeps_offsets: bool = False
    text_keys_only: bool = False
    idempotent: bool = False
    shows_progress: bool = False
    counts_records: bool = True


class IdempotencyKey(NamedTuple):
    """What makes the log take one request once: stored in the write of its records.

    Attributes:
        key: The name of the request; at most 64 bytes.
        fingerprint: A hash of what was sent, which differs for another request under the same name.
        note: What the gateway makes its response from again, besides the offsets.
        expires: Until when it is stored, milliseconds since 1970 UTC.
        start: The index of the request's first batch in the append.
        stop: The index after its last batch.
    """

    key: bytes
    fingerprint: bytes
    note: bytes
    expires: int
    start: int
    stop: int


class StoredResponse(NamedTuple):
    """What is stored of a request: fingerprint and note of its key, and what became of each of its batches."""

    fingerprint: bytes
    note: bytes
    appended: list[AppendResult]


class PartitionRange(NamedTuple):
    """What a partition holds: positions `begin` up to, not including, `end`; `accepted` counts all ever appended."""

    partition: int
    begin: str
    end: str
    accepted: int


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

    def slice(self, start: int, stop: int) -> Chunk:
        """Records `start` up to, not including, `stop`; the positions stay those of the whole."""
        if start == 0 and stop >= len(self):
            return self
        return msgspec.structs.replace(
            self,
            offsets=self.offsets[start:stop],
            timestamps=self.timestamps[start:stop],
            records=self.records.slice(start, min(stop, len(self))),
        )


def size_of(headers: Headers) -> int:
    """Bytes of a record's headers, names and values."""
    return sum([len(name.encode()) + len(value) for name, value in headers])


def raise_if_all_refused(
    appended: Sequence[AppendResult], *, sparing: type[PinflowError] | None = None
) -> None:
    """Raise the error where no record was appended and all were refused for the same kind of reason.

    Args:
        appended: What became of an append.
        sparing: A kind of error that concerns single topics, not the log as a whole.

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
