"""land: copy records from the log to the landing zone.

Each topic of the log has its own job. The job buffers a partition's records until there are enough of them, or until
the oldest has waited long enough by the wall clock, whether or not more arrive.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from arro3.core import Array, DataType
from arro3.core import Table as Arrow

from pinflow.errors import TerminalError, UnknownTopicError
from pinflow.jobs.readers.acceptance import Acceptance
from pinflow.jobs.readers.partition_order import PartitionOrder
from pinflow.jobs.readers.readers import read_slice
from pinflow.lake.landing.layout import FROM_LOG, object_path
from pinflow.lake.tables.protocol import Append, StepTable, Table
from pinflow.log import Chunk, EventLog, Records, shows_progress
from pinflow.steps.plan import Plan, Receipt, Tally, slices_of
from pinflow.steps.slices import LogSlice, Slice
from pinflow.steps.standing import read_standing
from pinflow.steps.steps import Job, Prepared

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pinflow.config import Land
    from pinflow.jobs.runtime import Runtime
    from pinflow.lake.landing.zone import Landed, Landing
    from pinflow.log import Partition

__all__ = ["LandJob", "land_jobs", "land_positions", "prepare_landing"]


GATHER_S = 1.0
"""How long one partition is read at a time: if records keep arriving, the other partitions have their turn."""


class LandJob(Job):
    """A `Job` that lands one topic."""

    kind = "land"

    def __init__(
        self, topic: str, log: EventLog, landing: Landing, config: Land, *, drain: bool = False
    ) -> None:
        self.name = f"land/{topic}"
        self.table = landing.manifest
        self._topic = topic
        self._log = log
        self._landing = landing
        self._config = config
        self._drain = drain
        self._order = PartitionOrder(lambda: log, topic)
        self._buffers: dict[int, _FlushBuffer] = {}
        self._owned = False

    def fetch_next(self, positions: dict[int, str]) -> Sequence[Slice]:
        """See `Job`: the partitions that are due.

        Raises:
            TerminalError: The lake cannot hold the topic's objects, or holds objects that pinflow did not write.
        """
        slices: list[Slice] = []

        def read(partition: Partition) -> bool:
            number = partition.number
            buffer = self._fill_buffer(number, positions.get(number))
            if buffer.records and (self._drain or partition.closed or buffer.is_due(self._config)):
                self._landing.require_path_fits(object_path(FROM_LOG, self._topic, number, buffer.first))
                slices.append(LogSlice(number, buffer.start, buffer.end, buffer.records))
            return buffer.records > 0

        try:
            self._order.walk(self._log.describe(self._topic), positions, read)
        except UnknownTopicError:
            return []  # the topic was deleted after it was listed
        if slices and not self._owned:
            self._require_own(first=not positions)
        return slices

    def prepare(self, plan: Plan, before: Mapping[int, Tally]) -> Prepared:
        """See `Job`: write the objects; the commit appends their manifest rows."""
        acceptance = Acceptance(before, plan.made_at if self._log.exact_from is None else None)
        chunks = acceptance.correct_times(map(self._read_chunk, slices_of(plan, LogSlice)))
        return prepare_landing(plan, self.table, self._landing.write_all(chunks), acceptance)

    def after_commit(self, plan: Plan, receipt: Receipt) -> None:  # noqa: ARG002 - the protocol passes it
        """See `Job`: publish the positions, so that the log's own tools can show the lag."""
        if shows_progress(self._log):
            self._log.show_progress("land", self._topic, plan.positions)

    def _require_own(self, *, first: bool) -> None:
        """Check once that the topic's landed records came from this log, or that their offsets continue in it.

        Raises:
            TerminalError: Another sink wrote them: they would be overwritten, or offsets would occur twice.
        """
        where = f"topics/{self._topic}"
        if first and self._landing.holds(self._topic):
            raise TerminalError(
                "the landing zone holds objects of this topic that pinflow did not write",
                where=where,
                hint="adopt them with pinflow land --adopt topics/, or choose another lake.url",
            )
        if not self._log.capabilities.keeps_offsets and self._was_adopted():
            raise TerminalError(
                "the topic was adopted from another sink, and its offsets begin anew in this log",
                where=where,
                hint="post to topics of another id, or choose another lake.url",
            )
        self._owned = True

    def _was_adopted(self) -> bool:
        """Whether the topic's last landing step adopted files of another sink."""
        plan = read_standing(self._landing.store, self.name, self.table).plan
        return plan is not None and plan.kind == "adopt"

    def _fill_buffer(self, partition: int, position: str | None) -> _FlushBuffer:
        buffer = self._buffers.get(partition)
        if buffer is None or position not in (None, buffer.start):
            buffer = self._buffers[partition] = _FlushBuffer(position)
        until = time.monotonic() + GATHER_S
        while not buffer.is_full(self._config):
            chunk = self._log.read(
                self._topic,
                partition,
                buffer.position,
                max_records=self._config.flush_records - buffer.records,
                max_bytes=self._config.flush_bytes - buffer.nbytes,
            )
            buffer.add(chunk)
            if not len(chunk) or time.monotonic() > until:
                break
        return buffer

    def _read_chunk(self, piece: LogSlice) -> Chunk:
        buffer = self._buffers.pop(piece.partition, None)
        if buffer is not None and (buffer.start, buffer.end) == (piece.start, piece.end):
            return buffer.chunk()
        return read_slice(self._log, self._topic, piece)


