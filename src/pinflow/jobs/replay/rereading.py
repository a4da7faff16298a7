"""Reading a topic again from its beginning up to the positions of its job, from the landing zone or from the log.

The progress of a build is counted in records, so that positions need not be compared: only the log can compare them,
and the position of a job may lie in the middle of a landing object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pinflow.errors import GapError
from pinflow.jobs.readers.readers import Reader, read_slice, unreadable_slice
from pinflow.steps.slices import LandedSlice, LogSlice, Slice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pinflow.config import Batch
    from pinflow.lake.landing.zone import Landed, Landing
    from pinflow.log import Chunk, EventLog

__all__ = ["RereadTarget", "Rereader"]


class RereadTarget(NamedTuple):
    """The end of a reading: a position, and the number of records from the beginning of the partition up to it."""

    position: str
    records: int


class Rereader(Reader):
    """A `Reader` that ends at targets.

    Args:
        topic: The name of the topic.
        log: Read for records that no landing object holds, if `tail`.
        landing: The landing zone; None to read the log alone.
        config: Limits of one step.
        targets: Partition → where to stop.
        done: Returns partition → records read already; called before each step.
        tail: Whether to read exactly up to the targets; else only whole landing objects, as targets may still move.
    """

    def __init__(
        self,
        topic: str,
        log: EventLog,
        landing: Landing | None,
        config: Batch,
        targets: dict[int, RereadTarget],
        done: Callable[[], dict[int, int]],
        *,
        tail: bool,
    ) -> None:
        self._topic = topic
        self._log = log
        self._landing = landing
        self._manifest = landing.follow(topic) if landing is not None else None
        self._config = config
        self._targets = targets
        self._done = done
        self._tail = tail or landing is None

    def fetch_next(self, positions: dict[int, str]) -> Sequence[Slice]:
        """See `Reader.fetch_next`: one partition in each step."""
        done = self._done()
        objects = self._manifest.objects() if self._manifest is not None else []
        for partition, target in sorted(self._targets.items()):
            so_far = done.get(partition, 0)
            if so_far >= target.records:
                continue
            mine = [each for each in objects if each.partition == partition]
            piece: Slice | None = self._next_landed_slice(mine, so_far, target, positions.get(partition))
            if piece is None and self._tail:
                piece = self._next_log_slice(partition, so_far, target, positions.get(partition))
            if piece is not None:
                return [piece]
        return []

    def has_foreign_times(self) -> bool:
        """See `Reader.has_foreign_times`."""
        return self._landing is None and self._log.exact_from is None

    def read(self, slices: Iterable[Slice]) -> Iterator[Chunk]:
        """See `Reader.read`."""
        for piece in slices:
            if isinstance(piece, LogSlice):
                yield read_slice(self._log, self._topic, piece)
                continue
            if not isinstance(piece, LandedSlice) or self._landing is None or self._manifest is None:
                raise unreadable_slice(self._topic, piece)
            known = {each.path: each for each in self._manifest.objects()}
            skip, left = piece.skip, piece.records
            for whole in self._landing.read_all(known[path] for path in piece.objects):
                chunk = whole.slice(skip, skip + left)
                left -= len(chunk)
                skip = 0
                yield chunk

    def _next_landed_slice(
        self, objects: list[Landed], so_far: int, target: RereadTarget, position: str | None
    ) -> LandedSlice | None:
        """The next records in landing objects; None if there are none, or no whole object before the target."""
        skip = so_far
        while objects and skip >= objects[0].records:
            skip -= objects[0].records
            objects = objects[1:]
        wanted = target.records - so_far
        taken: list[Landed] = []
        records, nbytes = -skip, 0
        for each in objects:
            full = records + each.records > self._config.max_records or (
                nbytes + each.bytes > self._config.max_bytes
            )
            beyond = records + each.records > wanted
            if (taken and full) or (beyond and not self._tail) or records >= wanted:
                break
            taken.append(each)
            records += each.records
            nbytes += each.bytes
        if not taken:
            return None
        whole = records <= wanted
        return LandedSlice(
            partition=taken[0].partition,
            start=taken[0].first if not skip else (position or taken[0].first),
            end=taken[-1].next if whole else target.position,
            records=min(records, wanted),
            objects=[each.path for each in taken],
            skip=skip,
        )

    def _next_log_slice(
        self, partition: int, so_far: int, target: RereadTarget, position: str | None
    ) -> LogSlice:
        wanted = target.records - so_far
        chunk = self._log.read(
            self._topic,
            partition,
            position,
            max_records=min(wanted, self._config.max_records),
            max_bytes=self._config.max_bytes,
        )
        if not len(chunk) or (len(chunk) == wanted and chunk.end != target.position):
            raise GapError(
                f"the log does not hold the {target.records} records from the beginning to {target.position}",
                where=f"{self._topic} partition {partition}",
                hint="pinflow replay, without --from log",
            )
        return LogSlice(partition, chunk.start, chunk.end, len(chunk))
