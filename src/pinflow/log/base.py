"""What a log is, whatever stands behind it.

Records travel in columns, not one object each: a gateway commit or a job's read handles hundreds of thousands of
records with list operations only.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast
from zlib import crc32

import msgspec

from pinflow.errors import ConfigError

if TYPE_CHECKING:
    import builtins
    from collections.abc import Sequence

__all__ = [
    "Answered",
    "AnsweringLog",
    "Chunk",
    "EventLog",
    "Extent",
    "Headers",
    "Produce",
    "Records",
    "Token",
    "answering",
    "open_log",
    "partition_for",
]

Headers = tuple[tuple[str, bytes], ...]

BACKENDS = {"sqlite": "pinflow.log.sqlite:SqliteLog"}
"""URL scheme → module:class. A new backend is one module and one line here."""


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


class Produce(NamedTuple):
    """Records to append to one partition."""

    topic: str
    partition: int
    records: Records


class Token(NamedTuple):
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


class Answered(NamedTuple):
    """What was kept of a request: its token's fingerprint and note, and the first offset of each of its batches."""

    fingerprint: bytes
    note: bytes
    firsts: list[int]


class Extent(NamedTuple):
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
        timestamps: When each record was accepted, milliseconds since 1970 UTC.
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
        """Size of the values in bytes."""
        return sum(len(value) for value in self.records.values if value is not None)


class EventLog(Protocol):
    """Ordered partitions of records.

    Positions are opaque text; only the log itself compares or makes them. Safe to use from several threads and, for
    reading, from several processes while another one appends.
    """

    def append(self, batches: Sequence[Produce]) -> list[int]:
        """Append and return the first offset of each batch, in the order given.

        Blocks until every record is durable. All or nothing. Not idempotent: a repeat appends again.

        Raises:
            UnknownTopicError: A topic does not exist. Nothing was appended.
            UnknownPartitionError: A partition does not exist. Nothing was appended.
            UnavailableError: The log cannot be written now. Nothing was appended.
        """

    def read(
        self, topic: str, partition: int, position: str | None, *, max_records: int, max_bytes: int
    ) -> Chunk:
        """Read at most `max_records` records and about `max_bytes` bytes from a position on (None: the begin).

        Does not wait for records. A record larger than `max_bytes` still comes, alone. Repeating gives the same.

        Raises:
            UnknownTopicError: The topic does not exist.
            GapError: The position lies before the first record still kept.
            CorruptError: A stored batch fails its checksum, or the log ends before the position.
        """

    def extents(self, topic: str) -> list[Extent]:
        """What each partition holds now, in partition order.

        Raises:
            UnknownTopicError: The topic does not exist.
        """

    def trim(
        self,
        topic: str,
        partition: int,
        committed: Sequence[str],
        *,
        older_than_ms: int | None,
        keep_bytes: int | None,
    ) -> int:
        """Drop the oldest records of a partition, and return how many.

        Dropped is only what lies before every position of `committed`, and is besides accepted before
        `older_than_ms` or followed by more than `keep_bytes` bytes; with both None nothing is. A backend may keep
        more than it is asked to. `accepted` of the extent still counts what was dropped. Blocks; safe to repeat,
        and beside appends and reads.

        Raises:
            UnknownTopicError: The topic does not exist.
            UnavailableError: The log cannot be written now.
        """

    def close(self) -> None:
        """Release files and connections. Safe to repeat."""

    @property
    def identity(self) -> str:
        """Tells this log from every other one, such as an empty one put in its place; never changes."""

    @property
    def topics(self) -> TopicAdmin:
        """Create, list and delete topics."""


class AnsweringLog(EventLog, Protocol):
    """A log that can take a request once, however often it comes and through however many processes."""

    def append_once(self, batches: Sequence[Produce], tokens: Sequence[Token]) -> list[int]:
        """Append as `append` does, and keep the tokens in the same write: both are durable or neither.

        Tokens that have expired are removed on the way, a bounded number at a time.

        Raises:
            RepeatedError: One of the tokens is kept already, or given twice. Nothing was appended.
            UnknownTopicError: As in `append`, and so are the others.
        """

    def answered(self, keys: Sequence[bytes]) -> dict[bytes, Answered]:
        """What was kept under these keys and has not expired. Blocks as a read does.

        Raises:
            UnavailableError: The log cannot be read now.
        """


def answering(log: EventLog) -> AnsweringLog | None:
    """The log as one that takes a request once, None if it cannot."""
    return cast("AnsweringLog", log) if hasattr(log, "append_once") else None


class TopicAdmin(Protocol):
    """The topics of a log."""

    def list(self) -> dict[str, int]:
        """Topic name → number of partitions, in the order of names."""

    def readable(self) -> builtins.list[str]:
        """The names of all topics that can be read: those of `list`, and deleted ones that still hold records."""

    def create(self, topic: str, partitions: int) -> None:
        """Create a topic.

        Raises:
            TopicExistsError: The topic is there already.
        """

    def delete(self, topic: str) -> None:
        """Delete a topic: nobody can append to it any more. What it took stays to be read, so that no job misses it.

        Offsets never start again: a new topic of the name counts on.

        Raises:
            UnknownTopicError: The topic does not exist.
        """


def partition_for(key: bytes, partitions: int) -> int:
    """The partition that records of a key go to, always the same for a number of partitions."""
    return crc32(key) % partitions


def open_log(url: str, *, read_only: bool = False) -> EventLog:
    """Open the log that a URL names.

    Raises:
        ConfigError: No backend has this scheme.
    """
    scheme = url.partition(":")[0]
    if scheme not in BACKENDS:
        raise ConfigError(
            f"no log backend is called {scheme!r}",
            where=f"log.url = {url}",
            hint=f"use one of: {', '.join(f'{name}:' for name in BACKENDS)}",
        )
    module, _, name = BACKENDS[scheme].partition(":")
    log: EventLog = getattr(import_module(module), name)(url, read_only=read_only)
    return log
