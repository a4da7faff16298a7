"""AWS' own SDK with the gateway as its endpoint: real boto3 against a real gateway."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.gateway_client import gateway, log_url, server_process, values

from pinflow.gateway.auth.key_file import create_key
from pinflow.log import open_log, partition_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx
    from tests.gateway_client import Client

ARN = "arn:aws:kinesis:eu-west-1:123456789012:stream/{}"
TARGET = "Kinesis_20131202.{}"
NO_RETRIES = Config(retries={"max_attempts": 1, "mode": "standard"})


def sdk(url: str, token: str | None = None) -> Any:
    return boto3.client(
        "kinesis",
        region_name="eu-west-1",
        endpoint_url=url,
        aws_access_key_id="anything",
        aws_secret_access_key="anything",
        aws_session_token=token,
        config=NO_RETRIES,
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sdk")


@pytest.fixture(scope="module")
def kinesis(home: Path) -> Iterator[Any]:
    with server_process(home, env={"PINFLOW__LOG__URL": log_url(home)}) as (_, url):
        yield sdk(url)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with gateway(tmp_path) as made:
        yield made


def call(client: Client, operation: str, body: object, **headers: str) -> httpx.Response:
    headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": TARGET.format(operation)} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.request("POST", "/", content=content, headers=headers)


def error_of(raised: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    error = raised.value.response
    assert error["ResponseMetadata"]["RequestId"]
    return error["Error"]["Code"], error["Error"]["Message"]


def test_records_are_put_one_and_many_and_kept_as_their_bytes(kinesis: Any, home: Path) -> None:
    kinesis.create_stream(StreamName="put", ShardCount=3)
    one = kinesis.put_record(StreamName="put", Data=b"\x00\xff", PartitionKey="k")
    shard = partition_for(b"k", 3)
    assert one["ShardId"] == f"shardId-{shard:012d}"
    assert one["ResponseMetadata"]["RequestId"]
    again = kinesis.put_record(
        StreamARN=ARN.format("put"),
        Data=b"",
        PartitionKey="k",
        SequenceNumberForOrdering=one["SequenceNumber"],
    )
    assert (again["ShardId"], again["SequenceNumber"] > one["SequenceNumber"]) == (one["ShardId"], True)
    entries = [{"Data": b"%d" % number, "PartitionKey": "k"} for number in range(500)]
    many = kinesis.put_records(StreamName="put", Records=entries)
    assert (many["FailedRecordCount"], len(many["Records"])) == (0, 500)
    log = open_log(log_url(home), read_only=True)
    chunk = log.read("put", shard, None, max_records=1000, max_bytes=1 << 20)
    log.close()
    assert chunk.records.values == [b"\x00\xff", b"", *(b"%d" % number for number in range(500))]
    assert chunk.records.keys == [b"k"] * 502


def test_an_explicit_hash_key_goes_to_the_shard_that_lists_it(kinesis: Any) -> None:
    kinesis.create_stream(StreamName="hashes", ShardCount=5)
    for shard in kinesis.list_shards(StreamName="hashes")["Shards"]:
        for hash_key in shard["HashKeyRange"].values():
            entry = {"Data": b"1", "PartitionKey": "k", "ExplicitHashKey": hash_key}
            assert kinesis.put_record(StreamName="hashes", **entry)["ShardId"] == shard["ShardId"]
            put = kinesis.put_records(StreamName="hashes", Records=[entry])
            assert put["Records"][0]["ShardId"] == shard["ShardId"]


def test_streams_are_described_listed_and_deleted(kinesis: Any) -> None:
    for stream in ("look-a", "look-b", "look-c"):
        kinesis.create_stream(StreamName=stream, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    kinesis.get_waiter("stream_exists").wait(StreamName="look-a")
    summary = kinesis.describe_stream_summary(StreamName="look-a")["StreamDescriptionSummary"]
    assert (summary["StreamName"], summary["StreamStatus"], summary["OpenShardCount"]) == (
        "look-a",
        "ACTIVE",
        4,
    )
    assert (
        kinesis.describe_stream_summary(StreamARN=summary["StreamARN"])["StreamDescriptionSummary"] == summary
    )
    described = kinesis.describe_stream(StreamName="look-a", Limit=3)["StreamDescription"]
    assert (len(described["Shards"]), described["HasMoreShards"]) == (3, True)
    pages = kinesis.get_paginator("describe_stream").paginate(
        StreamName="look-a", PaginationConfig={"PageSize": 1}
    )
    every = [shard["ShardId"] for page in pages for shard in page["StreamDescription"]["Shards"]]
    assert every == [f"shardId-{number:012d}" for number in range(4)]
    pages = kinesis.get_paginator("list_streams").paginate(PaginationConfig={"PageSize": 1})
    names = [name for page in pages for name in page["StreamNames"]]
    assert [name for name in names if name.startswith("look-")] == ["look-a", "look-b", "look-c"]
    kinesis.delete_stream(StreamName="look-a", EnforceConsumerDeletion=True)
    kinesis.get_waiter("stream_not_exists").wait(StreamName="look-a")


def test_shards_are_listed_in_pages_from_a_shard_on_and_by_filter(kinesis: Any) -> None:
    kinesis.create_stream(StreamName="paged", ShardCount=4)
    every = [shard["ShardId"] for shard in kinesis.list_shards(StreamName="paged")["Shards"]]
    pages = kinesis.get_paginator("list_shards").paginate(
        StreamName="paged", PaginationConfig={"PageSize": 3}
    )
    assert [shard["ShardId"] for page in pages for shard in page["Shards"]] == every
    token = kinesis.list_shards(StreamName="paged", MaxResults=1)["NextToken"]
    assert [each["ShardId"] for each in kinesis.list_shards(NextToken=token)["Shards"]] == every[1:]
    for asked in (
        {"ExclusiveStartShardId": every[1]},
        {"ShardFilter": {"Type": "AFTER_SHARD_ID", "ShardId": every[1]}},
    ):
        found = kinesis.list_shards(StreamName="paged", **asked)["Shards"]
        assert [each["ShardId"] for each in found] == every[2:]
    assert len(kinesis.list_shards(StreamName="paged", ShardFilter={"Type": "AT_LATEST"})["Shards"]) == 4
    with pytest.raises(ClientError) as raised:
        kinesis.list_shards(NextToken="nonsense")
    assert error_of(raised)[0] == "ValidationException"


def test_the_sdk_has_aws_own_errors(kinesis: Any) -> None:
    with pytest.raises(kinesis.exceptions.ResourceNotFoundException):
        kinesis.describe_stream_summary(StreamName="nowhere")
    kinesis.create_stream(StreamName="there", ShardCount=1)
    with pytest.raises(kinesis.exceptions.ResourceInUseException):
        kinesis.create_stream(StreamName="there", ShardCount=1)
    with pytest.raises(ClientError) as raised:
        kinesis.get_shard_iterator(StreamName="there", ShardId="shardId-0", ShardIteratorType="LATEST")
    code, message = error_of(raised)
    assert code == "UnknownOperationException"
    assert "PutRecord, PutRecords" in message


def test_an_api_key_is_the_session_token_of_the_sdk(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    _, text = create_key(path, "agent", ["mine-*"])
    with server_process(tmp_path, env={"PINFLOW__GATEWAY__KEYS_FILE": str(path)}) as (_, url):
        mine = sdk(url, text)
        mine.put_record(StreamName="mine-1", Data=b"1", PartitionKey="k")
        assert mine.list_streams()["StreamNames"] == ["mine-1"]
        record = {"Data": b"1", "PartitionKey": "k"}
        for operation, request in (
            (mine.put_record, {"StreamName": "other", **record}),
            (mine.put_records, {"StreamName": "other", "Records": [record]}),
            (mine.create_stream, {"StreamName": "other", "ShardCount": 1}),
            (mine.delete_stream, {"StreamName": "other"}),
            (mine.describe_stream, {"StreamName": "other"}),
            (mine.describe_stream_summary, {"StreamARN": ARN.format("other")}),
            (mine.list_shards, {"StreamName": "other"}),
        ):
            with pytest.raises(ClientError) as raised:
                operation(**request)
            assert error_of(raised)[0] == "AccessDeniedException"
        for token in (None, text[:-1] + "!"):
            with pytest.raises(ClientError) as raised:
                sdk(url, token).put_record(StreamName="mine-1", Data=b"1", PartitionKey="k")
            code, message = error_of(raised)
            assert code == "UnrecognizedClientException"
            assert "AWS_SESSION_TOKEN" in message


@pytest.mark.parametrize(
    ("operation", "body", "named"),
    [
        ("PutRecord", {"Data": "MQ==", "PartitionKey": "k"}, "StreamName"),
        ("PutRecord", {"StreamName": "s", "StreamARN": ARN.format("t"), "Data": "MQ=="}, "StreamARN"),
        ("PutRecord", {"StreamName": "s", "Data": "MQ==", "DryRun": True}, "DryRun"),
        ("PutRecord", {"StreamName": "s", "Data": "MQ==", "StreamId": "x"}, "`StreamId`"),
        ("PutRecord", {"StreamName": "s", "Data": "MQ==", "ExplicitHashKey": "-1"}, "ExplicitHashKey"),
        ("PutRecord", {"StreamName": "a b", "Data": "MQ=="}, "a name has"),
        ("PutRecords", {"StreamName": "s", "Records": []}, "`$.Records`"),
        ("PutRecords", {"StreamName": "s", "Records": [{"Data": "MQ=="}] * 501}, "`$.Records`"),
        ("PutRecords", {"StreamName": "s", "Records": [{"Data": "MQ==", "Kez": 1}]}, "`$.Records[0]`"),
        ("ListShards", {"StreamName": "s", "StreamCreationTimestamp": 1}, "`StreamCreationTimestamp`"),
        ("CreateStream", {"StreamName": "s", "Tags": {"a": "b"}}, "`Tags`"),
        ("CreateStream", {"ShardCount": 1}, "StreamName"),
    ],
    ids=range(12),
)
def test_what_cannot_be_done_is_refused_and_named(
    client: Client, operation: str, body: dict[str, Any], named: str
) -> None:
    answer = call(client, operation, body)
    assert (answer.status_code, answer.json()["__type"]) == (400, "ValidationException")
    assert named in answer.json()["message"]
    assert client.get("/topics").json() == []


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"{", ""),
        (b'{"StreamName":"s","Data":"not base64"}', "`$.Data`"),
        (
            rb'{"StreamName":"s","Records":[{"Data":""},{"Data":"","PartitionKey":"\ud800"}]}',
            "`$.Records[1]`",
        ),
    ],
    ids=range(3),
)
def test_what_is_not_json_or_base64_is_a_serialization_error(client: Client, body: bytes, named: str) -> None:
    answer = call(client, "PutRecords" if b"Records" in body else "PutRecord", body)
    assert (answer.status_code, answer.json()["__type"]) == (400, "SerializationException")
    assert named in answer.json()["message"]


def test_another_service_or_form_is_answered_with_what_there_is(client: Client) -> None:
    for target in ("DynamoDB_20120810.PutItem", "Kinesis_20131202.GetRecords", "", "PutRecordX"):
        answer = call(client, "", {}, x_amz_target=target)
        assert (answer.status_code, answer.json()["__type"]) == (400, "UnknownOperationException")
        assert answer.headers["content-type"] == "application/x-amz-json-1.1"
    cbor = call(client, "PutRecord", b"\xa0", content_type="application/x-amz-cbor-1.1")
    assert (cbor.status_code, cbor.json()["__type"]) == (415, "UnsupportedMediaTypeException")
    assert "AWS_CBOR_DISABLE=true" in cbor.json()["message"]
    plain = client.request("POST", "/", content=b"{}")
    assert (plain.status_code, plain.json()["error_code"]) == (404, 404)


def test_a_request_of_an_sdk_is_appended_once_under_its_key(client: Client) -> None:
    body = {"StreamName": "s", "Data": "MQ==", "PartitionKey": "k"}
    first = call(client, "PutRecord", body, idempotency_key="k")
    again = call(client, "PutRecord", body, idempotency_key="k")
    assert first.json() == again.json()
    assert first.headers["x-amzn-requestid"] != again.headers["x-amzn-requestid"]
    assert values(client.log, "s") == [b"1"]
    other = call(client, "PutRecord", body | {"Data": "Mg=="}, idempotency_key="k")
    assert (other.status_code, other.json()["__type"]) == (400, "IdempotentParameterMismatchException")
    assert call(client, "PutRecord", body | {"StreamName": "t"}, idempotency_key="k").status_code == 200
    assert call(client, "PutRecord", body, idempotency_key="").json()["__type"] == "ValidationException"


def test_calls_are_counted_as_kinesis(client: Client) -> None:
    call(client, "PutRecord", {"StreamName": "s", "Data": "MQ=="})
    call(client, "ListStreams", {})
    call(client, "Nothing", {})
    text = client.get("/metrics").text
    assert 'pinflow_gateway_requests_total{dialect="kinesis",status="200"} 2.0' in text
    assert 'pinflow_gateway_requests_total{dialect="kinesis",status="400"} 1.0' in text
    assert 'pinflow_gateway_records_accepted_total{dialect="kinesis"} 1.0' in text
