"""The whole pipeline with its log on a stand-in for Kinesis, by the installed command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import urllib3

from tests.e2e.command import gateway, pinflow, pinflow_json
from tests.pipeline import ID, topic
from tests.servers.kinesis import boto, url_of

if TYPE_CHECKING:
    from pathlib import Path

    from pinflow.jobs.pipelines import Side

NAMES = ("pin", "geo", "user")
KAFKA = {"Content-Type": "application/vnd.kafka.json.v2+json"}
JSON = {"Content-Type": "application/json"}
POSTS = 40
SIDES: tuple[Side, ...] = ("batch", "stream")


@pytest.fixture
def home(tmp_path: Path, kinesalite_url: str, prefix: str) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    url = url_of(kinesalite_url, prefix)
    (home / "pinflow.toml").write_text(f'[log]\nurl = "{url}"\npartitions = 2\n')
    return home


def row(name: str, number: int) -> dict[str, Any]:
    if name == "pin":
        return {"index": number, "category": "art", "follower_count": "2k", "poster_name": "☃"}
    if name == "geo":
        return {
            "ind": number,
            "country": "Peru",
            "timestamp": "2020-01-02T03:04:05",
            "latitude": 1,
            "longitude": 2,
        }
    return {
        "ind": number,
        "first_name": "A",
        "last_name": "B",
        "age": 20,
        "date_joined": "2016-01-02T03:04:05",
    }


def post_all(url: str) -> dict[str, set[tuple[int, int, bytes]]]:
    """Post to both endpoints; stream → partition, sequence number and bytes of every record that was acknowledged."""
    found: dict[str, set[tuple[int, int, bytes]]] = {}
    for name in NAMES:
        values = [json.dumps(row(name, n), ensure_ascii=False).encode() for n in range(POSTS)]
        body = b'{"records":[' + b",".join(b'{"value":' + value + b"}" for value in values) + b"]}"
        answer = urllib3.request("POST", f"{url}/topics/{topic('batch', name)}", body=body, headers=KAFKA)
        assert answer.status == 200, answer.data
        entries = answer.json()["offsets"]
        found[topic("batch", name)] = {
            (entry["partition"], entry["offset"], value) for entry, value in zip(entries, values, strict=True)
        }
        body = b'{"records":[' + b",".join(b'{"data":' + value + b"}" for value in values) + b"]}"
        stream = topic("stream", name)
        answer = urllib3.request("PUT", f"{url}/streams/{stream}/records", body=body, headers=JSON)
        assert answer.status == 200, answer.data
        found[stream] = {
            (int(entry["ShardId"].removeprefix("shardId-")), int(entry["SequenceNumber"]), value)
            for entry, value in zip(answer.json()["Records"], values, strict=True)
        }
    return found


def consume(client: Any, stream: str) -> set[tuple[int, int, bytes]]:
    """Every record of a stream, as a stock consumer reads them."""
    found = set()
    for shard in client.list_shards(StreamName=stream)["Shards"]:
        iterator = client.get_shard_iterator(
            StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        number = int(shard["ShardId"].removeprefix("shardId-"))
        for record in client.get_records(ShardIterator=iterator)["Records"]:
            found.add((number, int(record["SequenceNumber"]), record["Data"]))
    return found


def test_the_road_over_kinesis_from_both_doors_to_the_answers(
    home: Path, prefix: str, kinesalite_url: str
) -> None:
    client = boto(kinesalite_url)
    with gateway(home) as url:
        posted = post_all(url)
        names = urllib3.request("GET", f"{url}/streams").json()["StreamNames"]
        assert names == sorted(topic(side, name) for side in SIDES for name in NAMES)
        described = urllib3.request("GET", f"{url}/streams/{names[0]}").json()["StreamDescription"]
        mine = client.list_shards(StreamName=prefix + names[0])["Shards"]
        assert described["Shards"] == mine
    for stream, records in posted.items():
        assert consume(client, prefix + stream) == records, (
            "a stock consumer reads what was acknowledged, byte by byte"
        )
    late = json.dumps(row("pin", 999)).encode()
    client.put_record(StreamName=prefix + topic("stream", "pin"), Data=late, PartitionKey="who knows")

    for job in ("land", "stream", "batch"):
        pinflow(job, "--drain", home=home)
    for side, pins in zip(SIDES, (POSTS, POSTS + 1), strict=True):
        table = "pin" if side == "batch" else f"{ID}_pin_table"
        sql = f'SELECT count(*) AS n, max(ind) AS last, max(poster_name) AS name FROM "{table}"'
        (answer,) = json.loads(pinflow("query", "--sql", sql, "--format", "json", home=home))
        assert answer == {"n": pins, "last": 999 if side == "stream" else POSTS - 1, "name": "☃"}
    audit = pinflow_json("audit", "--deep", home=home)
    assert audit["problems"] == []
    assert sum(line["accepted"] for line in audit["lines"]) == 6 * POSTS + 1
    status = {each["topic"]: each for each in pinflow_json("status", home=home)}
    assert {(each["to_land"], each["to_clean"]) for each in status.values()} == {(0, 0)}
    assert status[topic("stream", "pin")]["accepted"] == POSTS + 1
    (check,) = [each for each in pinflow_json("doctor", home=home) if each["part"] == "log"]
    assert (check["state"], "6 topics" in check["found"], "after 24 hours" in check["found"]) == (
        "ok",
        True,
        True,
    )
    client.put_record(StreamName=prefix + topic("stream", "pin"), Data=late, PartitionKey="2")
    status = {each["topic"]: each for each in pinflow_json("status", home=home)}
    assert (status[topic("stream", "pin")]["to_land"], status[topic("stream", "pin")]["to_clean"]) == (1, 1)
