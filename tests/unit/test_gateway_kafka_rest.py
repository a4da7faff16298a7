"""The Kafka REST v2 dialect, from the request to the log and back."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest
from tests.gateway_client import JSON, KAFKA_BINARY, KAFKA_JSON, NDJSON, gateway, values

from pinflow.gateway.refusal import Refusal
from pinflow.gateway.topics import check_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.gateway_client import Client

V2 = "application/vnd.kafka.v2+json"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with gateway(tmp_path) as made:
        yield made


def test_an_answer_has_the_form_that_clients_of_the_proxy_rely_on(client: Client) -> None:
    answer = client.post("a.pin", b'{"records":[{"value":{"index":1}}]}')
    assert answer.status_code == 200
    assert answer.headers["content-type"] == V2
    (entry,) = answer.json().pop("offsets")
    assert entry == {"partition": entry["partition"], "offset": 0, "error_code": None, "error": None}
    assert answer.json()["key_schema_id"] is None
    assert answer.json()["value_schema_id"] is None


def test_entries_are_in_request_order_and_offsets_rise_within_a_partition(client: Client) -> None:
    records = [{"value": {"index": number, "at": at}} for at, number in enumerate([5, 9, 5, 2, 9, 5])]
    entries = client.post("a.pin", json.dumps({"records": records}).encode()).json()["offsets"]
    for entry, record in zip(entries, records, strict=True):
        chunk = client.log.read(
            "a.pin", entry["partition"], str(entry["offset"]), max_records=1, max_bytes=1 << 20
        )
        stored = chunk.records.values[0]
        assert stored is not None
        assert json.loads(stored) == record["value"]


@pytest.mark.parametrize(
    "value",
    [
        b'{ "index" : 7 ,  "a":\t1 }',
        b'{"a":1,"a":2}',
        b"123456789012345678901234567890",
        b"1e400",
        b"-0.0",
        rb'"\u00e9\ud83d\ude00\/"',
        '"é😀"'.encode(),
        b'""',
        b"false",
        b"0",
        b"[]",
        rb'"null"',
    ],
)
def test_a_json_value_is_kept_byte_for_byte(client: Client, value: bytes) -> None:
    assert client.post("a.pin", b'{"records":[{"value": ' + value + b" }]}").status_code == 200
    assert values(client.log, "a.pin") == [value]


@pytest.mark.parametrize("record", [b'{"key":"k","value":null}', b'{"key":"k"}', b'{"value":null}'])
@pytest.mark.parametrize("content_type", [KAFKA_JSON, KAFKA_BINARY])
def test_null_and_a_key_alone_are_tombstones(
    client: Client, record: bytes, content_type: dict[str, str]
) -> None:
    record = record.replace(b'"k"', b'"a2tr"')
    assert client.post("a.pin", b'{"records":[%s]}' % record, content_type).status_code == 200
    assert values(client.log, "a.pin") == [None]


def test_json_keys_keep_their_json_and_null_is_no_key(client: Client) -> None:
    body = (
        b'{"records":[{"key":"k","value":1},{"key":null,"value":2},{"key":{"a": 1},"value":3},{"value":4}]}'
    )
    client.request("POST", "/topics/a.pin/partitions/0", content=body, headers=KAFKA_JSON)
    chunk = client.log.read("a.pin", 0, None, max_records=10, max_bytes=1 << 20)
    assert chunk.records.values == [b"1", b"2", b"3", b"4"]
    assert chunk.records.keys == [b'"k"', None, b'{"a": 1}', None]


def test_binary_records_are_decoded(client: Client) -> None:
    raw = bytes(range(256))
    record = {"key": base64.b64encode(b"\x00k").decode(), "value": base64.b64encode(raw).decode()}
    body = json.dumps({"records": [record, {"value": None}]}).encode()
    entries = client.post("a.bin", body, KAFKA_BINARY).json()["offsets"]
    chunk = client.log.read("a.bin", entries[0]["partition"], None, max_records=1, max_bytes=1 << 20)
    assert chunk.records.values == [raw]
    assert chunk.records.keys == [b"\x00k"]
    assert None in values(client.log, "a.bin")


def test_bad_base64_is_a_conversion_error(client: Client) -> None:
    answer = client.post("a.bin", b'{"records":[{"value":"Q!=="}]}', KAFKA_BINARY)
    assert (answer.status_code, answer.json()["error_code"]) == (422, 42203)


def test_ndjson_is_one_value_a_line_and_blank_lines_do_not_count(client: Client) -> None:
    answer = client.post("a.pin", b'{"index": 1}\r\n\n  \nnull\n"x"', NDJSON)
    assert len(answer.json()["offsets"]) == 3
    assert sorted(values(client.log, "a.pin"), key=str) == sorted([b'{"index": 1}', None, b'"x"'], key=str)


def test_offsets_of_a_partition_begin_with_the_first_kept_and_end_with_the_next(client: Client) -> None:
    body = b'{"records":[{"value":1,"partition":2},{"value":2,"partition":2}]}'
    client.post("a.pin", body)
    path = "/topics/a.pin/partitions/{}/offsets"
    assert client.get(path.format(2)).json() == {"beginning_offset": 0, "end_offset": 2}
    assert client.get(path.format(0)).json() == {"beginning_offset": 0, "end_offset": 0}
    for missing in ("4", "x"):
        answer = client.get(path.format(missing))
        assert (answer.status_code, answer.json()["error_code"]) == (404, 40402)
    client.post("a.pin", body)
    assert client.log.trim("a.pin", 2, ["2"], older_than_ms=None, keep_bytes=0) == 2
    assert client.get(path.format(2)).json() == {"beginning_offset": 2, "end_offset": 4}


def test_there_is_one_broker_and_the_root_is_empty(client: Client) -> None:
    assert client.get("/brokers").json() == {"brokers": [0]}
    assert client.get("/").json() == {}


@pytest.mark.parametrize(
    ("surrogate", "record"),
    [
        (rb'{"records":[{"value":"\ud83d\ude00"},{"value":{"a":["\uD83D"]}},{"value":"\ud800"}]}', 1),
        (rb'{"records":[{"value":1},{"value":"\\\ude00 "}]}', 1),
        (rb'{"records":[{"key":"\ud800","value":1}]}', 0),
        (rb'{"records":[{"value":"\\ud800"},{"value":2},{"value":"\ud800\u0041"}]}', 2),
        (b'{"records":[{"value":1},{"value":"\xed\xa0\x80"}]}', 1),
    ],
    ids=range(5),
)
def test_half_a_surrogate_pair_refuses_the_request_and_names_the_record(
    client: Client, surrogate: bytes, record: int
) -> None:
    answer = client.post("a.pin", surrogate)
    assert (answer.status_code, answer.json()["error_code"]) == (422, 42203)
    assert f"`$.records[{record}]`" in answer.json()["message"]
    assert client.get("/topics").json() == []


def test_half_a_surrogate_pair_in_a_line_names_the_line(client: Client) -> None:
    answer = client.post("a.pin", b'{"a":1}\n{"a":"\\ud83d"}', NDJSON)
    assert answer.json()["message"] == "line 2: half a surrogate pair in a text"


def test_a_broken_line_refuses_the_request_and_is_named(client: Client) -> None:
    answer = client.post("a.pin", b'{"index":1}\n{"index":\n', NDJSON)
    assert (answer.status_code, answer.json()["error_code"]) == (422, 42203)
    assert answer.json()["message"].startswith("line 2:")
    assert client.get("/topics").json() == []


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON", V2, f"{V2};q=1"],
)
def test_plain_json_and_parameters_are_taken(client: Client, content_type: str) -> None:
    answer = client.post("a.pin", b'{"records":[{"value":1}]}', {"content-type": content_type})
    assert answer.status_code == 200


@pytest.mark.parametrize("content_type", ["text/plain", "application/vnd.kafka.avro.v2+json", "", "é"])
def test_other_content_types_are_415(client: Client, content_type: str) -> None:
    headers = {"content-type": content_type.encode()}
    answer = client.request("POST", "/topics/a", content=b'{"records":[{"value":1}]}', headers=headers)
    assert (answer.status_code, answer.json()["error_code"]) == (415, 415)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", 42203),
        (b"{", 42203),
        (b'{"records":[{"value":1}]} x', 42203),
        (b'{"records":[{"value":01}]}', 42203),
        (b'{"records":[{"value":"\xff"}]}', 42203),
        (b'\xef\xbb\xbf{"records":[{"value":1}]}', 42203),
        (rb'{"records":[{"value":"\ud800"}]}', 42203),
        (b'{"records":[{"value":"a\x00b"}]}', 42203),
        (b'{"records":[{"value":' + b"[" * 200_000, 42203),
        (b'{"records":[{"value":' + b'{"a":' * 200_000, 42203),
        (b"{}", 422),
        (b"[]", 422),
        (b'{"records":[]}', 422),
        (b'{"records":null}', 422),
        (b'{"records":[{"partition":0,"value":1,"other":2}]}', 422),
        (b'{"records":[{"value":1,"partition":"0"}]}', 422),
    ],
    ids=range(16),
)
def test_what_is_not_a_request_is_422_and_appends_nothing(client: Client, body: bytes, code: int) -> None:
    answer = client.post("a.pin", body)
    assert (answer.status_code, answer.json()["error_code"]) == (422, code)
    assert client.get("/topics").json() == []


def test_a_record_for_an_unknown_partition_fails_alone(client: Client) -> None:
    body = b'{"records":[{"value":1,"partition":0},{"value":2,"partition":4},{"value":3,"partition":-1}]}'
    answer = client.post("a.pin", body)
    assert answer.status_code == 200
    assert [entry["error_code"] for entry in answer.json()["offsets"]] == [None, 40402, 40402]
    assert [entry["offset"] for entry in answer.json()["offsets"]] == [0, None, None]
    assert values(client.log, "a.pin") == [b"1"]


def test_a_record_over_the_cap_fails_alone(tmp_path: Path) -> None:
    with gateway(tmp_path, max_record_bytes=50) as client:
        body = json.dumps({"records": [{"value": "x" * 48}, {"value": "x" * 49}, {"value": 1, "key": "k"}]})
        entries = client.post("a.pin", body.encode()).json()["offsets"]
        assert [entry["error_code"] for entry in entries] == [None, 50002, None]
        assert len(values(client.log, "a.pin")) == 2


def test_when_every_record_fails_the_answer_is_still_200_and_nothing_is_appended(tmp_path: Path) -> None:
    with gateway(tmp_path, max_record_bytes=5) as client:
        entries = client.post("a.pin", b'{"records":[{"value":"123456"}]}').json()["offsets"]
        assert entries[0]["offset"] is None
        assert values(client.log, "a.pin") == []


@pytest.mark.parametrize("partition", ["4", "99999999999", "x", "-1"])
def test_a_partition_in_the_path_that_is_not_there_is_40402(client: Client, partition: str) -> None:
    path = f"/topics/a.pin/partitions/{partition}"
    body = b'{"records":[{"value":1}]}'
    for answer in (
        client.request("POST", path, content=body, headers=JSON),
        client.get(path),
    ):
        assert (answer.status_code, answer.json()["error_code"]) == (404, 40402)


def test_a_partition_in_the_path_wins(client: Client) -> None:
    body = b'{"records":[{"value":{"index":1},"partition":1},{"value":{"index":2}}]}'
    answer = client.request("POST", "/topics/a/partitions/3", content=body, headers=KAFKA_JSON)
    assert [entry["partition"] for entry in answer.json()["offsets"]] == [3, 3]


@pytest.mark.parametrize("topic", ["a b", "ä", "x" * 250, "a%2Fb", "a%00"])
def test_an_illegal_topic_name_is_refused(client: Client, topic: str) -> None:
    answer = client.request("POST", f"/topics/{topic}", content=b'{"records":[{"value":1}]}', headers=JSON)
    assert answer.status_code in {404, 422}
    assert set(answer.json()) == {"error_code", "message"}
    assert client.get("/topics").json() == []


@pytest.mark.parametrize("topic", ["", ".", "..", "a\n", "a/b", "é", "x" * 250])
def test_names_that_kafka_does_not_allow(topic: str) -> None:
    with pytest.raises(Refusal):
        check_name(topic)


def test_a_topic_is_not_created_when_the_configuration_says_so(tmp_path: Path) -> None:
    with gateway(tmp_path, create_topics=False) as client:
        answer = client.post("a.pin", b'{"records":[{"value":1}]}')
        assert (answer.status_code, answer.json()["error_code"]) == (404, 40401)


def test_topics_and_partitions_can_be_looked_at(client: Client) -> None:
    client.post("a.pin", b'{"records":[{"value":1}]}')
    assert client.get("/topics").json() == ["a.pin"]
    replicas = [{"broker": 0, "leader": True, "in_sync": True}]
    partitions = [{"partition": number, "leader": 0, "replicas": replicas} for number in range(4)]
    described = client.get("/topics/a.pin").json()
    configs = described.pop("configs")
    assert described == {"name": "a.pin", "partitions": partitions}
    assert configs["max.message.bytes"] == str(10 << 20)
    assert (configs["cleanup.policy"], configs["retention.ms"]) == ("delete", "-1")
    assert client.get("/topics/a.pin/partitions").json() == partitions
    assert client.get("/topics/a.pin/partitions/2").json() == partitions[2]
    for path in (
        "/topics/b",
        "/topics/b/partitions",
        "/topics/b/partitions/0",
        "/topics/b/partitions/0/offsets",
    ):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["error_code"]) == (404, 40401)
        assert answer.headers["content-type"] == V2
