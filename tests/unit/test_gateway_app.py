"""The app as a whole: topics coming and going, unknown routes, health, metrics, and what is never logged."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from tests.gateway_client import KAFKA_JSON, Wrapped, gateway, log_url, until, values

from pinflow.errors import TopicExistsError
from pinflow.gateway.route import ROUTES
from pinflow.log import open_log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.gateway_client import Client

    from pinflow.log import EventLog

BODY = b'{"records":[{"value":{"index":1}}]}'


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with gateway(tmp_path) as made:
        yield made


def test_a_topic_deleted_through_the_door_starts_anew_with_its_offsets_counting_on(client: Client) -> None:
    first = client.post("a", BODY).json()["offsets"][0]
    client.request("DELETE", "/streams/a")
    again = client.post("a", BODY).json()["offsets"][0]
    assert again == first | {"offset": first["offset"] + 1}
    assert values(client.log, "a") == [b'{"index":1}'] * 2  # what was accepted is never lost


def test_a_topic_deleted_by_another_process_is_noticed(tmp_path: Path) -> None:
    with gateway(tmp_path) as client:
        client.post("a", BODY)
        other = open_log(log_url(tmp_path))
        other.topics.delete("a")
        assert client.post("a", BODY).status_code == 200
        other.topics.delete("a")
        other.topics.create("a", 9)
        other.close()
        to_eighth = client.request("POST", "/topics/a/partitions/8", content=BODY, headers=KAFKA_JSON)
        assert to_eighth.status_code == 200
        assert len(client.get("/topics/a/partitions").json()) == 9


def test_a_topic_deleted_by_another_process_is_404_when_none_may_be_created(tmp_path: Path) -> None:
    with gateway(tmp_path, create_topics=False) as client:
        client.request("POST", "/streams/a", json={"ShardCount": 1})
        assert client.post("a", BODY).status_code == 200
        client.log.topics.delete("a")
        assert client.post("a", BODY).json()["error_code"] == 40401


def test_a_request_whose_topic_is_gone_does_not_take_others_of_its_group_with_it(tmp_path: Path) -> None:
    with gateway(tmp_path, wrap=Wrapped, create_topics=False) as client:
        log: Any = client.log
        for topic in ("a", "b"):
            client.request("POST", f"/streams/{topic}", json={"ShardCount": 1})
            client.post(topic, BODY)
        log.topics.delete("a")
        log.open.clear()
        log.entered.clear()

        async def together() -> list[int]:
            posts = [asyncio.create_task(client.http.post("/topics/b", content=BODY, headers=KAFKA_JSON))]
            await until(log.entered.is_set)
            for topic in ("a", "b", "b"):
                url = f"/topics/{topic}"
                posts.append(asyncio.create_task(client.http.post(url, content=BODY, headers=KAFKA_JSON)))
            await until(lambda: len(client.app.committer._waiting) == 3)
            log.open.set()
            return [answer.status_code for answer in await asyncio.gather(*posts)]

        assert client.run(together()) == [200, 404, 200, 200]
        assert len(values(client.log, "b")) == 4


def test_many_first_posts_at_once_create_a_topic_once(client: Client) -> None:
    async def together() -> list[int]:
        posts = [client.http.post("/topics/new", content=BODY, headers=KAFKA_JSON) for _ in range(20)]
        return [answer.status_code for answer in await asyncio.gather(*posts)]

    assert client.run(together()) == [200] * 20
    assert len(values(client.log, "new")) == 20
    assert "pinflow_gateway_topics_created_total 1.0" in client.get("/metrics").text


def test_a_topic_that_another_process_creates_at_the_same_moment_is_used(tmp_path: Path) -> None:
    class Raced(Wrapped):
        """The first `create` finds the topic there already, with two partitions."""

        topics: Any

        def __init__(self, log: EventLog) -> None:
            super().__init__(log)
            self.topics = self
            self._lists = log.topics

        def list(self) -> dict[str, int]:
            return self._lists.list()

        def create(self, topic: str, _partitions: int) -> None:
            self._lists.create(topic, 2)
            raise TopicExistsError("there already")

    with gateway(tmp_path, wrap=Raced) as client:
        assert client.post("a", BODY).status_code == 200
        assert len(client.get("/topics/a/partitions").json()) == 2


@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"]
)
@pytest.mark.parametrize(
    "path",
    ["/", "/topics", "/topics/", "/topics//", "/topics/a", "/streams/a/record", "/nothing", "/streams/a/x/y"],
)
def test_every_method_of_every_path_has_an_answer_in_json(client: Client, method: str, path: str) -> None:
    answer = client.request(method, path)
    assert answer.status_code in {200, 404, 405, 415} or (answer.status_code, path) == (
        400,
        "/streams/a/record",
    )
    if answer.status_code in {404, 405} and method != "HEAD":
        assert set(answer.json()) == (
            {"__type", "message"} if "streams" in path else {"error_code", "message"}
        )
    if answer.status_code == 405:
        assert answer.headers["allow"]


def test_health_and_metrics(client: Client) -> None:
    expected = {"status": "ok", "log": "ok", "pending_bytes": 0, "pending_requests": 0}
    assert client.get("/healthz").json() == expected
    client.post("secret-topic", b'{"records":[{"value":1},{"value":2},{"value":3,"partition":99}]}')
    client.put("s/record", b'{"Data":1}')
    text = client.get("/metrics").text
    assert 'pinflow_gateway_requests_total{dialect="kafka",status="200"}' in text
    assert 'pinflow_gateway_records_accepted_total{dialect="kafka"} 2.0' in text
    assert 'pinflow_gateway_records_refused_total{dialect="kafka"} 1.0' in text
    assert 'pinflow_gateway_records_accepted_total{dialect="kinesis"} 1.0' in text
    assert "pinflow_gateway_commit_records_sum 3.0" in text
    assert "secret-topic" not in text


def test_the_description_names_every_route_and_its_methods(client: Client) -> None:
    described = {
        path: {method.upper() for method in item} - {"PARAMETERS"}
        for path, item in client.get("/openapi.json").json()["paths"].items()
    }
    assert described == {path: set(methods) for path, methods in ROUTES.items()}


def test_a_bug_is_answered_with_500_and_logged_without_what_the_client_sent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Wrapped):
        def append(self, batches: Any) -> Any:
            raise KeyError(batches[0].records.values[0])

    caplog.set_level(logging.DEBUG)
    with gateway(tmp_path, wrap=Broken) as client:
        body = json.dumps({"records": [{"key": "hidden-key", "value": "hidden-value"}]}).encode()
        headers = KAFKA_JSON | {"x-secret": "hidden-header"}
        answer = client.request("POST", "/topics/a", content=body, headers=headers)
        assert (answer.status_code, answer.json()["error_code"]) == (500, 500)
        answer = client.put("a/record", b'{"Data":"hidden-value"}')
        assert (answer.status_code, answer.json()["__type"]) == (500, "InternalFailure")
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("pinflow")]
    assert len(ours) == 2
    assert all("KeyError" in message and "test_gateway_app.py" in message for message in ours)
    assert "hidden" not in "".join(record.getMessage() for record in caplog.records)


def test_an_unknown_topic_in_a_page_is_not_created(client: Client) -> None:
    for path in ("/topics/a", "/streams/a"):
        client.get(path)
    assert client.log.topics.list() == {}
