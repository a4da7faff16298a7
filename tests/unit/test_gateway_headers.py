"""What a record carries besides key and value: kept where it can be, refused where it would be lost."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest
from tests.gateway_client import KAFKA_BINARY, KAFKA_JSON, Wrapped, gateway

from pinflow.gateway.dialects.record_headers import TIMESTAMP
from pinflow.lake.landing.zone import Landed, decode, encode
from pinflow.log import Capabilities

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.gateway_client import Client

    from pinflow.log import Headers


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with gateway(tmp_path) as made:
        yield made


def base64(raw: bytes) -> str:
    return b64encode(raw).decode()


def post(client: Client, *records: Any, **more: Any) -> Any:
    return client.post("t/partitions/0", json.dumps({"records": records} | more).encode())


def kept(client: Client) -> list[Headers] | None:
    return client.log.read("t", 0, None, max_records=99, max_bytes=1 << 20).records.headers


def test_headers_are_kept_under_the_name_that_each_proxy_has_for_theirs(client: Client) -> None:
    records = [
        {"value": 1, "headers": [{"name": "a", "value": base64(b"\x00\xff")}, {"key": "a", "value": "IA=="}]},
        {"value": 2},
        {"value": 3, "headers": [{"name": "é", "value": None}, {"key": "b"}, {"name": "c", "key": None}]},
        {"value": 4, "headers": []},
        {"value": 5, "headers": None, "timestamp": None},
    ]
    assert post(client, *records).status_code == 200
    assert kept(client) == [
        (("a", b"\x00\xff"), ("a", b" ")),
        (),
        (("é", b""), ("b", b""), ("c", b"")),
        (),
        (),
    ]


def test_binary_records_keep_headers_too(client: Client) -> None:
    body = json.dumps({"records": [{"value": "MQ==", "headers": [{"name": "a", "value": "IA=="}]}]})
    assert client.post("t/partitions/0", body.encode(), KAFKA_BINARY).status_code == 200
    assert kept(client) == [(("a", b" "),)]


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (1598586767000, b"1598586767000"),
        (0, b"0"),
        ("2020-08-28T03:52:47Z", b"2020-08-28T03:52:47Z"),
        ("2020-08-28 03:52:47.123456789+02:00", b"2020-08-28 03:52:47.123456789+02:00"),
    ],
)
def test_a_senders_time_is_kept_as_a_header_and_is_not_the_time_of_acceptance(
    client: Client, sent: object, text: bytes
) -> None:
    assert post(client, {"value": 1, "timestamp": sent, "headers": [{"name": "a"}]}).status_code == 200
    assert kept(client) == [(("a", b""), (TIMESTAMP, text))]
    (accepted_at,) = client.log.read("t", 0, None, max_records=1, max_bytes=99).timestamps
    assert accepted_at > 1_700_000_000_000


def test_headers_follow_their_records_to_their_partitions(client: Client) -> None:
    records = [
        {"value": at, "partition": at % 4, "headers": [{"name": str(at)}] if at % 3 else None}
        for at in range(12)
    ]
    client.post("t", json.dumps({"records": [*records, {"value": 99, "partition": 4}]}).encode())
    for partition in range(4):
        chunk = client.log.read("t", partition, None, max_records=99, max_bytes=1 << 20)
        assert chunk.records.headers is not None
        for value, headers in zip(chunk.records.values, chunk.records.headers, strict=True):
            assert value is not None
            assert headers == (((value.decode(), b""),) if int(value) % 3 else ())


def test_headers_are_landed_beside_the_record_and_come_back(client: Client) -> None:
    post(client, {"value": {"index": 1}, "headers": [{"name": "a", "value": "IA=="}]}, {"value": 2})
    chunk = client.log.read("t", 0, None, max_records=9, max_bytes=1 << 20)
    lines, meta = encode(chunk)
    assert lines == b'{"index": 1}\n2\n'
    assert json.loads(meta)["headers"] == [[["a", "IA=="]], []]
    landed = Landed("t", "t", 0, chunk.start, chunk.end, len(chunk), len(lines) + len(meta), 0)
    assert decode(landed, lines, meta) == chunk


def test_headers_count_towards_what_is_read_at_once(client: Client) -> None:
    record = {"value": 1, "headers": [{"name": "a", "value": base64(b"x" * 1000)}]}
    post(client, *[record] * 10)
    chunk = client.log.read("t", 0, None, max_records=99, max_bytes=3_100)
    assert len(chunk) == 3
    assert chunk.nbytes == 3 * 1002


def test_headers_count_towards_the_cap_of_a_record(tmp_path: Path) -> None:
    with gateway(tmp_path, max_record_bytes=50) as client:
        records = [{"value": 1, "headers": [{"name": "a" * size}]} for size in (49, 50)]
        entries = post(client, *records).json()["offsets"]
        assert [entry["error_code"] for entry in entries] == [None, 50002]


@pytest.mark.parametrize(
    ("record", "named"),
    [
        ({"valeu": 1}, "`valeu` is not known here and would be lost - at `$.records[1]`"),
        ({"value": 1, "value_schema": "{}"}, "`value_schema`"),
        ({"value": 1, "Key": "k"}, "`Key`"),
        ({"value": 1, "headers": {"a": "b"}}, "`$.records[1].headers`"),
        ({"value": 1, "headers": [{"name": "a", "vlaue": "IA=="}]}, "`vlaue`"),
        ({"value": 1, "headers": [{"value": "IA=="}]}, "`$.records[1].headers[0]`"),
        ({"value": 1, "headers": [{"name": ""}]}, "`$.records[1].headers[0]`"),
        ({"value": 1, "headers": [{"name": "a", "key": "b"}]}, "`$.records[1].headers[0]`"),
        ({"value": 1, "headers": [{"name": 1}]}, "`$.records[1].headers[0].name`"),
        ({"value": 1, "timestamp": "yesterday"}, "`$.records[1].timestamp`"),
        ({"value": 1, "timestamp": -1}, "`$.records[1].timestamp`"),
        ({"value": 1, "timestamp": 1.5}, "`$.records[1].timestamp`"),
        ({"x" * 100_000: 1}, "`$.records[1]`"),
    ],
    ids=range(13),
)
@pytest.mark.parametrize("headers", [KAFKA_JSON, KAFKA_BINARY])
@pytest.mark.parametrize("path", ["t", "t/partitions/0"])
def test_what_would_be_lost_is_422_with_field_and_record(
    client: Client, record: dict[str, Any], named: str, headers: dict[str, str], path: str
) -> None:
    if headers is KAFKA_BINARY:
        record = {name: "MQ==" if name == "value" else value for name, value in record.items()}
    body = json.dumps({"records": [{"value": None}, record]}).encode()
    answer = client.post(path, body, headers)
    assert (answer.status_code, answer.json()["error_code"]) == (422, 422)
    assert named in answer.json()["message"]
    assert len(answer.content) < 500
    assert client.get("/topics").json() == []


def test_a_header_that_is_not_base64_is_a_conversion_error(client: Client) -> None:
    answer = post(client, {"value": 1, "headers": [{"name": "a", "value": "plain text"}]})
    assert (answer.status_code, answer.json()["error_code"]) == (422, 42203)
    assert "`$.records[0].headers[0].value`" in answer.json()["message"]


@pytest.mark.parametrize("name", ["key_schema", "key_schema_id", "value_schema", "value_schema_id"])
def test_a_schema_asks_for_what_the_gateway_does_not_do_unless_it_is_null(client: Client, name: str) -> None:
    assert post(client, {"value": 1}, **{name: None}).status_code == 200
    for schema in ('{"type":"string"}', 7):
        answer = post(client, {"value": 1}, **{name: schema})
        assert (answer.status_code, answer.json()["error_code"]) == (422, 422)
        assert f"`{name}` asks to convert records" in answer.json()["message"]


def test_a_misspelt_field_of_the_request_is_named(client: Client) -> None:
    assert "`record`" in post(client, {"value": 1}, record=[]).json()["message"]


class Bare(Wrapped):
    """The embedded log with the one weakness of Kinesis that is looked at here."""

    capabilities = Capabilities(text_keys_only=True)


@pytest.mark.parametrize(
    ("more", "field"), [({"headers": [{"name": "a"}]}, "headers"), ({"timestamp": 1}, "timestamp")]
)
def test_a_log_that_keeps_no_headers_refuses_them_by_name(
    tmp_path: Path, more: dict[str, Any], field: str
) -> None:
    with gateway(tmp_path, wrap=Bare) as client:
        answer = post(client, {"value": 1}, {"value": 2, **more})
        assert (answer.status_code, answer.json()["error_code"]) == (422, 422)
        assert answer.json()["message"].endswith(f"at `$.records[1].{field}`")
        assert post(client, {"value": 1, "headers": []}).status_code == 200
