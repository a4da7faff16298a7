"""The gateway before a log on Kinesis: real streams and shards behind both dialects."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from tests.gateway_client import Client, serving, values
from tests.servers.kinesis import boto, kinesalite, url_of
from tests.servers.kinesis_faults import drop_after, failing, refusing_some
from tests.servers.ports import wait_until

from pinflow.config import Config, Gateway, Log
from pinflow.log import open_log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.faults import Faults


pytestmark = pytest.mark.usefixtures("aws_credentials")


@contextmanager
def gateway(endpoint: str, prefix: str, **options: object) -> Iterator[Client]:
    log = open_log(url_of(endpoint, prefix, **options))
    with serving(log, Config(gateway=Gateway(), log=Log(partitions=2))) as client:
        yield client
    log.close()


@pytest.fixture
def client(faults: Faults, prefix: str) -> Iterator[Client]:
    with gateway(faults.url, prefix) as client:
        yield client
        faults.fault = None


def test_streams_are_created_described_listed_and_deleted(
    client: Client, faults: Faults, prefix: str
) -> None:
    assert client.request("POST", "/streams/s", json={"ShardCount": 3}).json() == {}
    assert (
        client.request("POST", "/streams/s", json={"ShardCount": 3}).json()["__type"]
        == "ResourceInUseException"
    )
    stock = boto(faults.url)
    described = client.get("/streams/s").json()["StreamDescription"]
    assert described["Shards"] == stock.list_shards(StreamName=f"{prefix}s")["Shards"]
    assert described["Shards"][0]["HashKeyRange"]["StartingHashKey"] == "0"
    assert client.get("/streams").json()["StreamNames"] == ["s"]
    assert client.get("/topics").json() == ["s"]
    stock.split_shard(StreamName=f"{prefix}s", ShardToSplit="shardId-000000000000", NewStartingHashKey="17")
    wait_until(lambda: len(stock.list_shards(StreamName=f"{prefix}s")["Shards"]) == 5, "the split")
    with gateway(faults.url, prefix) as fresh:
        assert [each["partition"] for each in fresh.get("/topics/s/partitions").json()] == [1, 2, 3, 4]
        assert fresh.get("/topics/s/partitions/0").json()["error_code"] == 40402
        parents = [
            shard.get("ParentShardId")
            for shard in fresh.get("/streams/s").json()["StreamDescription"]["Shards"]
        ]
        assert parents == [None, None, None, *["shardId-000000000000"] * 2]
    assert client.request("DELETE", "/streams/s").json() == {}
    assert client.get("/streams").json()["StreamNames"] == []


def test_a_partition_is_taken_by_its_number(client: Client) -> None:
    answer = client.request("POST", "/topics/t/partitions/1", json={"records": [{"value": 1}, {"value": 2}]})
    assert [entry["partition"] for entry in answer.json()["offsets"]] == [1, 1]
    gone = client.request("POST", "/topics/t/partitions/7", json={"records": [{"value": 1}]})
    assert (gone.status_code, gone.json()["error_code"]) == (404, 40402)
    assert client.log.read("t", 1, None, max_records=9, max_bytes=99).records.values == [b"1", b"2"]


def test_what_kinesis_cannot_carry_is_refused_alone(client: Client) -> None:
    records = [{"value": None}, {"value": 1, "key": "k" * 300}, {"value": 2}]
    entries = client.request("POST", "/topics/t", json={"records": records}).json()["offsets"]
    assert [entry["error_code"] for entry in entries] == [50002, 50002, None]
    assert entries[0]["error"] == "Kinesis cannot carry a record without a value"
    assert "kkk" not in entries[1]["error"]
    records = [{"data": 1, "partition-key": ""}, {"data": 2, "partition-key": "b"}]
    answer = client.request("PUT", "/streams/t/records", json={"records": records}).json()
    assert answer["FailedRecordCount"] == 1
    assert answer["Records"][0]["ErrorCode"] == "ValidationException"
    assert sorted(map(str, values(client.log, "t"))) == ["b'2'", "b'2'"]


def test_headers_and_a_senders_time_are_refused_with_field_and_record(client: Client) -> None:
    for more, field in (({"headers": [{"name": "a"}]}, "headers"), ({"timestamp": 1}, "timestamp")):
        records = [{"value": 1}, {"value": 2, **more}]
        answer = client.request("POST", "/topics/t", json={"records": records})
        assert (answer.status_code, answer.json()["error_code"]) == (422, 422)
        assert answer.json()["message"].endswith(f"at `$.records[1].{field}`")
    assert values(client.log, "t") == []


def test_an_explicit_hash_key_goes_to_the_shard_of_the_stream_that_holds_it(client: Client) -> None:
    client.request("POST", "/streams/t", json={"ShardCount": 3})
    shards = client.get("/streams/t").json()["StreamDescription"]["Shards"]
    for shard in shards:
        for hash_key in shard["HashKeyRange"].values():
            record = {"data": 1, "partition-key": "k", "ExplicitHashKey": hash_key}
            answer = client.request("PUT", "/streams/t/records", json={"records": [record]}).json()
            assert answer["Records"][0]["ShardId"] == shard["ShardId"]


def test_what_the_log_does_not_know_is_not_made_up(client: Client) -> None:
    client.request("POST", "/streams/t")
    assert len(client.get("/topics/t/partitions").json()) == 2
    answer = client.get("/topics/t/partitions/0/offsets")
    assert (answer.status_code, answer.json()["error_code"]) == (422, 422)
    configs = client.get("/topics/t").json()["configs"]
    assert (configs["max.message.bytes"], configs["retention.ms"]) == (str(1 << 20), str(24 * 3_600_000))
    on_demand = {"StreamModeDetails": {"StreamMode": "ON_DEMAND"}}
    refused = client.request("POST", "/streams/u", json=on_demand)
    assert (refused.status_code, refused.json()["__type"]) == (400, "ValidationException")
    assert "mode=on-demand" in refused.json()["message"]


def test_a_throttled_record_is_told_as_such_in_both_dialects(faults: Faults, prefix: str) -> None:
    code = "ProvisionedThroughputExceededException"
    with gateway(faults.url, prefix, timeout=1.5) as client:
        client.log.topics.create("t", 2)
        faults.fault = refusing_some(lambda record: code if record["PartitionKey"] == "1" else None)
        body = {"records": [{"data": 1, "partition-key": "1"}, {"data": 2, "partition-key": "2"}]}
        told = client.request("PUT", "/streams/t/records", json=body).json()
        records = [{"value": {"ind": 1}}, {"value": {"ind": 2}}]
        entries = client.request("POST", "/topics/t", json={"records": records}).json()["offsets"]
        everything = client.request("POST", "/topics/t", json={"records": records[:1]})
        faults.fault = None
    assert (told["FailedRecordCount"], told["Records"][0]["ErrorCode"]) == (1, code)
    assert [entry["error_code"] for entry in entries] == [50003, None]
    assert (everything.status_code, everything.headers["retry-after"]) == (429, "1")


def test_a_lost_answer_is_503_and_kinesis_away_is_seen(client: Client, faults: Faults) -> None:
    client.log.topics.create("t", 1)
    faults.fault = drop_after("PutRecords", times=1)
    answer = client.request("POST", "/topics/t", json={"records": [{"value": 1}]})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert values(client.log, "t") == [b"1"], "it may be there all the same"
    assert client.get("/healthz").json()["log"] == "unavailable"
    faults.fault = failing(
        "PutRecords", "AccessDeniedException", message="User: arn:aws:iam::1:user/me may not"
    )
    refused = client.request("POST", "/topics/t", json={"records": [{"value": 1}]})
    assert refused.status_code == 503
    assert "arn:" not in refused.text
    faults.fault = None
    assert client.request("POST", "/topics/t", json={"records": [{"value": 2}]}).status_code == 200
    assert client.get("/healthz").json()["log"] == "ok"


def test_a_stream_deleted_by_others_is_created_again_on_its_next_use(
    client: Client, faults: Faults, prefix: str
) -> None:
    body = json.dumps({"records": [{"value": {"ind": 1}}]}).encode()
    assert client.post("t", body).status_code == 200
    boto(faults.url).delete_stream(StreamName=f"{prefix}t")
    wait_until(lambda: client.post("t", body).status_code == 200, "a new stream")
    assert client.post("t", body).status_code == 200


def test_a_stream_that_is_being_created_is_503_until_it_takes_records(
    tmp_path: Path, aws_credentials: None
) -> None:
    body = json.dumps({"records": [{"value": {"ind": 1}}]}).encode()
    with kinesalite(tmp_path, coming_ms=3_000) as endpoint, gateway(endpoint, "") as client:
        answer = client.post("t", body)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "being created" in answer.json()["message"]
        assert client.get("/streams/t").json()["StreamDescription"]["StreamStatus"] == "CREATING"
        assert client.get("/topics").json() == ["t"]
        assert client.get("/healthz").json()["log"] == "ok", "only this stream takes nothing yet"
        wait_until(lambda: client.post("t", body).status_code == 200, "an active stream")
        wait_until(
            lambda: values(client.log, "t") == [b'{"ind":1}'] or bool(values(client.log, "t")), "its record"
        )
