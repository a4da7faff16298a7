"""The whole pipeline on Kafka, by the installed command."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import urllib3
from confluent_kafka import Producer

from pinflow.config import load
from pinflow.jobs.runtime import Runtime
from tests.e2e.command import gateway, pinflow, pinflow_json, run, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.kafka import Cluster

KAFKA = "application/vnd.kafka.json.v2+json"
BINARY = "application/vnd.kafka.binary.v2+json"
JSON = "application/json"


@pytest.fixture
def ident() -> str:
    """A user id that no other test has: the cluster is shared."""
    return uuid4().hex[:12]


@pytest.fixture
def home(tmp_path: Path, kafka: Cluster, ident: str) -> Path:
    """A home with its log on the cluster; other tests' topics are not seen."""
    url = f"{kafka.url}?topics={ident}.*,streaming-{ident}-*&group={ident}"
    return configured(tmp_path / "home", ident, url)


def configured(home: Path, ident: str, url: str, more: str = "") -> Path:
    home.mkdir()
    (home / "pinflow.toml").write_text(f'id = "{ident}"\n[log]\nurl = "{url}"\npartitions = 2\n{more}')
    return home


def send(method: str, url: str, body: bytes, kind: str) -> tuple[int, Any]:
    answer = urllib3.request(
        method, url, body=body, headers={"Content-Type": kind}, retries=False, timeout=30
    )
    return answer.status, json.loads(answer.data)


def post(url: str, topic: str, *texts: bytes) -> tuple[int, Any]:
    body = b'{"records":[' + b",".join(b'{"value":' + text + b"}" for text in texts) + b"]}"
    return send("POST", f"{url}/topics/{topic}", body, KAFKA)


def test_records_of_both_dialects_and_of_a_stock_producer_go_all_the_way(
    home: Path, kafka: Cluster, ident: str
) -> None:
    batch, stream = f"{ident}.user", f"streaming-{ident}-user"
    with gateway(home) as url:
        assert post(url, batch, b'{"ind": 1, "first_name": "A"}', b"17", b"null")[0] == 200
        raw = json.dumps(base64.b64encode(b"\xff\xfe").decode()).encode()
        body = b'{"records":[{"value":' + raw + b"}]}"
        assert send("POST", f"{url}/topics/{batch}", body, BINARY)[0] == 200
        body = b'{"records":[{"data":{"ind":2},"partition-key":"k"},{"data":"{","partition-key":"k"}]}'
        status, answer = send("PUT", f"{url}/streams/{stream}/records", body, JSON)
        assert (status, answer["FailedRecordCount"]) == (200, 0)
        assert send("GET", f"{url}/topics", b"", JSON)[1] == sorted([batch, stream])
        status, described = send("GET", f"{url}/streams/{stream}", b"", JSON)
        assert (status, len(described["StreamDescription"]["Shards"])) == (200, 2)
    produce_odd_records(kafka, stream)
    for job in ("land", "stream", "batch"):
        pinflow(job, "--drain", home=home)
    found = pinflow_json("audit", "--deep", home=home)
    assert found["ok"] is True
    sums = {
        topic: {
            name: sum(line[name] for line in found["lines"] if line["topic"] == topic)
            for name in ("accepted", "landed", "cleaned", "superseded", "quarantined", "waiting")
        }
        for topic in (batch, stream)
    }
    assert sums[batch] == {
        "accepted": 4, "landed": 4, "cleaned": 1, "superseded": 0, "quarantined": 3, "waiting": 0
    }  # fmt: skip
    assert sums[stream] == {
        "accepted": 6, "landed": 6, "cleaned": 2, "superseded": 0, "quarantined": 4, "waiting": 0
    }  # fmt: skip
    landed = landed_records(home, ident, stream)
    assert (b"\x00\xff\n", None, ()) in landed
    assert (b'{"ind": 5}', b"k", (("trace", b"\x01"),)) in landed
    assert (None, b"gone", ()) in landed
    assert {(each["to_land"], each["to_clean"]) for each in pinflow_json("status", home=home)} == {(0, 0)}
    (log,) = [each for each in pinflow_json("doctor", home=home) if each["part"] == "log"]
    assert log["state"] == "ok"
    assert "2 topics at kafka:" in log["found"]
    assert "1 broker" in log["found"]


def produce_odd_records(kafka: Cluster, topic: str) -> None:
    producer = Producer({"bootstrap.servers": kafka.servers, "log_level": 0})
    producer.produce(topic, b"\x00\xff\n")
    producer.produce(topic, None, b"gone")
    producer.produce(topic, b'{"ind": 5}', b"k", headers=[("trace", b"\x01")])
    producer.produce(topic, b"", None)
    producer.flush()


