"""A client of the gateway for tests: the app in this process, its lifespan run, requests made synchronously."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from pinflow.gateway.app import GatewayApp

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from pinflow.config import Config
    from pinflow.log import EventLog

KAFKA_JSON = {"content-type": "application/vnd.kafka.json.v2+json"}
KAFKA_BINARY = {"content-type": "application/vnd.kafka.binary.v2+json"}
NDJSON = {"content-type": "application/x-ndjson"}
JSON = {"content-type": "application/json"}

BOUND_S = 30.0
"""No test waits longer than this for anything."""

_T = TypeVar("_T")


class Client:
    """Requests to one app, one after the other, or several at once in a coroutine given to `run`."""

    def __init__(self, app: GatewayApp, runner: asyncio.Runner, http: httpx.AsyncClient) -> None:
        self.app = app
        self.http = http
        self._runner = runner

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        return self._runner.run(asyncio.wait_for(coroutine, BOUND_S))

    def request(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        return self.run(self.http.request(method, path, **kwargs))

    def get(self, path: str) -> httpx.Response:
        return self.request("GET", path)

    def post(self, topic: str, body: bytes, headers: dict[str, str] = KAFKA_JSON) -> httpx.Response:
        return self.request("POST", f"/topics/{topic}", content=body, headers=headers)

    def put(self, path: str, body: bytes, headers: dict[str, str] = JSON) -> httpx.Response:
        return self.request("PUT", f"/streams/{path}", content=body, headers=headers)


@contextmanager
def serving(log: EventLog, config: Config, *, stall_s: float = 10.0) -> Iterator[Client]:
    """An app on a log, from the start of its lifespan to its end."""
    app = GatewayApp(log, config, stall_s=stall_s)
    with asyncio.Runner() as runner:
        lifespan = _Lifespan(app)
        runner.run(lifespan.start())
        # raise_app_exceptions: an exception that leaves the app fails the test instead of becoming a 500.
        http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway", timeout=BOUND_S)
        try:
            yield Client(app, runner, http)
        finally:
            runner.run(http.aclose())
            runner.run(lifespan.stop())


class _Lifespan:
    def __init__(self, app: GatewayApp) -> None:
        self._app = app

    async def start(self) -> None:
        self._to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from_app: asyncio.Queue[Any] = asyncio.Queue()
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        self._task = asyncio.create_task(self._app(scope, self._to_app.get, self._from_app.put))
        await self._say("lifespan.startup")

    async def stop(self) -> None:
        await self._say("lifespan.shutdown")
        await self._task

    async def _say(self, kind: str) -> None:
        await self._to_app.put({"type": kind})
        answer = await asyncio.wait_for(self._from_app.get(), BOUND_S)
        assert answer["type"] == f"{kind}.complete", answer


def values(log: EventLog, topic: str) -> list[bytes | None]:
    """Every value of a topic, partition by partition."""
    found: list[bytes | None] = []
    for extent in log.extents(topic):
        chunk = log.read(topic, extent.partition, None, max_records=1 << 30, max_bytes=1 << 40)
        found += chunk.records.values
    return found
