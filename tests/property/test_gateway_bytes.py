"""Any bytes get an answer; whatever is accepted comes back byte for byte."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.gateway_client import JSON, KAFKA_BINARY, KAFKA_JSON, NDJSON, gateway

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.gateway_client import Client

SETTINGS = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    database=None,
)
MAX_BYTES = 1 << 30

DOORS = [
    ("POST", "/topics/t", KAFKA_JSON),
    ("POST", "/topics/t/partitions/1", KAFKA_JSON),
    ("POST", "/topics/t", KAFKA_BINARY),
    ("POST", "/topics/t", NDJSON),
    ("PUT", "/streams/t/record", JSON),
    ("PUT", "/streams/t/records", JSON),
    ("POST", "/streams/t", JSON),
    *(
        ("POST", "/", {"x-amz-target": f"Kinesis_20131202.{name}"} | JSON)
        for name in ("PutRecords", "ListShards")
    ),
]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with gateway(tmp_path_factory.mktemp("bytes")) as made:
        yield made


def blank() -> st.SearchStrategy[str]:
    return st.text(" \t\r\n", max_size=2)


@st.composite
def json_texts(draw: st.DrawFn, depth: int = 2) -> str:
    """JSON as odd as the grammar allows: blanks anywhere, any escapes, long numbers, the same key twice."""
    kinds = ["number", "text", "word"] + (["array", "object"] if depth else [])
    kind = draw(st.sampled_from(kinds))
    if kind == "number":
        return draw(
            st.from_regex(r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,4})?", fullmatch=True)
        )
    if kind == "word":
        return draw(st.sampled_from(["true", "false", "null"]))
    if kind == "text":
        return draw(json_strings())
    inner = json_texts(depth=depth - 1)
    if kind == "array":
        return "[" + ",".join(padded(draw, inner) for _ in range(draw(st.integers(0, 3)))) + "]"
    pairs = [f"{padded(draw, json_strings())}:{padded(draw, inner)}" for _ in range(draw(st.integers(0, 3)))]
    return "{" + ",".join(pairs) + "}"


def padded(draw: st.DrawFn, text: st.SearchStrategy[str]) -> str:
    return draw(blank()) + draw(text) + draw(blank())


def json_strings() -> st.SearchStrategy[str]:
    plain = st.text(st.characters(exclude_categories=["Cs"]), max_size=8).map(json.dumps)
    raw = st.text(st.characters(exclude_categories=["Cs"]), max_size=8).map(
        lambda text: json.dumps(text, ensure_ascii=False)
    )
    names = st.sampled_from(['"index"', '"ind"', r'"\/"', r'"\u0041\ud83d\ude00"'])
    return plain | raw | names


def stored(client: Client, entry: dict[str, Any], topic: str) -> tuple[bytes | None, bytes | None]:
    """Key and value of the record that an entry of an answer names."""
    chunk = client.log.read(
        topic, entry["partition"], str(entry["offset"]), max_records=1, max_bytes=MAX_BYTES
    )
    keys = chunk.records.keys
    return keys[0] if keys is not None else None, chunk.records.values[0]


@pytest.mark.parametrize(("method", "path", "headers"), DOORS, ids=lambda part: str(part)[:60])
@SETTINGS
@given(body=st.binary(max_size=200) | st.from_regex(rb'\{"(records|Records|Data)":.{0,40}\}?\]?\}?'))
def test_any_body_gets_an_answer(
    client: Client, method: str, path: str, headers: dict[str, str], body: bytes
) -> None:
    answer = client.request(method, path, content=body, headers=headers)
    assert answer.status_code < 500
    assert answer.json() is not None


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "x-gzip"])
@SETTINGS
@given(body=st.binary(max_size=100))
def test_any_compressed_body_gets_an_answer(client: Client, encoding: str, body: bytes) -> None:
    answer = client.post("t", body, KAFKA_JSON | {"content-encoding": encoding})
    assert 400 <= answer.status_code < 500


@SETTINGS
@given(
    name=st.text(min_size=1).map(lambda text: quote(text.encode("utf-8", "surrogatepass"), safe=""))
    | st.binary().map(quote),
    content_type=st.binary(max_size=20).filter(lambda value: not set(value) & {0, 10, 13}),
)
def test_any_name_and_content_type_get_an_answer(client: Client, name: str, content_type: bytes) -> None:
    headers = {b"content-type": content_type}
    for method, path in (("POST", f"/topics/{name}"), ("PUT", f"/streams/{name}/record")):
        assert client.request(method, path, content=b"{}", headers=headers).status_code < 500


@SETTINGS
@given(texts=st.lists(st.tuples(json_texts(), json_texts() | st.none()), min_size=1, max_size=5))
def test_json_values_and_keys_come_back_byte_for_byte(
    client: Client, texts: list[tuple[str, str | None]]
) -> None:
    records = [
        f'{{"value": {value} }}' if key is None else f'{{"key":{key} , "value":{value}}}'
        for value, key in texts
    ]
    body = '{"records": [' + ",".join(records) + "]}"
    answer = client.post("values", body.encode())
    assert answer.status_code == 200, answer.text
    for (value, key), entry in zip(texts, answer.json()["offsets"], strict=True):
        expected = tuple(None if text in {None, "null"} else str(text).encode() for text in (key, value))
        assert stored(client, entry, "values") == expected


@SETTINGS
@given(
    pairs=st.lists(
        st.tuples(st.binary(max_size=50) | st.none(), st.binary(max_size=50) | st.none()), min_size=1
    )
)
def test_binary_records_come_back_byte_for_byte(
    client: Client, pairs: list[tuple[bytes | None, bytes | None]]
) -> None:
    def text(raw: bytes | None) -> str | None:
        return None if raw is None else base64.b64encode(raw).decode()

    body = json.dumps({"records": [{"key": text(key), "value": text(value)} for key, value in pairs]})
    answer = client.post("binary", body.encode(), KAFKA_BINARY)
    assert answer.status_code == 200
    assert [stored(client, entry, "binary") for entry in answer.json()["offsets"]] == pairs


@SETTINGS
@given(
    data=json_texts(), decoded=st.text(st.characters(exclude_categories=["Cs"])), key=st.text(max_size=256)
)
def test_kinesis_data_comes_back_as_json_or_as_its_text(
    client: Client, data: str, decoded: str, key: str
) -> None:
    key = key.encode("utf-8", "replace").decode()
    one = client.put("one/record", f'{{"Data":{data},"PartitionKey":{json.dumps(key)}}}'.encode()).json()
    assert stored(client, entry_of(one), "one") == (key.encode(), data.encode())
    body = json.dumps({"records": [{"data": decoded, "partition-key": key}]}).encode()
    (many,) = client.put("many/records", body).json()["Records"]
    assert stored(client, entry_of(many), "many") == (key.encode(), decoded.encode())


def entry_of(put: dict[str, str]) -> dict[str, Any]:
    return {"partition": int(put["ShardId"].removeprefix("shardId-")), "offset": int(put["SequenceNumber"])}