def landed_records(home: Path, ident: str, topic: str) -> list[tuple[bytes | None, bytes | None, Any]]:
    found: list[tuple[bytes | None, bytes | None, Any]] = []
    with Runtime(load(home)) as runtime:
        for each in runtime.landing.objects(topic):
            records = runtime.landing.read(each).records
            nothing: list[Any] = [None] * len(records)
            found += zip(
                records.values, records.keys or nothing, records.headers or [()] * len(records), strict=True
            )
    return found


@pytest.fixture
def closed(tmp_path: Path, kafka: Cluster, ident: str) -> Iterator[tuple[Path, str]]:
    """A gateway that makes no topics; its home and address."""
    url = f"{kafka.url}?topics={ident}.*&compression=none"
    home = configured(tmp_path / "home", ident, url, "[gateway]\ncreate_topics = false\n")
    with gateway(home) as address:
        yield home, address


def test_what_cannot_be_taken_is_told_and_the_rest_is_kept(
    kafka: Cluster, closed: tuple[Path, str], ident: str
) -> None:
    home, url = closed
    topic = f"{ident}.user"
    status, answer = post(url, topic, b'{"ind":1}')
    assert (status, answer["error_code"]) == (404, 40401)
    assert topic not in kafka.admin.list_topics(timeout=10).topics
    pinflow("gateway", "topics", "create", topic, home=home)
    large = b'{"ind":2,"first_name":"' + b"x" * 2_000_000 + b'"}'
    asked = zip((b'{"ind":1}', large, b'{"ind":3}'), (1, 1, 7), strict=True)
    body = b",".join(b'{"value":%b,"partition":%d}' % each for each in asked)
    status, answer = send("POST", f"{url}/topics/{topic}", b'{"records":[' + body + b"]}", KAFKA)
    assert status == 200
    assert [entry["error_code"] for entry in answer["offsets"]] == [None, 50002, 40402]
    assert answer["offsets"][0] == {"partition": 1, "offset": 0, "error_code": None, "error": None}
    assert "larger" in answer["offsets"][1]["error"]
    status, answer = send("PUT", f"{url}/streams/{topic}/record", b'{"Data":' + large + b"}", JSON)
    assert (status, answer["__type"]) == (400, "ValidationException")
    pinflow("gateway", "topics", "delete", "--force", topic, home=home)
    until(lambda: post(url, topic, b'{"ind":1}')[0] == 404)  # 503 while a broker may not have heard of it
    wrong = run("gateway", "topics", "list", home=home, PINFLOW__LOG__URL=f"{kafka.url}?replicas=3")
    assert wrong.returncode == 2
    assert "did you mean replication?" in wrong.stderr


def test_while_the_brokers_are_away_clients_are_told_and_later_served(
    kafka: Cluster, closed: tuple[Path, str], ident: str
) -> None:
    home, url = closed
    topic = f"{ident}.user"
    pinflow("gateway", "topics", "create", topic, home=home)
    assert post(url, topic, b'{"ind":1}')[0] == 200
    kafka.brokers[0].kill()
    try:
        for _ in range(3):
            body = b'{"records":[{"value":{"ind":2}}]}'
            answer = urllib3.request(
                "POST", f"{url}/topics/{topic}", body=body, headers={"Content-Type": KAFKA}, retries=False
            )
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")
            health = urllib3.request("GET", f"{url}/healthz", retries=False, timeout=5)
            assert health.status in {200, 503}
        away = run("status", home=home)
        assert away.returncode == 1
        assert "the brokers cannot be reached" in away.stderr
        assert "Traceback" not in away.stderr
    finally:
        kafka.brokers[0].start()
        kafka.wait()
    until(lambda: post(url, topic, b'{"ind":3}')[0] == 200)
    until(lambda: urllib3.request("GET", f"{url}/healthz", retries=False, timeout=5).status == 200)


def test_a_topic_is_deleted_by_command_only_when_the_lake_has_all_of_it(home: Path, ident: str) -> None:
    topic = f"{ident}.user"
    with gateway(home) as url:
        assert post(url, topic, b'{"ind": 1}')[0] == 200
    refused = run("gateway", "topics", "delete", topic, home=home)
    assert refused.returncode == 1
    assert "land has not read the topic to its end" in refused.stderr
    pinflow("land", "--drain", home=home)
    pinflow("gateway", "topics", "delete", topic, home=home)
    assert topic not in pinflow_json("gateway", "topics", "list", home=home)
    assert pinflow_json("audit", home=home)["ok"] is True
