"""The log on Kinesis: `EventLog` put together from the modules beside this one."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, final

from pinflow.config import mask
from pinflow.errors import (
    GapError,
    PinflowError,
    UnavailableError,
    UnknownPartitionError,
    UnknownTopicError,
)
from pinflow.log.kinesis.check import account_of, check
from pinflow.log.kinesis.client import Client
from pinflow.log.kinesis.pacing import RateLimiter
from pinflow.log.kinesis.positions import ShardPosition, first_offset
from pinflow.log.kinesis.put import Put
from pinflow.log.kinesis.read import Cursor, Cursors, ShardRef, gap_error
from pinflow.log.kinesis.records import Outgoing, append_result, prepare
from pinflow.log.kinesis.stream_cache import CreatingError, Streams
from pinflow.log.kinesis.topics import KinesisTopics
from pinflow.log.kinesis.url import parse_url
from pinflow.log.partition import Partition, ShardRange
from pinflow.log.protocol import EventLog
from pinflow.log.records import (
    AppendResult,
    Capabilities,
    Chunk,
    PartitionRange,
    ProduceBatch,
    Records,
    raise_if_all_refused,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pinflow.findings import Finding

__all__ = ["KinesisLog"]

PUT_RECORDS_A_SECOND, PUT_BYTES_A_SECOND = 1_000.0, float(1 << 20)
"""What a shard takes, Kinesis' own limits."""

COUNTED_RECORDS, COUNTED_BYTES = 50_000, 64 << 20
"""How much is read at once to count it."""


_log = logging.getLogger(__name__)


