"""A client of the gateway for tests: the app in this process, its lifespan run, requests made synchronously."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

import pinflow
from pinflow.config import Config, Gateway, Log
from pinflow.errors import UnavailableError
from pinflow.gateway.app import GatewayApp
from pinflow.gateway.auth.guard import Guard
from pinflow.log import is_idempotent, open_log

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence

    from pinflow.log import AppendResult, EventLog, IdempotencyKey, ProduceBatch

KAFKA_JSON = {"content-type": "application/vnd.kafka.json.v2+json"}
KAFKA_BINARY = {"content-type": "application/vnd.kafka.binary.v2+json"}
NDJSON = {"content-type": "application/x-ndjson"}
JSON = {"content-type": "application/json"}

SOURCES = Path(pinflow.__file__).parents[1]
"""Where the pinflow that is tested lies, for processes."""

BOUND_S = 30.0
"""No test waits longer than this for anything."""

_T = TypeVar("_T")


class Client:
    """Requests to one app, one after the other, or several at once in a coroutine given to `run`."""

    def __init__(
        self, app: GatewayApp, log: EventLog, runner: asyncio.Runner, http: httpx.AsyncClient
    ) -> None:
        self.app = app
        self.log = log
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
def serving(
    log: EventLog, config: Config, *, guard: Guard | None = None, stall_s: float = 10.0
) -> Iterator[Client]:
    """An app on a log, from the start of its lifespan to its end."""
    app = GatewayApp(log, config, guard, stall_s=stall_s)
    with asyncio.Runner() as runner:
        lifespan = _Lifespan(app)
        runner.run(lifespan.start())
        # An exception that leaves the app fails the test instead of becoming a 500.
        http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://gateway", timeout=BOUND_S
        )
        try:
            yield Client(app, log, runner, http)
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
    for extent in log.ranges(topic):
        chunk = log.read(topic, extent.partition, None, max_records=1 << 30, max_bytes=1 << 40)
        found += chunk.records.values
    return found


@contextmanager
def gateway(
    folder: Path, *, wrap: Callable[[EventLog], Any] | None = None, stall_s: float = 10.0, **settings: Any
) -> Iterator[Client]:
    """An app on a new SQLite log, perhaps wrapped, with settings of the gateway section; keys only if they name one."""
    log = open_log(log_url(folder))
    config = Config(gateway=Gateway(**settings), log=Log(partitions=4))
    try:
        guard = Guard(Path(settings["keys_file"])) if "keys_file" in settings else None
        with serving(wrap(log) if wrap else log, config, guard=guard, stall_s=stall_s) as client:
            yield client
    finally:
        log.close()


def log_url(folder: Path) -> str:
    return f"sqlite:///{folder / 'log.db'}"


class Wrapped:
    """A real log whose appends are counted, and held or refused when told to."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.appends = 0
        self.entered = threading.Event()
        self.open = threading.Event()
        self.open.set()
        self.unavailable = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def append(self, batches: Sequence[ProduceBatch]) -> list[AppendResult]:
        self._hold()
        return self._log.append(batches)

    def append_idempotent(
        self, batches: Sequence[ProduceBatch], keys: Sequence[IdempotencyKey]
    ) -> list[AppendResult]:
        self._hold()
        assert is_idempotent(self._log)
        return self._log.append_idempotent(batches, keys)

    def _hold(self) -> None:
        self.appends += 1
        self.entered.set()
        assert self.open.wait(BOUND_S)
        if self.unavailable:
            raise UnavailableError("the log is away")


async def until(condition: Callable[[], bool]) -> None:
    """Let the event loop run until something holds."""
    async with asyncio.timeout(BOUND_S):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in code that knows no event
            await asyncio.sleep(0.001)


SERVE = """
import sys
from pathlib import Path
from pinflow.config import load
from pinflow.gateway import serve
home = Path(sys.argv[1])
serve(load(home), ready_file=home / "ready")
"""


@contextmanager
def server_process(
    home: Path, *before: str, env: Mapping[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A real gateway on a free port, its log in `home`: the process and its URL. `before` runs it under a tool."""
    command = [*before, sys.executable, "-W", "error", "-c", SERVE, str(home)]
    environment = {"PINFLOW__GATEWAY__PORT": "0", "PATH": "/usr/bin:/bin", "PYTHONPATH": str(SOURCES)} | dict(
        env or {}
    )
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
    try:
        yield process, _url_of(process, home / "ready")
    finally:
        process.terminate()
        try:
            process.communicate(timeout=BOUND_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise


def _url_of(process: subprocess.Popen[bytes], ready: Path) -> str:
    give_up = time.monotonic() + BOUND_S
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > give_up:
            process.kill()
            raise AssertionError(f"the server did not start: {process.communicate()[1].decode()}")
        time.sleep(0.01)
    return ready.read_text()
