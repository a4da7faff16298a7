"""Posts as the course's own scripts send them: the same answers, with whatever keys, and though older ones came before.

The scripts differ in the endpoint, in the partition key (none, one for all, a UUID for each record) and in how they
write a time (`isoformat()`, or `str()` of a datetime).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from pinflow import source
from pinflow.ask.ask import ask
from pinflow.jobs.maintain.maintain import maintain
from pinflow.jobs.reports.audit import audit
from pinflow.jobs.runtime import Runtime
from tests.gateway_client import KAFKA_JSON, Client, serving
from tests.pipeline import drain, table, topic
from tests.reference import answers, clean_geo, clean_pin, clean_user

if TYPE_CHECKING:
    from pinflow.config import Settings
    from pinflow.jobs.pipelines import Side

POSTS = 120
KINDS = {"pin": clean_pin, "geo": clean_geo, "user": clean_user}
OLDER: dict[str, dict[str, Any]] = {
    "pin": {"category": "older", "follower_count": "14M", "poster_name": "Older"},
    "geo": {"country": "Older", "timestamp": "2019-01-01 00:00:00"},
    "user": {"age": 99, "date_joined": "2016-01-01T00:00:00", "first_name": "Older"},
}
"""What an earlier record of each post says instead."""

Row = dict[str, Any]
Send = Callable[[Client, str, Row, str], int]


def batch(client: Client, name: str, row: Row, _key: str) -> int:
    return client.post(name, json.dumps({"records": [{"value": row}]}).encode(), KAFKA_JSON).status_code


def batch_with_keys(client: Client, name: str, row: Row, key: str) -> int:
    body = json.dumps({"records": [{"value": row, "key": key}]}).encode()
    return client.post(name, body, KAFKA_JSON).status_code


def stream(client: Client, name: str, row: Row, key: str) -> int:
    body = json.dumps({"StreamName": name, "Data": row, "PartitionKey": key}).encode()
    return client.put(f"{name}/record", body).status_code


def stream_many(client: Client, name: str, row: Row, key: str) -> int:
    body = json.dumps({"records": [{"data": row, "partition-key": key}]}).encode()
    return client.put(f"{name}/records", body).status_code


@pytest.mark.parametrize(
    ("side", "send", "separator", "own_keys"),
    [
        ("batch", batch, "T", False),
        ("batch", batch_with_keys, " ", True),
        ("stream", stream, " ", True),
        ("stream", stream, "T", False),
        ("stream", stream_many, "T", True),
    ],
    ids=["batch", "batch-uuid-keys", "stream-uuid-keys", "stream-one-key", "stream-records-uuid-keys"],
)
def test_they_give_the_emulators_answers(
    settings: Settings, side: Side, send: Send, separator: str, *, own_keys: bool
) -> None:
    random = Random(11)
    config = settings.config
    source.create(config.source.url, posts=POSTS, seed=3)
    with source.open_posts(config.source.url) as posts:
        found = posts.fetch(list(posts.numbers()))
    records = [(topic(side, name), json.loads(getattr(post, name)), name) for post in found for name in KINDS]
    older = [(to, row | OLDER[name], name) for to, row, name in records]
    random.shuffle(older)
    with Runtime(settings) as runtime:
        with serving(runtime.log, config) as client:
            for to, row, _ in [*older, *records]:
                for field in ("timestamp", "date_joined"):
                    if isinstance(row.get(field), str):
                        row[field] = row[field].replace("T", separator)
                key = str(UUID(int=random.getrandbits(128))) if own_keys else "partition-1"
                assert send(client, to, row, key) == 200
        drain(runtime)
        cleaned: list[Any] = [[clean(getattr(post, name)) for post in found] for name, clean in KINDS.items()]
        wanted = answers(*cleaned)
        for _ in range(2):
            answered = {name: [list(row) for row in each.rows] for name, each in ask(runtime, side).items()}
            assert answered == {name: [list(row) for row in rows] for name, rows in wanted.items()}
            outcome = audit(runtime, deep=True)
            assert outcome.problems == []
            mine = [line for line in outcome.lines if line.table in {table(side, name) for name in KINDS}]
            assert sum(line.cleaned for line in mine) == 3 * POSTS
            assert sum(line.superseded or 0 for line in mine) == 3 * POSTS
            maintain(runtime)
