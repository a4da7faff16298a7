"""A proxy before an HTTP server that makes it fail as told: the fault injector of the tests."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple, cast

import urllib3

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Answer", "Cut", "Dropped", "Faults", "Request", "faulty"]


HOP_BY_HOP = {"connection", "transfer-encoding", "content-length"}


class Request(NamedTuple):
    """A request on its way."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Answer(NamedTuple):
    """An answer on its way back."""

    status: int
    headers: dict[str, str]
    body: bytes


class Dropped(Exception):  # noqa: N818 - an order, not a fault
    """Raised by a fault: the connection is cut without an answer."""


class Cut(Exception):  # noqa: N818 - an order, not a fault
    """Raised by a fault: the connection is cut in the middle of this answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


Forward = Callable[[Request], Answer]
Fault = Callable[[Request, Forward], Answer]
"""What to do with a request instead; it may forward it, before or after."""


class Faults:
    """The fault that is on, and how many requests came. Safe to use from several threads."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._http = urllib3.PoolManager(num_pools=4, maxsize=32, retries=False)
        self._lock = threading.Lock()
        self.url = ""
        self.fault: Fault | None = None
        self.requests = 0

    def forward(self, request: Request) -> Answer:
        """Ask the server behind."""
        answer = self._http.request(
            request.method,
            self._upstream + request.path,
            headers={
                name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP
            },
            body=request.body,
            redirect=False,
            decode_content=False,
            preload_content=True,
        )
        return Answer(answer.status, dict(answer.headers), answer.data)

    def answer(self, request: Request) -> Answer:
        """Answer as the fault will have it."""
        with self._lock:
            self.requests += 1
        return self.fault(request, self.forward) if self.fault is not None else self.forward(request)

    def close(self) -> None:
        """Release the connections."""
        self._http.clear()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def faults(self) -> Faults:
        return cast("_Proxy", self.server).faults

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        if self.headers.get("expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        try:
            answer = self.faults.answer(Request(self.command, self.path, dict(self.headers.items()), body))
        except Dropped:
            self.close_connection = True
            return
        except Cut as cut:
            self.close_connection = True
            self._say(cut.answer, len(cut.answer.body) // 2)
            return
        self._say(answer, len(answer.body))

    def _say(self, answer: Answer, so_far: int) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        length = answer.headers.get("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[:so_far])

    def log_message(self, *_: object) -> None:
        pass


class _Proxy(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, faults: Faults) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.faults = faults


@contextmanager
def faulty(upstream: str) -> Iterator[Faults]:
    """A proxy before `upstream` on a free port; without a fault it changes nothing."""
    faults = Faults(upstream)
    server = _Proxy(faults)
    faults.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield faults
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        faults.close()
