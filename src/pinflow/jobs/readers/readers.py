"""What the cleaning jobs read from: the log, or the landing zone."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Protocol

from pinflow.errors import CorruptError, GapError, UnknownTopicError
from pinflow.jobs.readers.partition_order import PartitionOrder
from pinflow.log import shows_progress
from pinflow.steps.slices import LandedSlice, LogSlice, Slice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pinflow.config import Batch, Stream
    from pinflow.lake.landing.zone import Landed, Landing
    from pinflow.log import Chunk, EventLog, Partition
    from pinflow.steps.plan import Kind

__all__ = ["LandingReader", "LogReader", "Reader", "read_slice", "unreadable_slice"]

NO_LIMIT = 1 << 62


class Reader(Protocol):
    """Finds new records of a topic, and reads the records that a plan names.

    `kind` is the kind of the steps that its slices make.
    """

    kind: Kind = "clean"

    def fetch_next(self, positions: dict[int, str]) -> Sequence[Slice]:
        """The slices after these positions, within the limits of one step."""

    def read(self, slices: Iterable[Slice]) -> Iterable[Chunk]:
        """Read exactly the records of slices.

        Raises:
            GapError: Some records are missing.
        """

    def has_foreign_times(self) -> bool:
        """Whether times of acceptance come from clocks of other systems, so that one may lie in the future."""
        return False

    def show_progress(self, positions: dict[int, str]) -> None:  # noqa: ARG002 - most readers publish nothing
        """Publish the positions of a job; called after each commit, and once when the job starts."""
        return


class LogReader(Reader):
    """Reads a topic of the log, which is opened when first needed. `fetch_next` keeps what it reads for `read`."""

    def __init__(self, log: Callable[[], EventLog], topic: str, config: Stream) -> None:
        self._open_log = log
        self._topic = topic
        self._config = config
        self._order = PartitionOrder(log, topic)
        self._fetched: dict[int, Chunk] = {}

    def fetch_next(self, positions: dict[int, str]) -> Sequence[Slice]:
        """See `Reader.fetch_next`."""
        log = self._open_log()
        try:
            partitions = log.describe(self._topic)
        except UnknownTopicError:
            return []  # there was no post yet
        self._fetched.clear()

        def read(partition: Partition) -> bool:
            chunk = log.read(
                self._topic,
                partition.number,
                positions.get(partition.number),
                max_records=max(1, self._config.max_records // len(partitions)),
                max_bytes=max(1, self._config.max_bytes // len(partitions)),
            )
            if len(chunk):
                self._fetched[partition.number] = chunk
            return bool(len(chunk))

        try:
            self._order.walk(partitions, positions, read)
        except UnknownTopicError:
            self._fetched.clear()  # deleted meanwhile
        return [
            LogSlice(number, chunk.start, chunk.end, len(chunk)) for number, chunk in self._fetched.items()
        ]

    def read(self, slices: Iterable[Slice]) -> Iterable[Chunk]:
        """See `Reader.read`."""
        for piece in slices:
            if not isinstance(piece, LogSlice):
                raise unreadable_slice(self._topic, piece)
            chunk = self._fetched.pop(piece.partition, None)
            if chunk is not None and (chunk.start, chunk.end) == (piece.start, piece.end):
                yield chunk
            else:
                yield read_slice(self._open_log(), self._topic, piece)

    def has_foreign_times(self) -> bool:
        """See `Reader.has_foreign_times`."""
        return self._open_log().exact_from is None

    def show_progress(self, positions: dict[int, str]) -> None:
        """See `Reader.show_progress`: the log's own tools can then show the lag."""
        log = self._open_log()
        if shows_progress(log):
            log.show_progress("stream", self._topic, positions)


class LandingReader(Reader):
    """Reads a topic from the landing zone, by its manifest."""

    def __init__(self, landing: Landing, topic: str, config: Batch) -> None:
        self._landing = landing
        self._manifest = landing.follow(topic)
        self._topic = topic
        self._config = config

    def fetch_next(self, positions: dict[int, str]) -> Sequence[Slice]:
        """See `Reader.fetch_next`."""
        slices: list[Slice] = []
        records = nbytes = 0
        known = self._manifest.objects()
        for partition in sorted({each.partition for each in known}):
            objects = self._objects_from(known, partition, positions.get(partition))
            taken: list[Landed] = []
            for each in objects:
                if (slices or taken) and (
                    records + each.records > self._config.max_records
                    or nbytes + each.bytes > self._config.max_bytes
                ):
                    break
                taken.append(each)
                records += each.records
                nbytes += each.bytes
            if taken:
                slices.append(_make_slice(taken))
        return slices

    def read(self, slices: Iterable[Slice]) -> Iterable[Chunk]:
        """See `Reader.read`."""
        known = {each.path: each for each in self._manifest.objects()}
        landed = []
        for piece in slices:
            if not isinstance(piece, LandedSlice):
                raise unreadable_slice(self._topic, piece)
            landed.append(piece)
            for path in piece.objects:
                if path not in known:
                    raise GapError(
                        "an object of the plan is not in the manifest",
                        where=path,
                        hint="pinflow audit --deep",
                    )
        yield from self._landing.read_all(known[path] for piece in landed for path in piece.objects)

    def _objects_from(self, known: list[Landed], partition: int, position: str | None) -> list[Landed]:
        """The objects of a partition from a position on; each begins where the one before it ends."""
        objects = [each for each in known if each.partition == partition]
        if position is not None:
            firsts = [each.first for each in objects]
            if position not in firsts:
                return []
            objects = objects[firsts.index(position) :]
        for before, after in itertools.pairwise(objects):
            if before.next != after.first:
                raise GapError(
                    f"the landing zone has nothing from {before.next} to {after.first}",
                    where=f"{self._topic} partition {partition}",
                    hint="pinflow audit --deep",
                )
        return objects


def read_slice(log: EventLog, topic: str, piece: LogSlice) -> Chunk:
    """Read exactly the records of a slice from the log.

    Raises:
        GapError: Some of them are missing.
    """
    chunk = log.read(topic, piece.partition, piece.start, max_records=piece.records, max_bytes=NO_LIMIT)
    if (len(chunk), chunk.end) != (piece.records, piece.end):
        raise GapError(
            f"the log has {len(chunk)} of the {piece.records} records from {piece.start} to {piece.end}",
            where=f"{topic} partition {piece.partition}",
            hint="pinflow audit",
        )
    return chunk


def unreadable_slice(topic: str, piece: Slice) -> CorruptError:
    """The error for a plan with a kind of slice that its job does not read."""
    return CorruptError(
        f"a plan has a {type(piece).__name__}, which its job does not read",
        where=f"{topic} partition {piece.partition}",
        hint="pinflow audit --deep",
    )


def _make_slice(objects: list[Landed]) -> LandedSlice:
    return LandedSlice(
        partition=objects[0].partition,
        start=objects[0].first,
        end=objects[-1].next,
        records=sum(each.records for each in objects),
        objects=[each.path for each in objects],
    )
