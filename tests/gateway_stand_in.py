"""A real HTTP server that speaks the gateway's two dialects and can be told to fail.

It stands for the gateway in tests of its clients: what a gateway does under load or in trouble happens here on demand.
"""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Fault", "Seen", "StandIn", "stand_in"]

ROUTE = re.compile(r"(POST|PUT) /(topics|streams)/([^/]+?)(/records?)?$")


class Fault(NamedTuple):
    """What happens to the next request. A `status` of 0 breaks the connection off.

    `keeps` appends the records all the same, `entries` fail one by one, with their per-record code.
    """

    status: int = 200
    body: bytes = b'{"error_code": 50003, "message": "not now"}'
    retry_after: str | None = None
    keeps: bool = False
    entries: tuple[int, ...] = ()
    code: Any = None


class Seen(NamedTuple):
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class StandIn:
    """What the server has and does.

    Attributes:
        kept: Topic or stream → the values kept, in order.
        seen: The requests, in order.
        faults: What happens to the next requests, first come first served; then all is well.
        always: What happens to every request when no fault is left, if anything.
        connections: Connections taken.
    """

    url: str = ""
    kept: dict[str, list[Any]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    always: Fault | None = None
    connections: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next_fault(self) -> Fault:
        """The fault of the next request."""
        if self.faults:
            return self.faults.pop(0)
        return self.always or Fault()

    def keep(self, name: str, values: list[Any], failing: tuple[int, ...]) -> int:
        """Append values but the failing ones; returns the first offset."""
        kept = self.kept.setdefault(name, [])
        first = len(kept)
        kept += [value for place, value in enumerate(values) if place not in failing]
        return first


@contextmanager
def stand_in() -> Iterator[StandIn]:
    """Serve on a free port of this machine."""
    state = StandIn()
    server = _Server(state)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self, state: StandIn) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.state = state


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        with self.server.state.lock:
            self.server.state.connections += 1

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        state = self.server.state
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with state.lock:
            state.seen.append(Seen(self.command, self.path, dict(self.headers), body))
            fault = state.next_fault()
            answer = _answer(state, fault, f"{self.command} {self.path}", body)
        if fault.status == 0:
            self.close_connection = True
            return
        self.send_response(fault.status)
        self.send_header("Content-Length", str(len(answer)))
        if fault.retry_after is not None:
            self.send_header("Retry-After", fault.retry_after)
        self.end_headers()
        self.wfile.write(answer)


def _answer(state: StandIn, fault: Fault, request: str, body: Any) -> bytes:
    if fault.status != 200 and not fault.keeps:
        return fault.body
    route = ROUTE.match(request)
    assert route is not None
    name, one = route[3], route[4] == "/record"
    if route[2] == "topics":
        values = [record["value"] for record in body["records"]]
        first = state.keep(name, values, fault.entries)
        return json.dumps(_offsets(first, len(values), fault)).encode()
    values = [body["Data"]] if one else [record["data"] for record in body["records"]]
    puts = _puts(state.keep(name, values, fault.entries), len(values), fault)
    return json.dumps(puts["Records"][0] if one else puts).encode()


def _offsets(first: int, count: int, fault: Fault) -> dict[str, Any]:
    good: list[dict[str, Any]] = [
        {"partition": 0, "offset": first + place, "error_code": None, "error": None} for place in range(count)
    ]
    for place in fault.entries:
        good[place] = {"partition": None, "offset": None, "error_code": fault.code, "error": "this one not"}
    return {"offsets": good, "key_schema_id": None, "value_schema_id": None}


def _puts(first: int, count: int, fault: Fault) -> dict[str, Any]:
    good: list[dict[str, Any]] = [
        {"SequenceNumber": f"{first + place:020d}", "ShardId": "shardId-000000000000"}
        for place in range(count)
    ]
    for place in fault.entries:
        good[place] = {"ErrorCode": fault.code, "ErrorMessage": "this one not"}
    return {"FailedRecordCount": len(fault.entries), "Records": good}