class _FlushBuffer:
    """Records of one partition that wait to be written."""

    def __init__(self, position: str | None) -> None:
        self.position = position
        self.chunks: list[Chunk] = []
        self.records = 0
        self.nbytes = 0
        self._seen_at = time.monotonic()

    @property
    def start(self) -> str:
        return self.chunks[0].start if self.chunks else (self.position or "")

    @property
    def first(self) -> int:
        return self.chunks[0].offsets[0]

    @property
    def end(self) -> str:
        return self.chunks[-1].end

    def add(self, chunk: Chunk) -> None:
        if not len(chunk):
            return
        if not self.chunks:
            self._seen_at = time.monotonic()
        self.chunks.append(chunk)
        self.position = chunk.end
        self.records += len(chunk)
        self.nbytes += chunk.nbytes

    def is_full(self, config: Land) -> bool:
        return self.records >= config.flush_records or self.nbytes >= config.flush_bytes

    def is_due(self, config: Land) -> bool:
        """Full, or old by the time of the oldest record; by how long it is held here, should the clock be set back."""
        age = time.time() - self.chunks[0].timestamps[0] / 1_000_000
        held = time.monotonic() - self._seen_at
        return self.is_full(config) or max(age, held) >= config.flush_seconds

    def chunk(self) -> Chunk:
        first = self.chunks[0]
        return Chunk(
            topic=first.topic,
            partition=first.partition,
            start=first.start,
            end=self.end,
            offsets=[offset for chunk in self.chunks for offset in chunk.offsets],
            timestamps=[stamp for chunk in self.chunks for stamp in chunk.timestamps],
            records=Records.concat([chunk.records for chunk in self.chunks]),
        )


def land_jobs(runtime: Runtime, *, drain: bool = False) -> list[LandJob]:
    """A job for every topic that the log has now."""
    config, log = runtime.config.land, runtime.bound_log
    return [LandJob(topic, log, runtime.landing, config, drain=drain) for topic in log.topics.readable()]


def land_positions(runtime: Runtime, topic: str, manifest: StepTable) -> dict[int, str]:
    """Partition → position up to which a topic has landed; empty before its first commit."""
    return read_standing(runtime.store, f"land/{topic}", manifest).positions


def prepare_landing(plan: Plan, manifest: Table, landed: list[Landed], acceptance: Acceptance) -> Prepared:
    """A step whose objects are written, one for each partition: the commit appends their manifest rows."""
    tallies = {each.partition: Tally(records=each.records, rows=each.records) for each in landed}
    return Prepared(
        acceptance.add_latest(tallies), [(manifest, Append(_manifest_rows(landed, plan.made_at)))]
    )


def _manifest_rows(landed: list[Landed], landed_at: int) -> Arrow:
    stamps = Array([landed_at * 1000] * len(landed), type=DataType.int64()).cast(
        DataType.timestamp("us", tz="UTC")
    )
    columns = {
        "path": Array([each.path for each in landed], type=DataType.string()),
        "topic": Array([each.topic for each in landed], type=DataType.string()),
        "partition": Array([each.partition for each in landed], type=DataType.int32()),
        "first": Array([each.first for each in landed], type=DataType.string()),
        "next": Array([each.next for each in landed], type=DataType.string()),
        "records": Array([each.records for each in landed], type=DataType.int64()),
        "bytes": Array([each.bytes for each in landed], type=DataType.int64()),
        "crc": Array([each.crc for each in landed], type=DataType.int64()),
        "landed_at": stamps,
    }
    return Arrow.from_arrays(list(columns.values()), names=list(columns))
