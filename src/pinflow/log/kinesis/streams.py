"""The streams and shards of a Kinesis log, remembered for a moment: how often Kinesis may be asked is limited."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from pinflow.errors import UnavailableError, UnknownTopicError
from pinflow.log.kinesis.errors import GONE, IN_USE, Failure
from pinflow.log.kinesis.fresh import TtlCache
from pinflow.log.kinesis.place import shard_number

if TYPE_CHECKING:
    from pinflow.log.kinesis.client import Client
    from pinflow.log.kinesis.url import KinesisSettings

__all__ = ["CreatingError", "Description", "Shard", "Streams"]

NAMES_FRESH_S = 2.0
"""`ListStreams` may be called five times a second by all of an account."""

SHARDS_FRESH_S = 5.0
"""So long may a split or a merge go unnoticed; what is read stays in order all the same."""

DESCRIPTION_FRESH_S = 10.0
"""`DescribeStreamSummary` may be called twenty times a second by all of an account."""


class Shard(NamedTuple):
    """A shard: the hashes from `low` to `high` go to it while it is open; it was made of its `parents`."""

    number: int
    low: int
    high: int
    parents: tuple[int, ...]
    first: str
    last: str

    @property
    def closed(self) -> bool:
        """Whether it takes nothing more."""
        return bool(self.last)


class Description(NamedTuple):
    """What is known of a stream besides its shards.

    Attributes:
        arn: Its full name.
        status: `CREATING`, `ACTIVE`, `UPDATING` or `DELETING`.
        made: When it was created, milliseconds since 1970 UTC.
        retention_hours: How long it keeps a record.
        record_bytes: The largest record, its partition key counted.
        by_key: Whether the hash of a record decides its shard.
        on_demand: Whether AWS chooses the number of its shards.
    """

    arn: str
    status: str
    made: int
    retention_hours: int
    record_bytes: int
    by_key: bool
    on_demand: bool


class CreatingError(UnavailableError):
    """Only this stream takes nothing yet, and tells nothing of its shards: the log as a whole is not away."""


class Streams:
    """Asks Kinesis about streams. Safe to use from several threads."""

    def __init__(self, client: Client, address: KinesisSettings, where: str) -> None:
        self._client = client
        self._address = address
        self._where = where
        self._beside = ThreadPoolExecutor(1, "pinflow-streams")
        self._names: TtlCache[list[str]] = TtlCache(NAMES_FRESH_S, self._beside, keep=False)
        self._shards: TtlCache[list[Shard]] = TtlCache(SHARDS_FRESH_S, self._beside, keep=True)
        self._descriptions: TtlCache[Description] = TtlCache(DESCRIPTION_FRESH_S, self._beside, keep=True)

    def close(self) -> None:
        """End the thread."""
        self._beside.shutdown(cancel_futures=True)

    def topics(self) -> list[str]:
        """The topics, sorted; those of streams that are being deleted are left out."""
        return self._names.get("", self._asked_names)

    def shards(self, topic: str, *, wait: bool = True) -> list[Shard]:
        """The shards of a stream by their numbers, closed ones included; none while it is being created.

        Without `wait` as they were, while they are asked for again, unless nothing was known of them.

        Raises:
            UnknownTopicError: There is no such stream.
        """
        shards = self._shards.get(topic, lambda: self._asked_shards(topic), wait=wait)
        if not shards:
            self._shards.forget(topic)
        return shards

    def described(self, topic: str, *, wait: bool = True) -> Description:
        """A stream's description; without `wait` as `shards`.

        Raises:
            UnknownTopicError: There is no such stream, or it is being deleted.
        """
        found = self._descriptions.get(topic, lambda: self._asked_description(topic), wait=wait)
        if found.status == "DELETING":
            raise UnknownTopicError(f"topic {topic!r} is being deleted", where=self._where)
        return found

    def status(self, topic: str) -> str:
        """A stream's status as it is now; empty if it is not there."""
        try:
            return self._asked_description(topic).status
        except UnknownTopicError:
            return ""

    def forget(self, topic: str) -> None:
        """Ask again at the next use."""
        self._names.forget("")
        self._shards.forget(topic)
        self._descriptions.forget(topic)

    def _asked_names(self) -> list[str]:
        names: list[str] = []
        deleting: set[str] = set()
        more: dict[str, Any] = {}
        while True:
            page = self._call("list_streams", "", **more)
            names += page["StreamNames"]
            deleting |= {
                each["StreamName"]
                for each in page.get("StreamSummaries", [])
                if each["StreamStatus"] == "DELETING"
            }
            if not page["HasMoreStreams"]:
                break
            more = {"ExclusiveStartStreamName": names[-1]}
        topics = [self._address.topic(name) for name in names if name not in deleting]
        return sorted({topic for topic in topics if topic is not None})

    def _asked_shards(self, topic: str) -> list[Shard]:
        shards: list[Shard] = []
        more: dict[str, Any] = {"StreamName": self._address.stream(topic)}
        while True:
            try:
                page = self._call("list_shards", topic, **more)
            except CreatingError:
                return []
            shards += map(_shard, page["Shards"])
            if not page.get("NextToken"):
                return sorted(shards)
            more = {"NextToken": page["NextToken"]}

    def _asked_description(self, topic: str) -> Description:
        told = self._call("describe_stream_summary", topic, StreamName=self._address.stream(topic))[
            "StreamDescriptionSummary"
        ]
        return Description(
            arn=told["StreamARN"],
            status=told["StreamStatus"],
            made=round(told["StreamCreationTimestamp"].timestamp() * 1000),
            retention_hours=told["RetentionPeriodHours"],
            record_bytes=told.get("MaxRecordSizeInKiB", 1024) << 10,
            by_key=told.get("RecordDistributionStrategy", "USER_PARTITION_KEY") == "USER_PARTITION_KEY",
            on_demand=told.get("StreamModeDetails", {}).get("StreamMode") == "ON_DEMAND",
        )

    def _call(self, operation: str, topic: str, **request: Any) -> dict[str, Any]:
        try:
            return self._client.ask(operation, **request)
        except Failure as failure:
            if failure.code in GONE:
                self.forget(topic)
            if failure.code in IN_USE:
                raise CreatingError(f"topic {topic!r} is being created", where=self._where) from None
            raise failure.told(f"answer {operation}", topic, self._where) from failure


def _shard(told: dict[str, Any]) -> Shard:
    parents = [told[name] for name in ("ParentShardId", "AdjacentParentShardId") if told.get(name)]
    return Shard(
        number=shard_number(told["ShardId"]),
        low=int(told["HashKeyRange"]["StartingHashKey"]),
        high=int(told["HashKeyRange"]["EndingHashKey"]),
        parents=tuple(sorted(map(shard_number, parents))),
        first=told["SequenceNumberRange"]["StartingSequenceNumber"],
        last=told["SequenceNumberRange"].get("EndingSequenceNumber", ""),
    )
