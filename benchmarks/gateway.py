"""HTTP to durable log: the gateway beside its two limits, all driven by the same client in the same run.

- `durable`: the gateway on a SQLite log in a temporary folder; an answer means fsync has returned.
- `instant`: the same gateway on a log that keeps nothing and returns at once: what durability costs.
- `bare`: uvicorn with an application that reads the body and sends an answer of the same length: what HTTP costs.

One server process, one client process, keep-alive connections with one request under way on each.

    python -m benchmarks.gateway [--connections 64] [--scale 1.0]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import patch

from pinflow.log import AppendResult, Capabilities

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from pinflow.gateway.metrics import Metrics
    from pinflow.log import ProduceBatch

SIZES = (1, 10, 100)
REQUESTS = {1: 60_000, 10: 30_000, 100: 12_000}
"""Requests at each number of records a request: a few seconds each at the speed aimed at."""

TIMEOUT_S = 300
"""Far longer than any run takes."""

KINDS = ("durable", "instant", "bare")
PATH = "/topics/0a6a638f5991.pin"


class InstantTopics:
    """The one topic that is posted to: none is made or deleted."""

    def list(self) -> dict[str, int]:
        return {PATH.rpartition("/")[2]: 4}


class InstantLog:
    """A log that only counts."""

    topics = InstantTopics()
    capabilities = Capabilities()

    def __init__(self) -> None:
        self._next: dict[tuple[str, int], int] = {}

    def append(self, batches: Sequence[ProduceBatch]) -> list[AppendResult]:
        appended = []
        for batch in batches:
            place = (batch.topic, batch.partition)
            first = self._next.get(place, 0)
            self._next[place] = first + len(batch.records)
            appended.append(AppendResult(range(first, first + len(batch.records))))
        return appended

    def close(self) -> None:
        pass


def serve(kind: str, home: Path) -> None:
    """Run one server until it is stopped; its URL goes to `home/ready`."""
    from pinflow import config as configuration
    from pinflow.gateway.http import server

    settings = configuration.load(home, env={"PINFLOW__GATEWAY__PORT": "0"})
    create_app = server.create_app
    with ExitStack() as patches:
        if kind == "instant":
            patches.enter_context(patch.object(server, "open_log", return_value=InstantLog()))
        if kind == "bare":
            patches.enter_context(
                patch.object(server, "create_app", lambda *args: Bare(create_app(*args).metrics))
            )
        server.serve(settings, ready_file=home / "ready")


class Bare:
    """An ASGI application that reads the body and answers; its connections are counted as the gateway's are."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for _ in range(2):
                message = await receive()
                await send({"type": f"{message['type']}.complete"})
            return
        while (await receive()).get("more_body"):
            pass
        records = int(scope["query_string"] or b"1")
        body = b"x" * (70 + 63 * records)
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def post(number: int) -> dict[str, object]:
    """A pin of ordinary size."""
    return {
        "index": number,
        "unique_id": "8c2f0e9a-1b7d-4a55-9d7e-0c4f5a6b7c8d",
        "title": "20 Ways To Arrange A Small Garden",
        "description": "Plants that need little water, and how to place them so that they need even less…",
        "poster_name": "Some Poster",
        "follower_count": "12k",
        "tag_list": "garden,plants,water,small,green,ideas,home,outside,diy",
        "is_image_or_video": "image",
        "image_src": "https://images.example/originals/00/11/22/00112233445566778899aabbccddeeff.jpg",
        "downloaded": 1,
        "save_location": "Local save in /data/diy-and-crafts",
        "category": "diy-and-crafts",
    }


class Connection(asyncio.Protocol):
    """Sends its requests one after the other."""

    def __init__(self, requests: list[bytes], done: asyncio.Future[None]) -> None:
        self._requests = requests
        self._done = done
        self._left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        if not self._left:
            head, _, rest = data.partition(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                self._done.set_exception(RuntimeError(data.decode()))
                return
            at = head.index(b"content-length: ") + 16
            self._left = int(head[at:].partition(b"\r\n")[0])
            data = rest
        self._left -= len(data)
        if not self._left:
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(exc or ConnectionError("the server closed the connection"))

    def _send(self) -> None:
        if self._requests:
            self._transport.write(self._requests.pop())
        elif not self._done.done():
            self._done.set_result(None)
            self._transport.close()


async def drive(url: str, records: int, requests: int, connections: int) -> float:
    """Send the requests; return the seconds it took."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    each = requests // connections
    work = [[request_of(c * each + n, records) for n in range(min(each, 50))] for c in range(connections)]
    loop = asyncio.get_running_loop()
    done = []
    began = time.perf_counter()
    for mine in work:
        queue = (mine * (each // len(mine) + 1))[:each]
        future: asyncio.Future[None] = loop.create_future()
        await loop.create_connection(lambda q=queue, f=future: Connection(q, f), host, int(port))  # type: ignore[misc]
        done.append(future)
    await asyncio.wait_for(asyncio.gather(*done), TIMEOUT_S)
    return time.perf_counter() - began


def request_of(seed: int, records: int) -> bytes:
    content = {"records": [{"value": post((seed * records + n) % 11_154)} for n in range(records)]}
    body = json.dumps(content).encode()
    head = (
        f"POST {PATH}?{records} HTTP/1.1\r\nhost: localhost\r\n"
        f"content-type: application/vnd.kafka.json.v2+json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def measure(kind: str, connections: int, scale: float) -> dict[int, float]:
    """Requests a second of one kind of server, by records a request."""
    with tempfile.TemporaryDirectory(prefix="pinflow-bench-") as folder:
        home = Path(folder)
        server = subprocess.Popen([sys.executable, __file__, "--serve", kind, folder])
        try:
            while not (home / "ready").exists():
                if server.poll() is not None:
                    raise RuntimeError(f"the server ended with {server.returncode}")
                time.sleep(0.01)
            url = (home / "ready").read_text()
            run(drive(url, 1, connections * 20, connections))  # warm
            rates = {}
            for records in SIZES:
                requests = int(REQUESTS[records] * scale) // connections * connections
                rates[records] = requests / run(drive(url, records, requests, connections))
            return rates
        finally:
            server.terminate()
            server.wait()


def run(coroutine: Coroutine[Any, Any, float]) -> float:
    try:
        from uvloop import run as run_fast
    except ImportError:
        return asyncio.run(coroutine)
    return run_fast(coroutine)


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--connections", type=int, default=64)
    arguments.add_argument("--scale", type=float, default=1.0, help="share of the usual number of requests")
    arguments.add_argument("--serve", nargs=2, metavar=("KIND", "HOME"), help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.serve:
        serve(given.serve[0], Path(given.serve[1]))
        return
    rates = {kind: measure(kind, given.connections, given.scale) for kind in KINDS}
    print(
        f"{'records/request':>15} {'server':>8} {'requests/s':>11} {'records/s':>10} {'of instant':>10} {'of bare':>8}"
    )
    for records in SIZES:
        for kind in KINDS:
            rate = rates[kind][records]
            ratios = [rate / rates[limit][records] for limit in ("instant", "bare")]
            print(
                f"{records:>15} {kind:>8} {rate:>11,.0f} {rate * records:>10,.0f}"
                f" {ratios[0]:>10.0%} {ratios[1]:>8.0%}"
            )


if __name__ == "__main__":
    main()
