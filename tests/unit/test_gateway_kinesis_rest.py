"""The dialect of an API in front of Kinesis, from the request to the log and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.gateway_client import JSON, gateway, values

from pinflow.log import partition_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.gateway_client import Client

STREAM = "streaming-0a6a638f5991-pin"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with gateway(tmp_path) as made:
        yield made


def kind(client: Client, method: str, path: str, body: bytes = b"") -> tuple[int, str]:
    answer = client.request(method, path, content=body, headers=JSON)
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json()) == {"__type", "message"}
    return answer.status_code, answer.json()["__type"]


def test_one_record_is_kept_as_its_json_and_the_path_wins(client: Client) -> None:
    body = b'{"StreamName":"other","Data":{ "index":7528, "x":1.0 },"PartitionKey":"7528"}'
    answer = client.put(f"{STREAM}/record", body)
    assert answer.status_code == 200
    shard = partition_for(b"7528", 4)
    assert answer.json() == {"SequenceNumber": "0" * 20, "ShardId": f"shardId-{shard:012d}"}
    chunk = client.log.read(STREAM, shard, None, max_records=9, max_bytes=1 << 20)
    assert chunk.records.values == [b'{ "index":7528, "x":1.0 }']
    assert chunk.records.keys == [b"7528"]
    assert client.get("/streams").json()["StreamNames"] == [STREAM]


@pytest.mark.parametrize("data", [b"null", b'"text"', b"[1, 2]", b"12345678901234567890123", b'""'])
def test_any_json_is_data_of_one_record(client: Client, data: bytes) -> None:
    assert client.put("s/record", b'{"Data": ' + data + b"}").status_code == 200
    assert values(client.log, "s") == [data]


def test_sequence_numbers_rise_within_a_shard(client: Client) -> None:
    answers = [client.put("s/record", b'{"Data":1,"PartitionKey":"k"}').json() for _ in range(3)]
    assert len({answer["ShardId"] for answer in answers}) == 1
    numbers = [answer["SequenceNumber"] for answer in answers]
    assert numbers == sorted(set(numbers))


def test_many_records_keep_text_decoded_and_everything_else_as_json(client: Client) -> None:
    body = rb"""{"records":[
        {"data":{ "ind":1 },"partition-key":"k"},
        {"data":"{\"ind\": \u0031}","partitionKey":"k"},
        {"Data":[1 ],"PartitionKey":"k"},
        {"data":null,"partition-key":"k"}
    ]}"""
    answer = client.put("s/records", body).json()
    assert answer["FailedRecordCount"] == 0
    shard = partition_for(b"k", 4)
    chunk = client.log.read("s", shard, None, max_records=9, max_bytes=1 << 20)
    assert chunk.records.values == [b'{ "ind":1 }', b'{"ind": 1}', b"[1 ]", b"null"]
    assert chunk.records.keys == [b"k"] * 4
    assert [entry["SequenceNumber"] for entry in answer["Records"]] == [f"{n:020d}" for n in range(4)]


def test_upper_case_records_are_taken_too(client: Client) -> None:
    assert client.put("s/records", b'{"Records":[{"Data":1}]}').status_code == 200


def test_a_record_over_the_cap_fails_alone(tmp_path: Path) -> None:
    with gateway(tmp_path, max_record_bytes=40) as client:
        body = json.dumps({"records": [{"data": "x" * 41}, {"data": "x" * 40}]}).encode()
        answer = client.put("s/records", body).json()
        assert answer["FailedRecordCount"] == 1
        assert answer["Records"][0]["ErrorCode"] == "ValidationException"
        assert answer["Records"][1]["SequenceNumber"] == "0" * 20
        assert values(client.log, "s") == [b"x" * 40]
        single = json.dumps({"Data": "x" * 41}).encode()
        assert kind(client, "PUT", "/streams/s/record", single) == (400, "ValidationException")


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("record", b"{}", "ValidationException"),
        ("record", b"[]", "ValidationException"),
        ("record", b"{", "SerializationException"),
        ("record", b'{"Data":"\xff"}', "SerializationException"),
        ("record", b'{"Data":' + b"[" * 200_000, "SerializationException"),
        ("record", b'{"Data":1,"PartitionKey":true}', "ValidationException"),
        ("record", b'{"Data":1,"PartitionKey":"' + b"k" * 257 + b'"}', "ValidationException"),
        ("record", b'{"Data":1,"PartitionKey":' + b"7" * 257 + b"}", "ValidationException"),
        ("record", b'{"Data":1,"PartitionKey":' + b"7" * 9999 + b"}", "ValidationException"),
        ("records", b"{}", "ValidationException"),
        ("records", b'{"records":[]}', "ValidationException"),
        ("records", b'{"records":[{}]}', "ValidationException"),
        ("records", b'{"records":[' + b",".join([b'{"data":1}'] * 501) + b"]}", "ValidationException"),
        ("records", rb'{"records":[{"data":"\ud800"}]}', "SerializationException"),
    ],
    ids=range(14),
)
def test_what_is_not_a_request_is_400_and_appends_nothing(
    client: Client, path: str, body: bytes, expected: str
) -> None:
    assert kind(client, "PUT", f"/streams/s/{path}", body) == (400, expected)
    assert client.get("/topics").json() == []


def test_500_records_and_keys_of_256_characters_are_taken(client: Client) -> None:
    records = [{"data": number, "partition-key": "é" * 256} for number in range(500)]
    answer = client.put("s/records", json.dumps({"records": records}).encode())
    assert len(answer.json()["Records"]) == 500


def test_other_content_types_are_415(client: Client) -> None:
    answer = client.put("s/record", b'{"Data":1}', {"content-type": "text/plain"})
    assert (answer.status_code, answer.json()["__type"]) == (415, "UnsupportedMediaTypeException")


def test_a_stream_is_created_described_and_deleted(client: Client) -> None:
    made = client.request("POST", "/streams/s", json={"ShardCount": 2})
    assert (made.status_code, made.json()) == (200, {})
    assert kind(client, "POST", "/streams/s", b'{"ShardCount":2}') == (400, "ResourceInUseException")
    described = client.get("/streams/s").json()["StreamDescription"]
    assert (described["StreamName"], described["StreamStatus"]) == ("s", "ACTIVE")
    assert [shard["ShardId"] for shard in described["Shards"]] == [f"shardId-{n:012d}" for n in range(2)]
    assert client.request("DELETE", "/streams/s").json() == {}
    for method in ("GET", "DELETE"):
        assert kind(client, method, "/streams/s") == (400, "ResourceNotFoundException")
    assert client.get("/streams").json() == {"HasMoreStreams": False, "StreamNames": []}


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'{"ShardCount":0}',
        b'{"ShardCount":1025}',
        b'{"ShardCount":"2"}',
        b'{"ShardCounts":2}',
        b'{"ShardCount":2,"Tags":{"a":"b"}}',
        b'{"ShardCount":2,"StreamModeDetails":{"StreamMode":"ON_DEMAND"}}',
        b'{"StreamModeDetails":{"StreamMode":"OTHER"}}',
    ],
)
def test_a_stream_needs_a_number_of_shards_that_makes_sense(client: Client, body: bytes) -> None:
    status, _ = kind(client, "POST", "/streams/s", body)
    assert status == 400
    assert client.get("/topics").json() == []


@pytest.mark.parametrize("body", [b"", b"{}", b'{"StreamModeDetails":{"StreamMode":"ON_DEMAND"}}'])
@pytest.mark.parametrize("create_topics", [True, False])
def test_a_stream_without_a_number_of_shards_gets_as_many_as_any_topic(
    tmp_path: Path, body: bytes, create_topics: bool
) -> None:
    with gateway(tmp_path, create_topics=create_topics) as client:
        headers = JSON if body else {}
        assert client.request("POST", "/streams/s", content=body, headers=headers).json() == {}
        assert len(client.get("/topics/s/partitions").json()) == 4


@pytest.mark.parametrize(("key", "kept"), [(b"7", b"7"), (b"7.5", b"7.5"), (b"-3", b"-3"), (b'"7"', b"7")])
def test_a_numeric_partition_key_is_its_text(client: Client, key: bytes, kept: bytes) -> None:
    one = client.put("s/record", b'{"Data":1,"PartitionKey":%s}' % key)
    many = client.put("s/records", b'{"records":[{"data":2,"partition-key":%s}]}' % key)
    assert (one.status_code, many.json()["FailedRecordCount"]) == (200, 0)
    shard = partition_for(kept, 4)
    chunk = client.log.read("s", shard, None, max_records=9, max_bytes=1 << 20)
    assert (chunk.records.values, chunk.records.keys) == ([b"1", b"2"], [kept, kept])


def test_an_explicit_hash_key_chooses_the_shard_whose_range_holds_it(client: Client) -> None:
    client.request("POST", "/streams/s", json={"ShardCount": 3})
    shards = client.get("/streams/s").json()["StreamDescription"]["Shards"]
    ranges = [shard["HashKeyRange"] for shard in shards]
    assert ranges[0]["StartingHashKey"] == "0"
    assert ranges[-1]["EndingHashKey"] == str((1 << 128) - 1)
    for shard in shards:
        for hash_key in shard["HashKeyRange"].values():
            one = {"Data": 1, "PartitionKey": "k", "ExplicitHashKey": hash_key}
            assert client.put("s/record", json.dumps(one).encode()).json()["ShardId"] == shard["ShardId"]
            many = {"records": [{"data": 1, "partition-key": "k"}, {"data": 1, "ExplicitHashKey": hash_key}]}
            entries = client.put("s/records", json.dumps(many).encode()).json()["Records"]
            assert entries[1]["ShardId"] == shard["ShardId"]
            assert entries[0]["ShardId"] == f"shardId-{partition_for(b'k', 3):012d}"


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("record", {"Data": 1, "PartitionKey": "k", "Headers": {}}, "Headers"),
        ("record", {"Data": 1, "partitionkey": "k"}, "partitionkey"),
        ("record", {"Data": 1, "ExplicitHashKey": "x"}, "ExplicitHashKey"),
        ("record", {"Data": 1, "ExplicitHashKey": str(1 << 128)}, "ExplicitHashKey"),
        (
            "record",
            {"Data": 1, "StreamARN": "arn:aws:kinesis:eu-west-1:123456789012:stream/other"},
            "StreamARN",
        ),
        ("record", {"Data": 1, "StreamARN": "other"}, "StreamARN"),
        (
            "records",
            {"records": [{"data": 1}, {"data": 1, "key": "k"}]},
            "`key` is not known here and would be lost - at `$.records[1]`",
        ),
        ("records", {"records": [{"data": 1}, {"data": 1, "Data": 2}]}, "$.records[1]"),
        ("records", {"records": [{"data": 1, "partition-key": "a", "PartitionKey": "b"}]}, "$.records[0]"),
        ("records", {"records": [{"data": 1}], "Records": [{"data": 2}]}, "Records"),
        ("records", {"records": [{"data": 1}], "DryRun": True}, "DryRun"),
    ],
    ids=range(11),
)
def test_what_would_be_lost_is_refused_and_named(
    client: Client, path: str, body: dict[str, object], named: str
) -> None:
    answer = client.put(f"s/{path}", json.dumps(body).encode())
    assert (answer.status_code, answer.json()["__type"]) == (400, "ValidationException")
    assert named in answer.json()["message"]
    assert client.get("/topics").json() == []


def test_what_means_nothing_more_here_is_taken(client: Client) -> None:
    body = {
        "StreamName": "s",
        "StreamARN": "arn:aws:kinesis:eu-west-1:123456789012:stream/s",
        "Data": 1,
        "SequenceNumberForOrdering": "00000000000000000000",
    }
    assert client.put("s/record", json.dumps(body).encode()).status_code == 200


def test_a_stream_with_an_illegal_name_is_not_created(client: Client) -> None:
    assert kind(client, "POST", "/streams/a%20b", b'{"ShardCount":1}') == (400, "ValidationException")


def test_an_unknown_stream_is_refused_when_none_may_be_created(tmp_path: Path) -> None:
    with gateway(tmp_path, create_topics=False) as client:
        expected = (400, "ResourceNotFoundException")
        assert kind(client, "PUT", "/streams/s/record", b'{"Data":1}') == expected
