"""API keys: what is kept of them, who is let in, and to what."""

from __future__ import annotations

import json
import stat
import threading
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest
from tests.gateway_client import JSON, KAFKA_JSON, gateway

from pinflow.errors import AbsentError, ConfigError, UnavailableError, UsageError
from pinflow.gateway.auth.key_file import create_key, read_keys, revoke_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx
    from tests.gateway_client import Client

BODY = b'{"records":[{"value":{"index":1}}]}'


def bearer(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}"}


def basic(user: str, text: str) -> dict[str, str]:
    return {"authorization": f"Basic {b64encode(f'{user}:{text}'.encode()).decode()}"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@pytest.fixture
def text(path: Path) -> str:
    return create_key(path, "emulator", ["a.*", "streaming-a-*"])[1]


@pytest.fixture
def client(tmp_path: Path, path: Path, text: str) -> Iterator[Client]:
    with gateway(tmp_path, keys_file=str(path)) as client:
        yield client


def post(client: Client, headers: dict[str, str], topic: str = "a.pin") -> httpx.Response:
    return client.post(topic, BODY, KAFKA_JSON | headers)


def test_of_a_key_only_a_hash_is_kept_in_a_file_of_its_owner(path: Path, text: str) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    kept = path.read_text()
    ident, secret = text.split("_", 2)[1:]
    assert ident in kept
    assert secret not in kept
    assert len(secret) == 43
    (key,) = read_keys(path)
    assert (key.id, key.name, key.topics) == (ident, "emulator", ["a.*", "streaming-a-*"])


def test_keys_made_at_the_same_time_are_all_kept(path: Path) -> None:
    threads = [threading.Thread(target=create_key, args=(path, f"k{n}", ["*"])) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(key.name for key in read_keys(path)) == [f"k{n}" for n in range(8)]


@pytest.mark.parametrize("name", ["", "a:b", "-x", "x" * 65, "a b"])
def test_a_name_that_is_none_is_refused(path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="name"):
        create_key(path, name, ["*"])
    assert not path.exists()


def test_a_name_is_given_once_and_again_after_it_is_revoked(path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="emulator"):
        create_key(path, "emulator", ["*"])
    revoke_key(path, text.split("_")[1])
    create_key(path, "emulator", ["*"])


def test_revoking_what_is_not_there_is_told(path: Path) -> None:
    with pytest.raises(AbsentError):
        revoke_key(path, "0")
    create_key(path, "one", ["*"])
    with pytest.raises(AbsentError, match="'0'"):
        revoke_key(path, "0")


def test_a_damaged_file_is_told(path: Path) -> None:
    path.write_bytes(b'{"version":1,"keys":[{"id":"secretive"}]}')
    with pytest.raises(ConfigError) as raised:
        read_keys(path)
    assert "secretive" not in str(raised.value)
    path.unlink()
    path.mkdir()
    with pytest.raises(UnavailableError):
        read_keys(path)


def test_a_good_key_is_let_in_by_bearer_and_by_basic_with_its_name_or_id(client: Client, text: str) -> None:
    for headers in (bearer(text), basic("emulator", text), basic(text.split("_")[1], text)):
        assert post(client, headers).status_code == 200
        assert client.put("streaming-a-pin/record", b'{"Data":1}', JSON | headers).status_code == 200


def test_whoever_has_no_good_key_is_401_in_each_dialect_and_told_how(client: Client, text: str) -> None:
    wrong = text[:-1] + ("A" if text[-1] != "A" else "B")
    for credentials in (
        {},
        bearer(""),
        bearer(wrong),
        bearer("pf_000000000000_x"),
        bearer("\u00e9"),
        basic("other", text),
        basic("", text),
        basic("emulator", wrong),
        {"authorization": "Basic !"},
        {"authorization": "Basic /w=="},
        {"authorization": f"Digest {text}"},
        {"authorization": text},
    ):
        headers = {name.encode(): value.encode() for name, value in (KAFKA_JSON | credentials).items()}
        kafka = client.request("POST", "/topics/a.pin", content=BODY, headers=headers)
        assert (kafka.status_code, kafka.json()["error_code"]) == (401, 40101)
        assert kafka.headers.get_list("www-authenticate") == [
            'Bearer realm="pinflow"',
            'Basic realm="pinflow", charset="UTF-8"',
        ]
        kinesis = client.request("PUT", "/streams/streaming-a-pin/record", content=b"{}", headers=headers)
        assert (kinesis.status_code, kinesis.json()["__type"]) == (401, "UnrecognizedClientException")
    twice = [("authorization", f"Bearer {text}")] * 2
    assert client.request("GET", "/topics", headers=twice).status_code == 401
    assert post(client, bearer(text)).json()["offsets"][0]["offset"] == 0


def test_a_key_is_for_the_topics_that_its_patterns_match(client: Client, path: Path, text: str) -> None:
    _, everything = create_key(path, "all", ["*"])
    assert post(client, bearer(everything), "b.pin").status_code == 200
    post(client, bearer(text))
    kafka = post(client, bearer(text), "b.pin")
    assert (kafka.status_code, kafka.json()["error_code"]) == (403, 40301)
    for method, where in (
        ("PUT", "/streams/b.pin/record"),
        ("GET", "/streams/b.pin"),
        ("POST", "/streams/b.pin"),
        ("DELETE", "/streams/b.pin"),
    ):
        kinesis = client.request(method, where, content=b"{}", headers=JSON | bearer(text))
        assert (kinesis.status_code, kinesis.json()["__type"]) == (403, "AccessDeniedException"), where
    for where in ("/topics/b.pin", "/topics/b.pin/partitions", "/topics/b.pin/partitions/0"):
        assert client.request("GET", where, headers=bearer(text)).status_code == 403
    assert client.request("GET", "/topics", headers=bearer(text)).json() == ["a.pin"]
    assert client.request("GET", "/streams", headers=bearer(text)).json()["StreamNames"] == ["a.pin"]
    assert client.request("GET", "/topics", headers=bearer(everything)).json() == ["a.pin", "b.pin"]


def test_health_is_open_and_the_rest_is_not(client: Client, text: str) -> None:
    assert client.get("/healthz").status_code == 200
    for where in ("/metrics", "/openapi.json", "/topics", "/streams", "/nowhere"):
        assert client.get(where).status_code == 401
        assert client.request("GET", where, headers=bearer(text)).status_code in {200, 404}


def test_a_change_of_the_file_works_at_once(client: Client, path: Path, text: str) -> None:
    assert post(client, bearer(text)).status_code == 200
    key, other = create_key(path, "other", ["*"])
    assert post(client, bearer(other)).status_code == 200
    revoke_key(path, key.id)
    assert post(client, bearer(other)).status_code == 401
    assert post(client, bearer(text)).status_code == 200
    revoke_key(path, text.split("_")[1])
    assert post(client, bearer(text)).status_code == 401, "the last key is gone, and the gateway stays closed"


def test_a_file_that_goes_away_or_breaks_lets_nobody_in(client: Client, path: Path, text: str) -> None:
    good = path.read_bytes()
    path.write_text("{")
    answer = post(client, bearer(text))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert client.get("/healthz").status_code == 200
    path.unlink()
    assert post(client, bearer(text)).status_code == 401
    assert post(client, {}).status_code == 401
    path.write_bytes(good)
    assert post(client, bearer(text)).status_code == 200


def test_the_first_key_closes_a_door_that_was_open(tmp_path: Path, path: Path) -> None:
    with gateway(tmp_path, keys_file=str(path)) as client:
        assert post(client, {}).status_code == 200
        _, text = create_key(path, "one", ["*"])
        assert post(client, {}).status_code == 401
        assert post(client, bearer(text)).status_code == 200


def test_the_same_idempotency_key_of_two_callers_names_two_requests(
    client: Client, path: Path, text: str
) -> None:
    _, other = create_key(path, "other", ["*"])
    answers = [post(client, bearer(each) | {"idempotency-key": "k"}) for each in (text, other, text)]
    offsets = [json.loads(answer.content)["offsets"][0]["offset"] for answer in answers]
    assert offsets == [0, 1, 0]
