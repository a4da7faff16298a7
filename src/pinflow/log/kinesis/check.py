"""What is worth knowing or repairing in the streams, for `pinflow doctor`, and whose account it is."""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from pinflow.errors import PinflowError, UnavailableError
from pinflow.findings import Finding
from pinflow.log.kinesis.errors import DENIED, GONE, INVALID, PERMISSIONS, THROTTLED, Failure
from pinflow.log.kinesis.positions import shard_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinflow.log.kinesis.client import Client
    from pinflow.log.kinesis.stream_cache import Streams
    from pinflow.log.kinesis.url import KinesisSettings

__all__ = ["account_of", "check"]

NOBODY = "pinflow-asks-whose-account-this-is"
"""The name of a stream that does not exist: Kinesis' error names the account in which it looked."""

ACCOUNT = re.compile(r"\b(?:account |:)(\d{12})\b")
"""In "Stream x under account 123456789012 not found.", and in the ARN of what one may not describe."""

SKEW_S = 60.0
"""Kinesis refuses requests that are signed five minutes off."""

FEW_HOURS = 24
"""Kinesis' least and default retention: a pipeline that is stopped for a day loses records."""

BEYOND = str(1 << 128)
"""Larger than any hash key: Kinesis refuses such a record as invalid after it has checked the permission."""


def account_of(client: Client, settings: KinesisSettings, where: str) -> str:
    """The number of the account, by `DescribeStreamSummary` alone: there may be no stream yet.

    Raises:
        UnavailableError: Kinesis cannot be reached, or does not name the account.
    """
    try:
        answer = client.ask("describe_stream_summary", StreamName=f"{settings.prefix}{NOBODY}"[:128])
        said = str(answer["StreamDescriptionSummary"]["StreamARN"])
    except Failure as failure:
        if failure.code not in GONE | DENIED:
            raise failure.translate("answer", "", where) from failure
        said = failure.message
    numbers = ACCOUNT.findall(said)
    if numbers:
        return str(numbers[-1])  # the stream's; the caller's stands before it
    raise UnavailableError(
        "Kinesis does not say whose account it is",
        where=where,
        hint="name it: account=123456789012 in log.url",
    )


def check(client: Client, settings: KinesisSettings, streams: Streams) -> list[Finding]:
    """What is worth knowing or repairing.

    Raises:
        UnavailableError: Kinesis cannot be reached, or its streams may not be listed.
    """
    topics = streams.topics()
    found = [*_check_clock(client)]
    short = []
    for topic in topics:
        found += _check_stream(client, settings, streams, topic)
        if _retention_hours(streams, topic) <= FEW_HOURS:
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


def _check_clock(client: Client) -> Iterator[Finding]:
    try:
        answer = client.ask("list_streams", Limit=1)
    except Failure as failure:
        raise failure.translate("list streams", "", "log.url") from failure
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    if date is None:
        return
    ahead = time.time() - parsedate_to_datetime(date).timestamp()
    if abs(ahead) >= SKEW_S:
        yield Finding(
            f"this machine's clock is {ahead:+.0f} s off that of Kinesis, which refuses what is 300 s off",
            "set this machine's clock by NTP",
        )


def _check_stream(
    client: Client, settings: KinesisSettings, streams: Streams, topic: str
) -> Iterator[Finding]:
    try:
        described, shards = streams.describe(topic), streams.shards(topic)
    except PinflowError as error:
        yield Finding(f"{topic}: {error.what}", error.hint, broken=True)
        return
    if described.status not in {"ACTIVE", "UPDATING"}:
        yield Finding(f"{topic}: the stream is {described.status}", "wait, and look again")
        return
    if not described.by_key:
        yield Finding(
            f"{topic}: the stream assigns records to shards freely (record distribution AUTO), so those of"
            " one post are not in order",
            "set it to USER_PARTITION_KEY",
            broken=True,
        )
    number = next((shard.number for shard in shards if not shard.closed), 0)
    for action, failure in (
        ("put", _try_put(client, settings, topic)),
        ("read", _try_read(client, settings, topic, number)),
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


def _retention_hours(streams: Streams, topic: str) -> int:
    try:
        return streams.describe(topic).retention_hours
    except PinflowError:
        return FEW_HOURS + 1  # that it cannot be described is a finding already


def _try_put(client: Client, settings: KinesisSettings, topic: str) -> Failure | None:
    """Put a record that cannot be put, so that only the permission is tried."""
    record = {"Data": b"", "PartitionKey": "doctor", "ExplicitHashKey": BEYOND}
    try:
        client.put(StreamName=settings.stream(topic), Records=[record])
    except Failure as failure:
        return None if failure.code in INVALID else failure
    return None


def _try_read(client: Client, settings: KinesisSettings, topic: str, number: int) -> Failure | None:
    try:
        iterator = client.read(
            "get_shard_iterator",
            StreamName=settings.stream(topic),
            ShardId=shard_id(number),
            ShardIteratorType="LATEST",
        )["ShardIterator"]
        client.read("get_records", ShardIterator=iterator, Limit=1)
    except Failure as failure:
        return failure
    return None
