"""`EventLog` on Kinesis."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from pinflow.config import mask
from pinflow.errors import (
    GapError,
    PinflowError,
    UnavailableError,
    UnknownPartitionError,
    UnknownTopicError,
)
from pinflow.log.kinesis.client import Client
from pinflow.log.kinesis.examine import account_of, findings
from pinflow.log.kinesis.pacing import Paces
from pinflow.log.kinesis.place import Place, first_offset
from pinflow.log.kinesis.put import Put
from pinflow.log.kinesis.read import Cursor, Cursors, Wanted, gap_of
from pinflow.log.kinesis.records import Outgoing, appended, outgoing
from pinflow.log.kinesis.streams import CreatingError, Streams
from pinflow.log.kinesis.topics import KinesisTopics
from pinflow.log.kinesis.url import parse_url
from pinflow.log.records import (
    ANYWHERE,
    AppendResult,
    Capabilities,
    Chunk,
    Partition,
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
"""Read at once to count them."""


_log = logging.getLogger(__name__)


class KinesisLog:
    """`EventLog` on Kinesis, `kinesis://<region>/<prefix>?option=value`."""

    capabilities = Capabilities(
        assigns_partitions=True, managed=True, retains_deleted=False, trims=False, text_keys_only=True
    )

    def __init__(self, url: str, *, read_only: bool = False) -> None:  # noqa: ARG002 - streams are made by `topics` alone
        self._address = parse_url(url)
        self._where = mask(url)
        self._client = Client(self._address)
        self._streams = Streams(self._client, self._address, self._where)
        self._put = Put(self._client, self._address, self._put_paced, self._missing)
        self._puts = Paces(PUT_RECORDS_A_SECOND, PUT_BYTES_A_SECOND)
        self._reads = Paces(self._address.reads)
        self._cursors = Cursors()
        self._counters = Cursors()
        self._counted: dict[tuple[str, int], Place] = {}
        self._identity = ""
        self.topics = KinesisTopics(self._client, self._address, self._streams, self._forget)

    def append(self, batches: Sequence[ProduceBatch]) -> list[AppendResult]:
        """See `EventLog.append`: records are taken or refused singly, those of a route in order.

        An error is raised only where it is the same kind for all, and nothing was appended.
        """
        prepared = [self._outgoing(batch) for batch in batches]
        self._put.put(each for batch in prepared for each in batch if isinstance(each, Outgoing))
        became = [appended(each) for each in prepared]
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
        made = self._streams.described(topic).made
        place = Place.of(position) if position is not None else Place(0, "", made)
        wanted = Wanted(topic, self._address.stream(topic), partition)
        if place.made != made:
            raise GapError(
                "the stream was deleted and made again since; what it held before is gone",
                where=f"{wanted} of {self._where}",
                hint="give the new stream a lake of its own (lake.url), or another name",
            )
        if not any(shard.number == partition for shard in self._streams.shards(topic)):
            return self._nothing_of(wanted, place)
        cursor = self._cursors.take(wanted, place) or Cursor(
            self._client, wanted, place, checked=True, skip=self._address.gaps == "skip"
        )
        try:
            found = cursor.read(max(1, max_records), max_bytes, self._read_paced(wanted))
        finally:
            self._cursors.put(wanted, cursor)
        first = first_offset(partition, place.before)
        return Chunk(
            topic=topic,
            partition=partition,
            start=str(place),
            end=str(cursor.place),
            offsets=list(range(first, first + len(found))),
            timestamps=[round(each["ApproximateArrivalTimestamp"].timestamp() * 1_000_000) for each in found],
            records=Records(
                [each["Data"] for each in found], [each["PartitionKey"].encode() for each in found] or None
            ),
        )

    def partitions(self, topic: str) -> list[Partition]:
        """See `EventLog.partitions`: the shards, as they were seconds ago at most."""
        return [
            Partition(
                shard.number, shard.closed, shard.parents, shard.first, shard.last, (shard.low, shard.high)
            )
            for shard in self._streams.shards(topic)
        ]

    def ranges(self, topic: str, known: Mapping[int, str] | None = None) -> list[PartitionRange]:
        """See `EventLog.ranges`: counted by reading on, once in the life of this object."""
        made = self._streams.described(topic).made
        begin = Place(0, "", made)
        places = {
            shard.number: self._end_of(topic, shard.number, begin, known)
            for shard in self._streams.shards(topic)
        }
        for partition, position in (known or {}).items():
            places.setdefault(partition, Place.of(position))
        return [
            PartitionRange(partition, str(begin), str(place), place.before)
            for partition, place in sorted(places.items())
        ]

    def _end_of(self, topic: str, partition: int, begin: Place, known: Mapping[int, str] | None) -> Place:
        places = [begin, self._counted.get((topic, partition), begin)]
        if known and partition in known:
            places.append(Place.of(known[partition]))
        place = max(each for each in places if each.made == begin.made)
        wanted = Wanted(topic, self._address.stream(topic), partition)
        cursor = self._counters.take(wanted, place) or Cursor(
            self._client, wanted, place, checked=False, skip=True
        )
        try:
            began = time.time()
            while cursor.read(COUNTED_RECORDS, COUNTED_BYTES, self._read_paced(wanted)):
                if cursor.was_at_end(began):  # more comes all the while
                    break
        finally:
            self._counters.put(wanted, cursor)
            self._counted[topic, partition] = cursor.place
        return cursor.place

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

    def examine(self) -> list[Finding]:
        """See `Examined.examine`."""
        return findings(self._client, self._address, self._streams)

    @property
    def exact_from(self) -> int | None:
        """See `EventLog.exact_from`: records of one millisecond may be in several shards."""
        return None

    @property
    def identity(self) -> str:
        """See `EventLog.identity`: account, region and prefix. A stream made again is told by its positions."""
        if not self._identity:
            account = self._address.account or account_of(self._client, self._address, self._where)
            self._identity = f"kinesis:{account}:{self._address.region}:{self._address.prefix}"
        return self._identity

    def close(self) -> None:
        """See `EventLog.close`."""
        self._put.close()
        self._streams.close()
        self._client.close()

    def _outgoing(self, batch: ProduceBatch) -> list[Outgoing | PinflowError]:
        try:
            largest = self._streams.described(batch.topic, wait=False).record_bytes
            by_number = batch.partition != ANYWHERE
            shards = self._streams.shards(batch.topic, wait=False) if by_number or self._address.pace else []
        except PinflowError as error:
            return [error] * len(batch.records)
        if not shards and by_number:
            return [self._missing(batch.topic)] * len(batch.records)
        return outgoing(batch, shards, largest)

    def _missing(self, topic: str) -> PinflowError:
        """Why a stream takes nothing that Kinesis does not know."""
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

    def _nothing_of(self, wanted: Wanted, place: Place) -> Chunk:
        """What is read of a shard that has left its stream, or was never in it, if anything may be."""
        if not place.before:
            raise UnknownPartitionError(
                f"topic {wanted.topic!r} has no partition {wanted.shard}, or its retention has passed",
                where=self._where,
            )
        gap = gap_of(wanted, "its retention has passed, and it may have held records that were not read")
        if self._address.gaps != "skip":
            raise gap
        _log.warning("%s: %s: going on without them", wanted, gap.what)
        return Chunk(wanted.topic, wanted.shard, str(place), str(place), [], [], Records([]))

    def _put_paced(self, record: Outgoing) -> float:
        if not self._address.pace or record.bound_for is None:
            return 0.0
        return self._puts.taken(record.topic, record.bound_for, 1, record.size)

    def _read_paced(self, wanted: Wanted) -> Callable[[], None]:
        def wait() -> None:
            while self._address.pace and (seconds := self._reads.taken(wanted.topic, wanted.shard, 1)):
                time.sleep(seconds)

        return wait
