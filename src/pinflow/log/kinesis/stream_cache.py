"""The streams and shards of a Kinesis log, remembered for a moment: how often Kinesis may be asked is limited."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from pinflow.errors import UnavailableError, UnknownTopicError
from pinflow.log.kinesis.errors import GONE, IN_USE, Failure
from pinflow.log.kinesis.positions import shard_number
from pinflow.log.kinesis.ttl_cache import TtlCache

if TYPE_CHECKING:
    from pinflow.log.kinesis.client import Client
    from pinflow.log.kinesis.url import KinesisSettings

__all__ = ["CreatingError", "Description", "Shard", "Streams"]

NAMES_TTL_S = 2.0
"""`ListStreams` may be called five times a second by all of an account."""

SHARDS_TTL_S = 5.0
"""A split or a merge may go unnoticed for this time; what is read stays in order all the same."""

DESCRIPTION_TTL_S = 10.0
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
    """This stream takes nothing yet, and does not show its shards. The log as a whole is available."""


class Streams:
    """Asks Kinesis about streams. Safe to use from several threads."""

    def __init__(self, client: Client, settings: KinesisSettings, where: str) -> None:
        self._client = client
        self._settings = settings
        self._where = where
        self._executor = ThreadPoolExecutor(1, "pinflow-streams")
        self._names: TtlCache[list[str]] = TtlCache(NAMES_TTL_S, self._executor, keep=False)
        self._shards: TtlCache[list[Shard]] = TtlCache(SHARDS_TTL_S, self._executor, keep=True)
        self._descriptions: TtlCache[Description] = TtlCache(DESCRIPTION_TTL_S, self._executor, keep=True)

    def close(self) -> None:
        """End the thread."""
        self._executor.shutdown(cancel_futures=True)

    def topics(self) -> list[str]:
        """The topics, sorted; those of streams that are being deleted are left out."""
        return self._names.get("", self._list_names)

    def shards(self, topic: str, *, wait: bool = True) -> list[Shard]:
        """The shards of a stream by their numbers, closed ones included; none while it is being created.

        Without `wait` they are those of the last answer, if any, while Kinesis is asked again in the background.

        Raises:
            UnknownTopicError: There is no such stream.
        """
        shards = self._shards.get(topic, lambda: self._list_shards(topic), wait=wait)
        if not shards:
            self._shards.forget(topic)
        return shards

    def describe(self, topic: str, *, wait: bool = True) -> Description:
        """A stream's description; without `wait` as `shards`.

        Raises:
            UnknownTopicError: There is no such stream, or it is being deleted.
        """
        found = self._descriptions.get(topic, lambda: self._ask_description(topic), wait=wait)
        if found.status == "DELETING":
            raise UnknownTopicError(f"topic {topic!r} is being deleted", where=self._where)
        return found

    def status(self, topic: str) -> str:
        """A stream's status as it is now; empty if it is not there."""
        try:
            return self._ask_description(topic).status
        except UnknownTopicError:
            return ""

    def forget(self, topic: str) -> None:
        """Ask again at the next use."""
        self._names.forget("")
        self._shards.forget(topic)
        self._descriptions.forget(topic)

    def _list_names(self) -> list[str]:
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
        topics = [self._settings.topic(name) for name in names if name not in deleting]
        return sorted({topic for topic in topics if topic is not None})

    def _list_shards(self, topic: str) -> list[Shard]:
        shards: list[Shard] = []
        more: dict[str, Any] = {"StreamName": self._settings.stream(topic)}
        while True:
            try:
                page = self._call("list_shards", topic, **more)
            except CreatingError:
                return []
            shards += map(_parse_shard, page["Shards"])
            if not page.get("NextToken"):
                return sorted(shards)
            more = {"NextToken": page["NextToken"]}

    def _ask_description(self, topic: str) -> Description:
        described = self._call("describe_stream_summary", topic, StreamName=self._settings.stream(topic))[
            "StreamDescriptionSummary"
        ]
        return Description(
            arn=described["StreamARN"],
            status=described["StreamStatus"],
            made=round(described["StreamCreationTimestamp"].timestamp() * 1000),
            retention_hours=described["RetentionPeriodHours"],
            record_bytes=described.get("MaxRecordSizeInKiB", 1024) << 10,
            by_key=described.get("RecordDistributionStrategy", "USER_PARTITION_KEY") == "USER_PARTITION_KEY",
            on_demand=described.get("StreamModeDetails", {}).get("StreamMode") == "ON_DEMAND",
        )

    def _call(self, operation: str, topic: str, **request: Any) -> dict[str, Any]:
        try:
            return self._client.ask(operation, **request)
        except Failure as failure:
            if failure.code in GONE:
                self.forget(topic)
            if failure.code in IN_USE:
                raise CreatingError(f"topic {topic!r} is being created", where=self._where) from None
            raise failure.translate(f"answer {operation}", topic, self._where) from failure


def _parse_shard(described: dict[str, Any]) -> Shard:
    parents = [described[name] for name in ("ParentShardId", "AdjacentParentShardId") if described.get(name)]
    return Shard(
        number=shard_number(described["ShardId"]),
        low=int(described["HashKeyRange"]["StartingHashKey"]),
        high=int(described["HashKeyRange"]["EndingHashKey"]),
        parents=tuple(sorted(map(shard_number, parents))),
        first=described["SequenceNumberRange"]["StartingSequenceNumber"],
        last=described["SequenceNumberRange"].get("EndingSequenceNumber", ""),
    )
