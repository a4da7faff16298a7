"""What a log is, whatever stands behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast
from zlib import crc32

if TYPE_CHECKING:
    import builtins
    from collections.abc import Mapping, Sequence

    from pinflow.findings import Finding
    from pinflow.log.records import (
        AppendResult,
        Capabilities,
        Chunk,
        IdempotencyKey,
        Partition,
        PartitionRange,
        ProduceBatch,
        StoredResponse,
    )

__all__ = [
    "EventLog",
    "Examined",
    "IdempotentLog",
    "TopicAdmin",
    "WatchedLog",
    "answering",
    "examined",
    "partition_for",
    "watched",
]


class EventLog(Protocol):
    """Ordered partitions of records.

    Positions are opaque text; only the log itself compares or makes them. Safe to use from several threads and, for
    reading, from several processes while another one appends.
    """

    def append(self, batches: Sequence[ProduceBatch]) -> list[AppendResult]:
        """Append and return what became of each batch, in the order given.

        Blocks until every record is durable or refused. Not idempotent: a repeat appends again. An error means all of
        it; the embedded log takes all or nothing, others may refuse single records.

        Raises:
            UnknownTopicError: A topic does not exist. Nothing was appended.
            UnknownPartitionError: A partition does not exist. Nothing was appended.
            UnavailableError: The log cannot be written now. The embedded log has appended nothing; of another it is
                not known.
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

    def partitions(self, topic: str) -> list[Partition]:
        """The partitions that can be read, in the order of their numbers. Quick: counts nothing.

        Raises:
            UnknownTopicError: The topic does not exist.
        """

    def ranges(self, topic: str, known: Mapping[int, str] | None = None) -> list[PartitionRange]:
        """What each partition holds now, in partition order.

        A log that does not count its records counts on from the `known` positions, or else from its begin: it reads
        them. Known partitions that are no longer there are told as they are known.

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
    def capabilities(self) -> Capabilities:
        """How it differs from the embedded log; always the same."""

    @property
    def identity(self) -> str:
        """Tells this log from every other one, such as an empty one put in its place; never changes."""

    @property
    def exact_from(self) -> int | None:
        """From which time on (microseconds since 1970 UTC) times of acceptance are exact; None where they never are.

        Exact: no two appends share one, and a later append has a later one, whichever partitions they go to.

        Raises:
            UnavailableError: The log cannot be read now.
        """

    @property
    def topics(self) -> TopicAdmin:
        """Create, list and delete topics."""


class IdempotentLog(EventLog, Protocol):
    """A log that can take a request once, however often it comes and through however many processes."""

    def append_once(
        self, batches: Sequence[ProduceBatch], tokens: Sequence[IdempotencyKey]
    ) -> list[AppendResult]:
        """Append as `append` does, and keep the tokens in the same write: both are durable or neither.

        Tokens that have expired are removed on the way, a bounded number at a time.

        Raises:
            RepeatedError: One of the tokens is kept already, or given twice. Nothing was appended.
            UnknownTopicError: As in `append`, and so are the others.
        """

    def answered(self, keys: Sequence[bytes]) -> dict[bytes, StoredResponse]:
        """What was kept under these keys and has not expired. Blocks as a read does.

        Raises:
            UnavailableError: The log cannot be read now.
        """


def answering(log: EventLog) -> IdempotentLog | None:
    """The log as one that takes a request once, None if it cannot."""
    return cast("IdempotentLog", log) if hasattr(log, "append_once") else None


class WatchedLog(EventLog, Protocol):
    """A log whose own tools show how far its readers are."""

    def committed(self, reader: str, topic: str, positions: Mapping[int, str]) -> None:
        """Tell them that a reader (`land`, `stream`) has committed all before these positions.

        Only for show: nothing is read from there. Safe to repeat; a failure is logged and passed over.
        """


def watched(log: EventLog) -> WatchedLog | None:
    """The log as one whose own tools show its readers, None if it has none."""
    return cast("WatchedLog", log) if hasattr(log, "committed") else None


class Examined(EventLog, Protocol):
    """A log that can look at itself."""

    def examine(self) -> list[Finding]:
        """What is worth knowing or mending; none if all is well. Writes nothing.

        Raises:
            UnavailableError: It cannot be reached, or may not be looked at.
        """


def examined(log: EventLog) -> Examined | None:
    """The log as one that can look at itself, None if it cannot."""
    return cast("Examined", log) if hasattr(log, "examine") else None


class TopicAdmin(Protocol):
    """The topics of a log."""

    def list(self) -> dict[str, int]:
        """Topic name → number of partitions, in the order of names."""

    def readable(self) -> builtins.list[str]:
        """The names of all topics that can be read: those of `list`, and deleted ones that still hold records."""

    def configs(self, topic: str) -> dict[str, str]:
        """The settings of a topic under the names that Kafka has for them, as far as the log knows any.

        Raises:
            UnavailableError: The log cannot be asked now.
        """

    def create(self, topic: str, partitions: int) -> None:
        """Create a topic.

        Raises:
            TopicExistsError: The topic is there already.
        """

    def delete(self, topic: str) -> None:
        """Delete a topic: nobody can append to it any more.

        Where the log `keeps_deleted`, what it took stays to be read, so that no job misses it, and offsets never start
        again: a new topic of the name counts on. Elsewhere its records are gone, and a job that stands in it is told
        so by a `GapError` or a `CorruptError`.

        Raises:
            UnknownTopicError: The topic does not exist.
        """


def partition_for(key: bytes, partitions: int) -> int:
    """The partition that records of a key go to, always the same for a number of partitions."""
    return crc32(key) % partitions
