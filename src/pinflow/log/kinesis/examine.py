"""What `doctor` asks of Kinesis, and whose account it is."""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from pinflow.errors import PinflowError, UnavailableError
from pinflow.findings import Finding
from pinflow.log.kinesis.errors import DENIED, GONE, INVALID, PERMISSIONS, THROTTLED, Failure
from pinflow.log.kinesis.place import shard_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinflow.log.kinesis.client import Client
    from pinflow.log.kinesis.streams import Streams
    from pinflow.log.kinesis.url import KinesisSettings

__all__ = ["account_of", "findings"]

NOBODY = "pinflow-asks-whose-account-this-is"
"""A stream that nobody has: Kinesis says whose account it looked in."""

ACCOUNT = re.compile(r"\b(?:account |:)(\d{12})\b")
"""In "Stream x under account 123456789012 not found.", and in the ARN of what one may not describe."""

SKEW_S = 60.0
"""Kinesis refuses requests that are signed five minutes off."""

FEW_HOURS = 24
"""Kinesis' least and default retention: a pipeline that is stopped for a day loses records."""

BEYOND = str(1 << 128)
"""No hash key is so large: a record that asks for it is refused as invalid, after the permission was looked at."""


def account_of(client: Client, address: KinesisSettings, where: str) -> str:
    """The number of the account, by `DescribeStreamSummary` alone: there may be no stream yet.

    Raises:
        UnavailableError: Kinesis cannot be asked, or does not say.
    """
    try:
        told = client.ask("describe_stream_summary", StreamName=f"{address.prefix}{NOBODY}"[:128])
        said = str(told["StreamDescriptionSummary"]["StreamARN"])
    except Failure as failure:
        if failure.code not in GONE | DENIED:
            raise failure.told("answer", "", where) from failure
        said = failure.message
    numbers = ACCOUNT.findall(said)
    if numbers:
        return str(numbers[-1])  # of what was asked for; who asks stands before it
    raise UnavailableError(
        "Kinesis does not say whose account it is",
        where=where,
        hint="name it: account=123456789012 in log.url",
    )


def findings(client: Client, address: KinesisSettings, streams: Streams) -> list[Finding]:
    """What is worth knowing or mending.

    Raises:
        UnavailableError: Kinesis cannot be reached, or its streams may not be listed.
    """
    topics = streams.topics()
    found = [*_skew(client)]
    short = []
    for topic in topics:
        found += _of_stream(client, address, streams, topic)
        if _keeps_hours(streams, topic) <= FEW_HOURS:
            short.append(topic)
    if short:
        more = f" and {len(short) - 1} more" if len(short) > 1 else ""
        found.append(
            Finding(
                f"{short[0]}{more}: records leave the stream after {FEW_HOURS} hours, read or not",
                "set a longer retention, which outlasts a weekend",
            )
        )
    return found


def _skew(client: Client) -> Iterator[Finding]:
    try:
        answer = client.ask("list_streams", Limit=1)
    except Failure as failure:
        raise failure.told("list streams", "", "log.url") from failure
    told = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    if told is None:
        return
    ahead = time.time() - parsedate_to_datetime(told).timestamp()
    if abs(ahead) >= SKEW_S:
        yield Finding(
            f"this machine's clock is {ahead:+.0f} s off that of Kinesis, which refuses what is 300 s off",
            "set this machine's clock by NTP",
        )


def _of_stream(client: Client, address: KinesisSettings, streams: Streams, topic: str) -> Iterator[Finding]:
    try:
        described, shards = streams.described(topic), streams.shards(topic)
    except PinflowError as error:
        yield Finding(f"{topic}: {error.what}", error.hint, broken=True)
        return
    if described.status not in {"ACTIVE", "UPDATING"}:
        yield Finding(f"{topic}: the stream is {described.status}", "wait, and look again")
        return
    if not described.by_key:
        yield Finding(
            f"{topic}: the stream spreads records as it likes (record distribution AUTO), so those of one post are not"
            " in order",
            "set it to USER_PARTITION_KEY",
            broken=True,
        )
    number = next((shard.number for shard in shards if not shard.closed), 0)
    for action, failure in (
        ("put", _put(client, address, topic)),
        ("read", _read(client, address, topic, number)),
    ):
        if failure is None:
            continue
        if failure.code in DENIED:
            what = f"{topic}: this principal may not {action} records: {failure.message}"
            yield Finding(what, PERMISSIONS, broken=True)
        elif failure.code in THROTTLED:
            yield Finding(
                f"{topic}: it is being throttled: {failure}", "see who else reads it, or split its shards"
            )
        else:
            what = f"{topic}: records cannot be {action} now: {failure}"
            yield Finding(what, "look again in a minute", broken=True)


def _keeps_hours(streams: Streams, topic: str) -> int:
    try:
        return streams.described(topic).retention_hours
    except PinflowError:
        return FEW_HOURS + 1  # that it cannot be described is told already


def _put(client: Client, address: KinesisSettings, topic: str) -> Failure | None:
    """Try to put what cannot be put, so that only the permission is tried."""
    record = {"Data": b"", "PartitionKey": "doctor", "ExplicitHashKey": BEYOND}
    try:
        client.put(StreamName=address.stream(topic), Records=[record])
    except Failure as failure:
        return None if failure.code in INVALID else failure
    return None


def _read(client: Client, address: KinesisSettings, topic: str, number: int) -> Failure | None:
    try:
        iterator = client.read(
            "get_shard_iterator",
            StreamName=address.stream(topic),
            ShardId=shard_id(number),
            ShardIteratorType="LATEST",
        )["ShardIterator"]
        client.read("get_records", ShardIterator=iterator, Limit=1)
    except Failure as failure:
        return failure
    return None
