"""Stations killed at random with a stand-in for Kinesis as the log: every acknowledged record is there exactly once.

The client sends no `Idempotency-Key`: what was not acknowledged may be there or not, and is not sent again.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pinflow.config import Log
from pinflow.jobs.runtime import Runtime
from pinflow.log.kinesis.positions import first_offset, shard_id
from tests.crash.load import Client, Place, address_in, verify
from tests.crash.soak import kill_stations, small_steps
from tests.servers.kinesis import boto, url_of
from tests.servers.moto import CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KILLS = 14
RECORDS = 50
LIFE_S = (1.0, 5.0)
"""Long enough to come to work: boto3 is slow to start."""


def in_lineage(
    client: Any, prefix: str, acknowledged: Mapping[Place, bytes | None]
) -> dict[Place, bytes | None]:
    """Sequence numbers as a stock consumer finds them, turned into the offsets that the pipeline gives."""
    found: dict[Place, bytes | None] = {}
    for topic, shard in {(topic, shard) for topic, shard, _ in acknowledged}:
        iterator = client.get_shard_iterator(
            StreamName=prefix + topic, ShardId=shard_id(shard), ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        records = client.get_records(ShardIterator=iterator)["Records"]
        for index, record in enumerate(records):
            place = (topic, shard, int(record["SequenceNumber"]))
            if place in acknowledged:
                found[topic, shard, first_offset(shard, index)] = acknowledged[place]
    assert len(found) == len(acknowledged)
    return found


def test_what_was_acknowledged_over_kinesis_is_there_exactly_once_after_kills(
    tmp_path: Path, moto_kinesis_url: str
) -> None:
    seed = random.SystemRandom().randrange(1 << 30)
    print(f"seed {seed}")  # shown when the test fails
    prefix = f"{uuid4().hex[:8]}-"
    home = tmp_path / "home"
    settings = small_steps(
        home, Log(url=url_of(moto_kinesis_url, prefix, streams=f"{prefix}*"), partitions=2)
    )
    client = Client(lambda: address_in(home / "run" / "soak.url"))
    dead, _ = kill_stations(
        settings, client, KILLS, random.Random(seed), life_s=LIFE_S, env=CREDENTIALS, records=RECORDS
    )
    client.stop()
    assert dead >= KILLS
    assert client.doubled == []
    assert len(client.acknowledged) >= RECORDS
    with Runtime(settings) as runtime:
        verify(runtime, in_lineage(boto(moto_kinesis_url), prefix, client.acknowledged))
        values: Counter[bytes | None] = Counter()
        for topic in runtime.log.topics.list():
            for each in runtime.landing.objects(topic):
                values.update(runtime.landing.read(each).records.values)
    del values[b"null"]  # all are alike
    assert max(values.values()) == 1, "what was sent once is there once, acknowledged or not"
