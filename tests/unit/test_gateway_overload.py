"""A log that is slow, away or locked: the gateway says so within bounds, and stays alive."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from tests.gateway_client import JSON, KAFKA_JSON, Wrapped, gateway, until, values

from pinflow.errors import TopicExistsError, UnavailableError
from pinflow.gateway import committer, topics
from pinflow.log import ProduceBatch, Records
from pinflow.log.sqlite import file as sqlite_file

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    from tests.gateway_client import Client

    from pinflow.log import EventLog

BODY = b'{"records":[{"value":{"index":1}}]}'


def post(client: Client, body: bytes = BODY) -> asyncio.Task[httpx.Response]:
    return asyncio.create_task(client.http.post("/topics/a", content=body, headers=KAFKA_JSON))


def test_requests_that_wait_are_appended_together(tmp_path: Path) -> None:
    with gateway(tmp_path, wrap=Wrapped) as client:
        log: Any = client.log

        async def together() -> list[httpx.Response]:
            log.open.clear()
            posts = [post(client)]
            await until(log.entered.is_set)
            posts += [post(client) for _ in range(30)]
            await until(lambda: len(client.app.committer._waiting) == 30)
            log.open.set()
            return await asyncio.gather(*posts)

        answers = client.run(together())
        assert log.appends == 2
        entries = [answer.json()["offsets"][0] for answer in answers]
        assert sorted(entry["offset"] for entry in entries) == list(range(31))
        assert len({entry["partition"] for entry in entries}) == 1


def test_a_full_queue_answers_429_and_takes_posts_again_when_it_has_room(tmp_path: Path) -> None:
    with gateway(tmp_path, wrap=Wrapped, max_pending_bytes=2 * len(BODY)) as client:
        log: Any = client.log

        async def together() -> list[httpx.Response]:
            log.open.clear()
            waiting = [post(client)]
            await until(log.entered.is_set)
            waiting.append(post(client))
            await until(lambda: len(client.app.committer._waiting) == 1)
            refused = [
                await post(client),
                await client.http.put("/streams/a/record", content=b'{"Data":1}', headers=JSON),
            ]
            health = await client.http.get("/healthz")
            assert health.json()["pending_bytes"] == 2 * len(BODY)
            assert health.json()["pending_requests"] == 2
            log.open.set()
            return [*refused, *await asyncio.gather(*waiting), await post(client)]

        kafka, kinesis, *rest = client.run(together())
        assert (kafka.status_code, kafka.json()["error_code"], kafka.headers["retry-after"]) == (
            429,
            429,
            "1",
        )
        assert (kinesis.status_code, kinesis.headers["retry-after"]) == (429, "1")
        assert kinesis.json()["__type"] == "ProvisionedThroughputExceededException"
        assert [answer.status_code for answer in rest] == [200] * 3
        assert len(values(client.log, "a")) == 3


def test_a_log_that_is_away_is_503_with_retry_after_and_health_says_so(tmp_path: Path) -> None:
    with gateway(tmp_path, wrap=Wrapped) as client:
        log: Any = client.log
        log.unavailable = True
        kafka = client.post("a", BODY)
        assert (kafka.status_code, kafka.json()["error_code"], kafka.headers["retry-after"]) == (
            503,
            50003,
            "1",
        )
        kinesis = client.put("s/record", b'{"Data":1}')
        assert (kinesis.status_code, kinesis.headers["retry-after"]) == (503, "1")
        assert kinesis.json()["__type"] == "ServiceUnavailableException"
        health = client.get("/healthz")
        assert (health.status_code, health.json()["log"]) == (200, "unavailable")
        log.unavailable = False
        assert client.post("a", BODY).status_code == 200
        assert client.get("/healthz").json()["log"] == "ok"
        assert "pinflow_gateway_commits_failed_total 2.0" in client.get("/metrics").text


def test_a_log_locked_by_another_process_is_503_and_health_answers_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT_S", 0.2)
    with gateway(tmp_path) as client, closing(sqlite3.connect(tmp_path / "log.db")) as other:
        assert client.post("a", BODY).status_code == 200
        other.execute("BEGIN EXCLUSIVE")

        async def meanwhile() -> tuple[httpx.Response, httpx.Response]:
            waiting = post(client)
            await until(lambda: bool(client.app.committer._group))
            health = await client.http.get("/healthz")
            assert not waiting.done()
            return health, await waiting

        health, refused = client.run(meanwhile())
        assert health.status_code == 200
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert client.get("/healthz").json()["log"] == "unavailable"
        creating = client.post("new", BODY)
        assert (creating.status_code, creating.headers["retry-after"]) == (503, "1")
        other.rollback()
        assert client.post("new", BODY).status_code == 200
        assert len(values(client.log, "a")) == 1


def test_an_append_that_never_returns_is_503_for_all_and_the_gateway_recovers(tmp_path: Path) -> None:
    with gateway(tmp_path, wrap=Wrapped, stall_s=0.5) as client:
        log: Any = client.log
        assert client.post("a", BODY).status_code == 200  # so that the topic is known
        log.entered.clear()

        async def together() -> list[httpx.Response]:
            log.open.clear()
            stuck = post(client)
            await until(log.entered.is_set)
            waiting = post(client)
            answers = [await stuck, await waiting, await post(client)]
            health = await client.http.get("/healthz")
            assert (health.status_code, health.json()["log"]) == (200, "unavailable")
            log.open.set()
            await until(lambda: client.app.committer.available)
            return [*answers, await post(client)]

        answers = client.run(together())
        assert [answer.status_code for answer in answers] == [503, 503, 503, 200]
        assert "not known" in answers[0].json()["message"]
        assert "nothing was appended" in answers[1].json()["message"]
        assert len(values(client.log, "a")) == 3  # the stuck one came through after all


def test_a_request_that_waits_too_long_for_its_turn_is_withdrawn(tmp_path: Path) -> None:
    with gateway(tmp_path, wrap=Wrapped, stall_s=3.0) as client:
        log: Any = client.log

        async def together() -> list[httpx.Response]:
            assert (await post(client)).status_code == 200
            log.entered.clear()
            log.open.clear()
            first = post(client)
            await until(log.entered.is_set)
            late = await post(client)
            log.open.set()
            return [await first, late]

        first, late = client.run(together())
        assert (first.status_code, late.status_code, late.headers["retry-after"]) == (200, 503, "1")
        assert "nothing was appended" in late.json()["message"]
        assert len(values(client.log, "a")) == 2


def test_a_topic_that_cannot_be_found_in_time_leaves_the_append_no_longer_to_wait(tmp_path: Path) -> None:
    class Hanging(Wrapped):
        """A log whose topics cannot be listed before it is open."""

        def __init__(self, log: EventLog) -> None:
            super().__init__(log)
            self.topics = self

        def list(self) -> dict[str, int]:
            assert self.open.wait(10)
            return self._log.topics.list()

        def create(self, topic: str, partitions: int) -> None:
            self._log.topics.create(topic, partitions)

    with gateway(tmp_path, wrap=Hanging, stall_s=0.2) as client:
        log: Any = client.log
        log.open.clear()
        refused = client.post("new", BODY)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert log.appends == 0
        log.open.set()
        client.run(until(lambda: client.app._topics.known("new") is not None))
        assert client.post("new", BODY).status_code == 200


def test_one_that_came_early_is_not_kept_waiting_by_those_before_it(tmp_path: Path) -> None:
    with gateway(tmp_path, wrap=Wrapped, stall_s=3.0) as client:
        log: Any = client.log
        assert client.post("a", BODY).status_code == 200
        log.entered.clear()
        log.open.clear()

        async def together() -> list[Exception | Any]:
            committer, batch = client.app.committer, [ProduceBatch("a", 0, Records([b"1"]))]
            running = asyncio.create_task(committer.append(batch, 1))
            await until(log.entered.is_set)
            fresh = asyncio.create_task(committer.append(batch, 1))
            early = asyncio.create_task(
                committer.append(batch, 1, arrived=time.monotonic() - committer.turn_s)
            )
            with pytest.raises(UnavailableError, match="nothing was appended"):
                await early
            assert not fresh.done()
            log.open.set()
            return [await running, await fresh]

        assert len(client.run(together())) == 2
        assert len(values(client.log, "a")) == 3


def test_a_log_that_cannot_be_opened_leaves_health_alive(tmp_path: Path) -> None:
    (tmp_path / "log.db").mkdir()
    with gateway(tmp_path) as client:
        assert client.get("/healthz").json()["log"] == "unavailable"
        for answer in (client.post("a", BODY), client.get("/topics"), client.get("/streams")):
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_a_stop_cancels_a_waiting_request_with_an_answer(tmp_path: Path) -> None:
    with gateway(tmp_path, wrap=Wrapped) as client:
        log: Any = client.log
        log.open.clear()
        sent: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": BODY, "more_body": False}

        async def cancelled() -> None:
            headers = [(name.encode(), value.encode()) for name, value in KAFKA_JSON.items()]
            scope = {"type": "http", "method": "POST", "path": "/topics/a", "headers": headers}
            task = asyncio.create_task(client.app(scope, receive, send))  # type: ignore[arg-type]
            await until(log.entered.is_set)
            task.cancel()
            await task

        client.run(cancelled())
        assert sent[0]["status"] == 503
        log.open.set()


def test_the_bounds_of_an_absent_log_add_up_to_less_than_two_seconds() -> None:
    assert max(committer.STALL_S, committer.PATIENCE_S) + committer.WATCH_S < 2
    assert committer.TURN_S + sqlite_file.BUSY_TIMEOUT_S <= committer.PATIENCE_S
    assert sqlite_file.BUSY_TIMEOUT_S < committer.STALL_S
    assert 2 * sqlite_file.BUSY_TIMEOUT_S <= topics.BLOCKING_TIMEOUT_S < 2


def test_those_that_wait_behind_a_failed_append_are_told_with_it(tmp_path: Path) -> None:
    with gateway(tmp_path, wrap=Wrapped) as client:
        log: Any = client.log

        async def together() -> list[httpx.Response]:
            log.open.clear()
            posts = [post(client)]
            await until(log.entered.is_set)
            posts += [post(client) for _ in range(5)]
            await until(lambda: len(client.app.committer._waiting) == 5)
            log.unavailable = True
            log.open.set()
            return await asyncio.gather(*posts)

        answers = client.run(together())
        assert [(each.status_code, each.headers["retry-after"]) for each in answers] == [(503, "1")] * 6
        assert log.appends == 1
        log.unavailable = False
        assert client.post("a", BODY).status_code == 200


def test_a_full_disk_is_503_and_what_was_acknowledged_stays(tmp_path: Path) -> None:
    class Full(Wrapped):
        """A log whose file may not grow, as on a disk that is full: SQLite says SQLITE_FULL."""

        full = False

        def _hold(self) -> None:
            db = self._log.connection()  # type: ignore[attr-defined]
            pages = db.execute("PRAGMA page_count").fetchone()[0] if self.full else 1 << 30
            db.execute(f"PRAGMA max_page_count = {pages}")
            super()._hold()

    big = b'{"records":[{"value":"%s"}]}' % (b"x" * 200_000)
    with gateway(tmp_path, wrap=Full) as client:
        log: Any = client.log
        assert client.post("a", BODY).status_code == 200
        log.full = True
        for _ in range(3):
            answer = client.post("a", big)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert "full" in answer.json()["message"]
            assert client.get("/healthz").json()["log"] == "unavailable"
        log.full = False
        assert client.post("a", big).status_code == 200
        assert client.get("/healthz").json()["log"] == "ok"
        assert len(values(client.log, "a")) == 2


def test_more_requests_than_may_be_under_way_are_429_in_each_dialect(tmp_path: Path) -> None:
    with gateway(tmp_path, wrap=Wrapped, max_requests=3) as client:
        log: Any = client.log

        async def together() -> list[httpx.Response]:
            log.open.clear()
            waiting = [post(client) for _ in range(3)]
            await until(log.entered.is_set)
            refused = [
                await post(client),
                await client.http.put("/streams/a/record", content=b'{"Data":1}', headers=JSON),
            ]
            assert (await client.http.get("/healthz")).status_code == 200
            log.open.set()
            return [*refused, *await asyncio.gather(*waiting), await post(client)]

        answers = client.run(together())
        assert [answer.status_code for answer in answers] == [429, 429, 200, 200, 200, 200]
        assert [answer.headers["retry-after"] for answer in answers[:2]] == ["1", "1"]


def test_a_topic_that_is_there_and_not_shown_is_told_in_the_end(tmp_path: Path) -> None:
    class Hiding(Wrapped):
        """A log whose topics exist and are not listed, as where nobody may describe them."""

        def __init__(self, log: EventLog) -> None:
            super().__init__(log)
            self.topics = self
            self.created = 0

        def list(self) -> dict[str, int]:
            return {}

        def create(self, topic: str, partitions: int) -> None:  # noqa: ARG002
            self.created += 1
            raise TopicExistsError("it is there", where=topic)

    with gateway(tmp_path, wrap=Hiding) as client:
        refused = client.post("new", BODY)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert "does not show it" in refused.json()["message"]
        assert client.log.created == topics.LOOKS  # type: ignore[attr-defined]
