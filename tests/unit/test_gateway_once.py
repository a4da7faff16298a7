"""`Idempotency-Key`: a request that comes again gets the first answer, and nothing is appended."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.gateway_client import JSON, KAFKA_JSON, NDJSON, Wrapped, gateway, log_url, serving, until, values

from pinflow.config import Config, Gateway, Log
from pinflow.errors import RepeatedError
from pinflow.log import open_log

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import httpx
    from tests.gateway_client import Client

    from pinflow.log import AppendResult, EventLog, IdempotencyKey, ProduceBatch

BODY = b'{"records":[{"value":{"index":1}},{"value":[]},{"value":[]},{"value":2},{"value":3,"partition":9}]}'
MANY = b'{"records":[{"data":{"index":1},"partition-key":"1"},{"data":"x"},{"data":"y"}]}'

ROUTES = [
    ("POST", "/topics/a", KAFKA_JSON, BODY),
    ("POST", "/topics/a/partitions/2", KAFKA_JSON, b'{"records":[{"value":1},{"value":2}]}'),
    ("POST", "/topics/a", NDJSON, b"1\n2\n3\n"),
    ("PUT", "/streams/a/record", JSON, b'{"Data":{"x":1}}'),
    ("PUT", "/streams/a/records", JSON, MANY),
]


def send(client: Client, route: tuple[str, str, dict[str, str], bytes], key: str) -> httpx.Response:
    method, path, headers, body = route
    return client.request(method, path, content=body, headers=headers | {"idempotency-key": key})


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route[1]} {route[2]['content-type']}")
def test_a_request_that_comes_again_gets_the_first_answer_and_appends_nothing(
    tmp_path: Path, route: tuple[str, str, dict[str, str], bytes]
) -> None:
    with gateway(tmp_path) as client:
        first = send(client, route, '"k1"')
        assert first.status_code == 200
        kept = len(values(client.log, "a"))
        other = send(client, route, "k2")
        assert other.content != first.content
        for spelling in ('"k1"', "k1"):
            again = send(client, route, spelling)
            assert (again.status_code, again.content) == (200, first.content)
            assert again.headers["content-type"] == first.headers["content-type"]
        assert len(values(client.log, "a")) == 2 * kept


def test_a_key_lives_in_the_log_and_so_outlives_the_gateway(tmp_path: Path) -> None:
    with gateway(tmp_path) as client:
        first = send(client, ROUTES[0], "k")
    with gateway(tmp_path) as client:
        assert send(client, ROUTES[0], "k").content == first.content
        assert len(values(client.log, "a")) == 4


def test_a_key_used_with_another_body_is_422_in_each_dialect(tmp_path: Path) -> None:
    with gateway(tmp_path) as client:
        for route in ROUTES:
            send(client, route, f"key of {route[1]}".replace(" ", "-"))
        changed = [
            send(client, (*route[:3], route[3].replace(b"1", b"7")), f"key of {route[1]}".replace(" ", "-"))
            for route in (ROUTES[0], ROUTES[3])
        ]
        assert [answer.status_code for answer in changed] == [422, 422]
        assert changed[0].json()["error_code"] == 422
        assert changed[1].json()["__type"] == "IdempotentParameterMismatchException"
        assert "retry-after" not in changed[0].headers


def test_a_key_means_another_request_on_another_path(tmp_path: Path) -> None:
    with gateway(tmp_path) as client:
        answers = [
            client.request(
                "POST", f"/topics/{name}", content=BODY, headers=KAFKA_JSON | {"idempotency-key": "k"}
            )
            for name in ("a", "b")
        ]
        assert [answer.status_code for answer in answers] == [200, 200]
        assert len(values(client.log, "a")) == len(values(client.log, "b")) == 4


@pytest.mark.parametrize("key", ["", '""', b"a\x80b", "x" * 256, "k\u00e9y".encode("latin-1")])
def test_a_key_that_is_none_is_400(tmp_path: Path, key: str | bytes) -> None:
    with gateway(tmp_path) as client:
        for path, method in (("/topics/a", "POST"), ("/streams/a/record", "PUT")):
            answer = client.request(
                method,
                path,
                content=b"{}",
                headers={b"idempotency-key": key.encode() if isinstance(key, str) else key},
            )
            assert answer.status_code == 400
        twice = [("idempotency-key", "a"), ("idempotency-key", "b"), *KAFKA_JSON.items()]
        assert client.request("POST", "/topics/a", content=BODY, headers=twice).status_code == 400
        assert client.get("/topics").json() == []


def test_a_request_that_appended_nothing_may_be_sent_again_under_its_key(tmp_path: Path) -> None:
    with gateway(tmp_path, wrap=Wrapped) as client:
        log: Any = client.log
        log.unavailable = True
        assert send(client, ROUTES[0], "k").status_code == 503
        log.unavailable = False
        assert send(client, ROUTES[0], "k").status_code == 200
        assert len(values(client.log, "a")) == 4


def test_the_same_request_many_times_at_once_is_appended_once(tmp_path: Path) -> None:
    with gateway(tmp_path) as client:

        async def together() -> list[httpx.Response]:
            headers = KAFKA_JSON | {"idempotency-key": "k"}
            return await asyncio.gather(
                *[client.http.post("/topics/a", content=BODY, headers=headers) for _ in range(40)]
            )

        answers = client.run(together())
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        assert len(values(client.log, "a")) == 4


def test_two_gateways_on_one_log_append_the_same_request_once(tmp_path: Path) -> None:
    config = Config(log=Log(partitions=4))
    with gateway(tmp_path) as one:
        log = open_log(log_url(tmp_path))
        with serving(log, config) as two:
            first = send(one, ROUTES[0], "k")
            assert send(two, ROUTES[0], "k").content == first.content
            assert len(values(log, "a")) == 4
        log.close()


class Racing(Wrapped):
    """A log in which another process appends the same request between the look and the write."""

    def __init__(self, log: EventLog) -> None:
        super().__init__(log)
        self.races = 1

    def append_idempotent(
        self, batches: Sequence[ProduceBatch], keys: Sequence[IdempotencyKey]
    ) -> list[AppendResult]:
        if self.races > 0:
            self.races -= 1
            super().append_idempotent(batches, keys)
        return super().append_idempotent(batches, keys)


class AlwaysRacing(Wrapped):
    """A log that says every time that another process has the request, and never what became of it."""

    def append_idempotent(self, *_: object) -> list[AppendResult]:
        raise RepeatedError("a request was appended before")


def test_a_race_with_another_process_is_won_by_one_and_answered_the_same_by_both(tmp_path: Path) -> None:
    with gateway(tmp_path, wrap=Racing) as client:
        first = send(client, ROUTES[0], "k")
        assert first.status_code == 200
        assert send(client, ROUTES[0], "k").content == first.content
        assert len(values(client.log, "a")) == 4


def test_a_race_that_is_not_settled_is_409_with_retry_after(tmp_path: Path) -> None:
    with gateway(tmp_path, wrap=AlwaysRacing) as client:
        answers = [send(client, ROUTES[0], "k"), send(client, ROUTES[3], "k")]
        assert [(each.status_code, each.headers["retry-after"]) for each in answers] == [(409, "1")] * 2


def test_a_key_is_kept_for_the_configured_time(tmp_path: Path) -> None:
    with gateway(tmp_path, idempotency_seconds=0.05) as client:
        first = send(client, ROUTES[0], "k")

        async def later() -> bool:
            await until(lambda: not client.log.stored_responses([token_of(client)]))  # type: ignore[attr-defined]
            return True

        assert client.run(later())
        again = send(client, ROUTES[0], "k")
        assert again.status_code == 200
        assert again.content != first.content


def token_of(client: Client) -> bytes:
    db = client.log.connection()  # type: ignore[attr-defined]
    (token,) = db.execute("SELECT token FROM answered").fetchone()
    return bytes(token)


def test_a_log_that_keeps_no_keys_takes_the_request_as_one_without(tmp_path: Path) -> None:
    class Plain:
        """A log that is not idempotent."""

        def __init__(self, log: EventLog) -> None:
            self.append, self.topics = log.append, log.topics
            self.read, self.ranges = log.read, log.ranges
            self.capabilities = log.capabilities._replace(idempotent=False)

    with gateway(tmp_path, wrap=Plain) as client:
        for _ in range(2):
            assert send(client, ROUTES[0], "k").status_code == 200
        assert len(values(client.log, "a")) == 8


def test_requests_with_and_without_keys_share_an_append(tmp_path: Path) -> None:
    config = Config(gateway=Gateway(), log=Log(partitions=1))
    log = open_log(log_url(tmp_path))
    with serving(log, config) as client:

        async def together() -> list[httpx.Response]:
            def post(number: int) -> Any:
                key = {"idempotency-key": f"k{number % 10}"} if number % 2 else {}
                body = b'{"records":[{"value":%d}]}' % (number % 10)
                return client.http.post("/topics/a", content=body, headers=KAFKA_JSON | key)

            answers: list[httpx.Response] = await asyncio.gather(*[post(number) for number in range(40)])
            return answers

        answers = client.run(together())
        placed = [json.loads(answer.content)["offsets"][0]["offset"] for answer in answers]
        assert sorted(set(placed)) == list(range(25))
        stored = values(log, "a")
        assert [stored[offset] for offset in placed] == [b"%d" % (number % 10) for number in range(40)]
    log.close()
