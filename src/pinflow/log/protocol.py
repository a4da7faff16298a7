"""What a log is, whatever stands behind it."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Protocol, TypeGuard
from zlib import crc32

if TYPE_CHECKING:
    import builtins
    from collections.abc import Mapping, Sequence

    from pinflow.findings import Finding
    from pinflow.log.partition import Partition
    from pinflow.log.records import (
        AppendResult,
        Capabilities,
        Chunk,
        IdempotencyKey,
        PartitionRange,
        ProduceBatch,
        StoredResponse,
    )

__all__ = [
    "EventLog",
    "IdempotentLog",
    "ProgressLog",
    "TopicAdmin",
    "is_idempotent",
    "partition_for",
    "shows_progress",
]


class EventLog(Protocol):
    """Ordered partitions of records.

    Positions are opaque text; only the log itself compares or makes them. Safe to use from several threads and, for
    reading, from several processes while another one appends.
    """

    @abstractmethod
    def append(self, batches: Sequence[ProduceBatch]) -> list[AppendResult]:
        """Append and return what became of each batch, in the order given.

        Blocks until every record is durable or refused. Not idempotent: a repeat appends again. An error applies to
        all batches; the embedded log takes all or nothing, others may refuse single records.

        Raises:
            UnknownTopicError: A topic does not exist. Nothing was appended.
            UnknownPartitionError: A partition does not exist. Nothing was appended.
            UnavailableError: The log cannot be written now. The embedded log has appended nothing; of another it is
                not known.
        """

    @abstractmethod
    def read(
        self, topic: str, partition: int, position: str | None, *, max_records: int, max_bytes: int
    ) -> Chunk:
        """Read at most `max_records` records and about `max_bytes` bytes from a position on (None: the begin).

        Does not wait for records. A record larger than `max_bytes` still comes, alone. Repeating gives the same.

        Raises:
            UnknownTopicError: The topic does not exist.
            UnknownPartitionError: The partition does not exist.
            GapError: The position lies before the first record still kept.
            CorruptError: A stored batch fails its checksum, or the log ends before the position.
        """

    @abstractmethod
    def describe(self, topic: str) -> list[Partition]:
        """The partitions that can be read, in the order of their numbers. Quick: counts nothing.

        Raises:
            UnknownTopicError: The topic does not exist.
        """

    @abstractmethod
    def ranges(self, topic: str, known: Mapping[int, str] | None = None) -> list[PartitionRange]:
        """What each partition holds now, in partition order.

        A log that does not count its records reads them to count them, from the `known` positions on, or else from
        its begin. Known partitions that are no longer there are returned as they are known.

        Raises:
            UnknownTopicError: The topic does not exist.
        """

    @abstractmethod
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

        Only what lies before every position of `committed` is dropped, and of that only what was accepted before
        `older_than_ms` or is followed by more than `keep_bytes` bytes; with both None nothing is. A backend may keep
        more than it is asked to. `accepted` of the range still counts what was dropped. Blocks; safe to repeat, and
        beside appends and reads.

        Raises:
            UnknownTopicError: The topic does not exist.
            UnavailableError: The log cannot be written now.
        """

    @abstractmethod
    def check(self) -> list[Finding]:
        """What is worth knowing or repairing; empty where all is well. Writes nothing.

        Raises:
            UnavailableError: The log cannot be reached, or does not let this user look.
        """

    @abstractmethod
    def close(self) -> None:
        """Release files and connections. Safe to repeat."""

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities:
        """How it differs from the embedded log; always the same."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """A text that no other log has, also not an empty one put in its place; never changes.

        Raises:
            UnavailableError: The log cannot be read now.
        """

    @property
    @abstractmethod
    def exact_from(self) -> int | None:
        """From which time on (microseconds since 1970 UTC) times of acceptance are exact; None where they never are.

        Exact: no two appends share one, and a later append has a later one, whichever partitions they go to.

        Raises:
            UnavailableError: The log cannot be read now.
        """

    @property
    @abstractmethod
    def topics(self) -> TopicAdmin:
        """Create, list and delete topics."""


class IdempotentLog(EventLog, Protocol):
    """A log that takes a request once, however often it is sent and through however many processes."""

    @abstractmethod
    def append_idempotent(
        self, batches: Sequence[ProduceBatch], keys: Sequence[IdempotencyKey]
    ) -> list[AppendResult]:
        """Append as `append` does, and store the keys in the same write: both are durable or neither.

        Keys that have expired are removed in the same write, a bounded number at a time.

        Raises:
            RepeatedError: One of the keys is stored already, or given twice. Nothing was appended.
            UnknownTopicError: As in `append`, and so are the others.
        """

    @abstractmethod
    def stored_responses(self, keys: Sequence[bytes]) -> dict[bytes, StoredResponse]:
        """The responses that are stored under these keys and have not expired. Blocks as a read does.

        Raises:
            UnavailableError: The log cannot be read now.
        """


def is_idempotent(log: EventLog) -> TypeGuard[IdempotentLog]:
    """Whether a log takes a request once; by its capabilities."""
    return log.capabilities.idempotent


class ProgressLog(EventLog, Protocol):
    """A log whose own tools show how far its readers are."""

    @abstractmethod
    def show_progress(self, reader: str, topic: str, positions: Mapping[int, str]) -> None:
        """Have those tools show that a reader (`land`, `stream`) has committed all before these positions.

        Only for display: nothing is read from there. Safe to repeat; a failure is logged and otherwise ignored.
        """


def shows_progress(log: EventLog) -> TypeGuard[ProgressLog]:
    """Whether a log's own tools show how far its readers are; by its capabilities."""
    return log.capabilities.shows_progress


class TopicAdmin(Protocol):
    """The topics of a log."""

    @abstractmethod
    def list(self) -> dict[str, int]:
        """Topic name → number of partitions, in the order of names."""

    @abstractmethod
    def readable(self) -> builtins.list[str]:
        """The names of all topics that can be read: those of `list`, and deleted ones that still hold records."""

    @abstractmethod
    def configs(self, topic: str) -> dict[str, str]:
        """The settings of a topic under the names that Kafka has for them, as far as the log knows any.

        Raises:
            UnavailableError: The log cannot be asked now.
        """

    @abstractmethod
    def create(self, topic: str, partitions: int) -> None:
        """Create a topic.

        Raises:
            TopicExistsError: The topic is there already.
        """

    @abstractmethod
    def delete(self, topic: str) -> None:
        """Delete a topic: nobody can append to it any more.

        Where the log `retains_deleted`, what it took stays to be read, so that no job misses it, and offsets never
        start again: a new topic of the name counts on. Elsewhere its records are gone, and a job that stands in it
        gets a `GapError` or a `CorruptError`.

        Raises:
            UnknownTopicError: The topic does not exist.
        """


def partition_for(key: bytes, partitions: int) -> int:
    """The partition that records of a key go to, always the same for a number of partitions."""
    return crc32(key) % partitions
