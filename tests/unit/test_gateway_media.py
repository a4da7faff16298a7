"""Content types in both directions, and the slash at the end of a path."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.gateway_client import JSON, KAFKA_JSON, gateway, values

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.gateway_client import Client

V2 = "application/vnd.kafka.v2+json"
BODY = b'{"records":[{"value":"MTI="}]}'


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with gateway(tmp_path) as made:
        yield made


@pytest.mark.parametrize(
    ("content_type", "kept"),
    [
        ("application/vnd.kafka.json.v1+json", b'"MTI="'),
        ("application/vnd.kafka.json+json", b'"MTI="'),
        ("application/vnd.kafka.json.v2+json", b'"MTI="'),
        ("application/vnd.kafka.v2+json", b'"MTI="'),
        ("application/json", b'"MTI="'),
        ("application/vnd.kafka.binary.v1+json", b"12"),
        ("application/vnd.kafka.binary.v2+json", b"12"),
        ("application/vnd.kafka.binary+json", b"12"),
        ("application/vnd.kafka.v1+json", b"12"),
        ("application/vnd.kafka+json", b"12"),
        ("Application/VND.kafka+json; charset=utf-8", b"12"),
    ],
)
@pytest.mark.parametrize("path", ["/topics/t", "/topics/t/partitions/1"])
def test_a_type_that_names_no_format_is_binary_but_where_the_gateway_always_took_json(
    client: Client, content_type: str, kept: bytes, path: str
) -> None:
    answer = client.request("POST", path, content=BODY, headers={"content-type": content_type})
    assert answer.status_code == 200
    assert values(client.log, "t") == [kept]


@pytest.mark.parametrize("embedded", ["avro", "protobuf", "jsonschema"])
@pytest.mark.parametrize("version", [".v2", ".v1", ""])
def test_formats_with_schemas_are_415_and_the_answer_says_what_to_send(
    client: Client, embedded: str, version: str
) -> None:
    headers = {"content-type": f"application/vnd.kafka.{embedded}{version}+json"}
    answer = client.request("POST", "/topics/t", content=BODY, headers=headers)
    assert (answer.status_code, answer.json()["error_code"]) == (415, 415)
    assert "send application/vnd.kafka.json.v2+json" in answer.json()["message"]


@pytest.mark.parametrize(
    ("accept", "served"),
    [
        (None, V2),
        ("", V2),
        ("*/*", V2),
        ("application/*;q=0.1", V2),
        ("text/html, image/gif, *; q=.2, */*; q=.2", V2),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", V2),
        (f"{V2}, application/vnd.kafka+json, application/json", V2),
        ("application/json", "application/json"),
        ("APPLICATION/JSON; charset=utf-8", "application/json"),
        ("application/vnd.kafka.v2+json;q=0.5, application/json", "application/json"),
        ("application/vnd.kafka.v1+json", "application/vnd.kafka.v1+json"),
        ("application/vnd.kafka.json.v2+json", "application/vnd.kafka.json.v2+json"),
        ("application/vnd.kafka.v2+json;q=0, */*", "application/vnd.kafka+json"),
        ("text/plain;q=x, application/json;q=0.001", "application/json"),
    ],
)
def test_an_answer_is_of_a_type_that_the_client_accepts(
    client: Client, accept: str | None, served: str
) -> None:
    headers = KAFKA_JSON | ({"accept": accept} if accept is not None else {})
    if accept is None:
        del client.http.headers["accept"]
    assert (
        client.request("POST", "/topics/t", content=BODY, headers=headers).headers["content-type"] == served
    )
    for path, status in (("/topics", 200), ("/topics/t", 200), ("/brokers", 200), ("/topics/no", 404)):
        answer = client.request("GET", path, headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (status, served)
        assert answer.json() is not None


@pytest.mark.parametrize(
    "accept", ["text/html", "application/xml, text/*", "*/*;q=0", "application/json;q=0", "nonsense"]
)
def test_an_accept_that_cannot_be_served_is_406_and_appends_nothing(client: Client, accept: str) -> None:
    for method, path in (
        ("POST", "/topics/t"),
        ("POST", "/topics/t/partitions/0"),
        ("GET", "/topics"),
        ("GET", "/topics/t"),
        ("GET", "/brokers"),
    ):
        answer = client.request(method, path, content=BODY, headers=KAFKA_JSON | {"accept": accept})
        assert (answer.status_code, answer.json()["error_code"]) == (406, 406), path
    assert client.get("/topics").json() == []


def test_two_accept_headers_are_one(client: Client) -> None:
    headers = [("accept", "text/html"), ("accept", "application/json")]
    assert client.request("GET", "/topics", headers=headers).headers["content-type"] == "application/json"


def test_what_has_one_type_and_kinesis_do_not_look_at_accept(client: Client) -> None:
    headers = JSON | {"accept": "text/html"}
    for path in ("/healthz", "/metrics", "/openapi.json", "/streams"):
        assert client.request("GET", path, headers=headers).status_code == 200
    assert client.request("PUT", "/streams/s/record", content=b'{"Data":1}', headers=headers).is_success


def test_a_slash_at_the_end_changes_nothing(client: Client) -> None:
    assert client.request("POST", "/topics/t/", content=BODY, headers=KAFKA_JSON).is_success
    assert client.request("POST", "/topics/t/partitions/1/", content=BODY, headers=KAFKA_JSON).is_success
    assert client.put("t/record/", b'{"Data":1}').is_success
    assert client.put("t/records/", b'{"records":[{"data":1}]}').is_success
    assert client.request("POST", "/streams/s/", json={"ShardCount": 1}).is_success
    for path in (
        "/topics",
        "/topics/t",
        "/topics/t/partitions",
        "/streams",
        "/streams/s",
        "/healthz",
        "/brokers",
    ):
        assert client.get(f"{path}/").json() == client.get(path).json(), path
    assert client.request("DELETE", "/streams/s/").is_success
    assert client.get("/topics/").json() == ["t"]


def test_a_slash_that_is_part_of_a_name_is_not_passed_over(client: Client) -> None:
    for path in ("/topics/t%2F", "/topics/t%2f", "/topics//", "/topics/t//"):
        assert client.request("POST", path, content=BODY, headers=KAFKA_JSON).status_code == 404, path


def test_a_retry_with_and_without_the_slash_is_one_request(client: Client) -> None:
    headers = KAFKA_JSON | {"idempotency-key": "k"}
    first = client.request("POST", "/topics/t", content=BODY, headers=headers)
    again = client.request("POST", "/topics/t/", content=BODY, headers=headers)
    assert json.loads(first.content) == json.loads(again.content)
    assert len(values(client.log, "t")) == 1