@final
class KinesisLog(EventLog):
    """The log on Kinesis, `kinesis://<region>/<prefix>?option=value`."""

    capabilities = Capabilities(
        assigns_partitions=True,
        managed=True,
        retains_deleted=False,
        trims=False,
        text_keys_only=True,
        counts_records=False,
    )

    def __init__(self, url: str, *, read_only: bool = False) -> None:  # noqa: ARG002 - only `topics` creates streams
        self._settings = parse_url(url)
        self._where = mask(url)
        self._client = Client(self._settings)
        self._streams = Streams(self._client, self._settings, self._where)
        self._put = Put(self._client, self._settings, self._pace_put, self._missing_error)
        self._puts = RateLimiter(PUT_RECORDS_A_SECOND, PUT_BYTES_A_SECOND)
        self._reads = RateLimiter(self._settings.reads)
        self._cursors = Cursors()
        self._counters = Cursors()
        self._counted: dict[tuple[str, int], ShardPosition] = {}
        self._identity = ""
        self._topics = KinesisTopics(self._client, self._settings, self._streams, self._forget)

    def append(self, batches: Sequence[ProduceBatch]) -> list[AppendResult]:
        """See `EventLog.append`: records are taken or refused singly, those of a route in order.

        An error is raised only where it is the same kind for all, and nothing was appended.
        """
        prepared = [self._prepare(batch) for batch in batches]
        self._put.put(each for batch in prepared for each in batch if isinstance(each, Outgoing))
        became = [append_result(each) for each in prepared]
        for topic in {
            batch.topic
            for batch, each in zip(batches, became, strict=True)
            if any(isinstance(error, UnknownTopicError) for error in each.refused.values())
        }:
            self._forget(topic)
        raise_if_all_refused(became, sparing=CreatingError)
        return became

    def read(
        self, topic: str, partition: int, position: str | None, *, max_records: int, max_bytes: int
    ) -> Chunk:
        """See `EventLog.read`: pages until the end of the shard, or as much as is wanted."""
        made = self._streams.describe(topic).made
        at = ShardPosition.of(position) if position is not None else ShardPosition(0, "", made)
        ref = ShardRef(topic, self._settings.stream(topic), partition)
        if at.made != made:
            raise GapError(
                "the stream was deleted and made again since; what it held before is gone",
                where=f"{ref} of {self._where}",
                hint="give the new stream a lake of its own (lake.url), or another name",
            )
        if not any(shard.number == partition for shard in self._streams.shards(topic)):
            return self._read_departed(ref, at)
        cursor = self._cursors.take(ref, at) or Cursor(
            self._client, ref, at, checked=True, skip=self._settings.gaps == "skip"
        )
        try:
            found = cursor.read(max(1, max_records), max_bytes, self._pace_read(ref))
        finally:
            self._cursors.put(ref, cursor)
        first = first_offset(partition, at.before)
        return Chunk(
            topic=topic,
            partition=partition,
            start=str(at),
            end=str(cursor.position),
            offsets=list(range(first, first + len(found))),
            timestamps=[round(each["ApproximateArrivalTimestamp"].timestamp() * 1_000_000) for each in found],
            records=Records(
                [each["Data"] for each in found], [each["PartitionKey"].encode() for each in found] or None
            ),
        )

    def describe(self, topic: str) -> list[Partition]:
        """See `EventLog.describe`: the shards, as they were seconds ago at most."""
        return [
            Partition(
                shard.number,
                shard.closed,
                shard.parents,
                ShardRange(
                    int(shard.first), int(shard.last) if shard.closed else None, shard.low, shard.high
                ),
            )
            for shard in self._streams.shards(topic)
        ]

    def ranges(self, topic: str, known: Mapping[int, str] | None = None) -> list[PartitionRange]:
        """See `EventLog.ranges`: counted by reading on, once in the life of this object."""
        made = self._streams.describe(topic).made
        begin = ShardPosition(0, "", made)
        ends = {
            shard.number: self._find_end(topic, shard.number, begin, known)
            for shard in self._streams.shards(topic)
        }
        for partition, position in (known or {}).items():
            ends.setdefault(partition, ShardPosition.of(position))
        return [
            PartitionRange(partition, str(begin), str(at), at.before)
            for partition, at in sorted(ends.items())
        ]

    def _find_end(
        self, topic: str, partition: int, begin: ShardPosition, known: Mapping[int, str] | None
    ) -> ShardPosition:
        positions = [begin, self._counted.get((topic, partition), begin)]
        if known and partition in known:
            positions.append(ShardPosition.of(known[partition]))
        at = max(each for each in positions if each.made == begin.made)
        ref = ShardRef(topic, self._settings.stream(topic), partition)
        cursor = self._counters.take(ref, at) or Cursor(self._client, ref, at, checked=False, skip=True)
        try:
            began = time.time()
            while cursor.read(COUNTED_RECORDS, COUNTED_BYTES, self._pace_read(ref)):
                if cursor.was_at_end(began):  # more comes all the while
                    break
        finally:
            self._counters.put(ref, cursor)
            self._counted[topic, partition] = cursor.position
        return cursor.position

    def trim(
        self,
        topic: str,  # noqa: ARG002
        partition: int,  # noqa: ARG002
        committed: Sequence[str],  # noqa: ARG002
        *,
        older_than_ms: int | None,  # noqa: ARG002
        keep_bytes: int | None,  # noqa: ARG002
    ) -> int:
        """See `EventLog.trim`: drops nothing; a stream's own retention does."""
        return 0

    def check(self) -> list[Finding]:
        """See `EventLog.check`: the clock, the streams, and what this principal may do."""
        return check(self._client, self._settings, self._streams)

    @property
    def topics(self) -> KinesisTopics:
        """See `EventLog.topics`."""
        return self._topics

    @property
    def exact_from(self) -> int | None:
        """See `EventLog.exact_from`: records of one millisecond may be in several shards."""
        return None

    @property
    def identity(self) -> str:
        """See `EventLog.identity`: account, region and prefix. Positions show whether a stream was made again."""
        if not self._identity:
            account = self._settings.account or account_of(self._client, self._settings, self._where)
            self._identity = f"kinesis:{account}:{self._settings.region}:{self._settings.prefix}"
        return self._identity

    def close(self) -> None:
        """See `EventLog.close`."""
        self._put.close()
        self._streams.close()
        self._client.close()

    def _prepare(self, batch: ProduceBatch) -> list[Outgoing | PinflowError]:
        try:
            largest = self._streams.describe(batch.topic, wait=False).record_bytes
            by_number = batch.partition is not None
            shards = self._streams.shards(batch.topic, wait=False) if by_number or self._settings.pace else []
        except PinflowError as error:
            return [error] * len(batch.records)
        if not shards and by_number:
            return [self._missing_error(batch.topic)] * len(batch.records)
        return prepare(batch, shards, largest)

    def _missing_error(self, topic: str) -> PinflowError:
        """The error for a topic whose stream Kinesis does not know."""
        try:
            if self._streams.status(topic) == "CREATING":
                return CreatingError(
                    f"topic {topic!r} is being created; its stream takes records within a minute", where=topic
                )
        except UnavailableError as error:
            return error
        return UnknownTopicError(f"there is no topic {topic!r}", where=topic, hint="pinflow status")

    def _forget(self, topic: str) -> None:
        self._streams.forget(topic)
        self._cursors.forget(topic)
        self._counters.forget(topic)

    def _read_departed(self, ref: ShardRef, at: ShardPosition) -> Chunk:
        """The chunk of a shard that has left its stream, or was never in it: empty, with `gaps=skip`."""
        if not at.before:
            raise UnknownPartitionError(
                f"topic {ref.topic!r} has no partition {ref.shard}, or its retention has passed",
                where=self._where,
            )
        gap = gap_error(ref, "its retention has passed, and it may have held records that were not read")
        if self._settings.gaps != "skip":
            raise gap
        _log.warning("%s: %s: going on without them", ref, gap.what)
        return Chunk(ref.topic, ref.shard, str(at), str(at), [], [], Records([]))

    def _pace_put(self, record: Outgoing) -> float:
        if not self._settings.pace or record.bound_for is None:
            return 0.0
        return self._puts.take(record.topic, record.bound_for, 1, record.size)

    def _pace_read(self, ref: ShardRef) -> Callable[[], None]:
        def wait() -> None:
            while self._settings.pace and (seconds := self._reads.take(ref.topic, ref.shard, 1)):
                time.sleep(seconds)

        return wait
