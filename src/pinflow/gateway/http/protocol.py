"""One connection, with what uvicorn does not bound: how long and how large headers may be, how slow a body or a reader.

A connection is in one of four states: idle (between requests), in the headers, in the body, or waiting for its answer.
The first three have a time by which they have to end. No request sets a timer for that: `connections` looks at all
connections twice a second.

The same bytes give the same requests and the same answers, however they are cut into packets; only the bound on
requests that wait, `MAX_PIPELINED`, depends on what comes at once.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from math import inf
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from pinflow.gateway.http.cycle import Cycle, ExpectingCycle
from pinflow.gateway.http.framing import FRAMING, TRAILER_PROBLEM, framing_problem, without_offer
from pinflow.gateway.refusal import Reason, Refusal
from pinflow.gateway.route import route_of

if TYPE_CHECKING:
    from uvicorn import Config
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
    from uvicorn.server import ServerState

    from pinflow.gateway.http.connections import Connections

__all__ = ["GatewayProtocol"]

MAX_PIPELINED = 16
"""Requests that wait behind one on their connection. Those of the same packet are parsed at once, however many they
are, and each costs some kilobytes."""

CHUNK_COST = 16
"""Bytes of framing that a byte of a chunked body may cost: a chunk of one byte costs 6."""

BLANKS = b"\r\n"
"""What may stand before a request line and begins no request."""

READ_BYTES = 1 << 18
"""The most that the event loop hands over at once; so much of the next message may have been counted with this one."""

LINGER_S = 0.5
"""How long a connection that was refused is still read from: closed at once, its client may never see the answer."""

quiet = logging.getLogger("pinflow.gateway.connection")
quiet.setLevel(logging.ERROR)  # who sends garbage shall not fill our disk with warnings; `metrics` counts it


class _State(enum.Enum):
    IDLE = enum.auto()
    HEADERS = enum.auto()
    BODY = enum.auto()
    ANSWER = enum.auto()


class GatewayProtocol(HttpToolsProtocol):
    """uvicorn's protocol on httptools, bounded by a `Connections`."""

    cycle: Cycle

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        connections: Connections,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(config, server_state, app_state, loop)
        self.logger = quiet
        self._owner = connections
        self._limits = connections.limits
        self._state = _State.IDLE
        self._deadline = inf
        self._write_deadline = inf
        self._fed = 0
        self._delivered = 0
        self._header_bytes = 0
        self._framing: list[tuple[bytes, bytes]] = []
        self._over = False
        self._ended = False
        self._farewell = b""
        self._running: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or the place of the one that is idle longest, or refuse it."""
        super().connection_made(transport)
        self._deadline = self.loop.time() + self._limits.header_s
        if not self._owner.opened(self):
            self.refuse(Refusal(Reason.UNAVAILABLE, "the gateway has too many connections"), linger=False)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        super().connection_lost(exc)
        for cycle in (self._running, *[cycle for cycle, _ in self.pipeline]):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
        self._owner.closed(self)
        self._over = True
        self._deadline = self._write_deadline = inf

    def data_received(self, data: bytes) -> None:
        """Parse what came, within the limits."""
        if self._over:
            return
        if self._state is not _State.IDLE:
            self._unset_keepalive_if_required()
        elif data[0] not in BLANKS or data.strip(BLANKS):
            self._unset_keepalive_if_required()
            self._begin()
        self._fed += len(data)
        self._parse(data)
        unspent = self._fed - CHUNK_COST * self._delivered
        if self._state in (_State.IDLE, _State.HEADERS) and self._fed > self._limits.max_header_bytes:
            self._too_long()
        elif self._state is _State.BODY and unspent > self._limits.max_header_bytes + READ_BYTES:
            self._too_long()  # trailers or chunk extensions without end

    def _parse(self, data: bytes) -> None:
        """Feed the parser; where it stops at an offer to upgrade, read that head without the offer, and go on.

        Having stopped, the parser takes the body for the next request, and it has no option that says otherwise.
        """
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserError:
                self.send_400_response("Invalid HTTP request received.")
            except httptools.HttpParserUpgrade as stop:
                if not self._over:
                    method, version = self.parser.get_method(), self.parser.get_http_version()
                    data = data[stop.args[0] :]
                    self.parser = httptools.HttpRequestParser(self)
                    self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
                    data = without_offer(method, self.url, version, self.headers) + data
                    continue
            return

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are not HTTP in a dialect's own form."""
        self.refuse(Refusal(Reason.HEADER, msg))

    def on_message_begin(self) -> None:
        """A request begins, perhaps behind others in the same packet."""
        if self._over:
            return
        super().on_message_begin()
        self._begin()
        self._fed = self._delivered = self._header_bytes = 0
        self._framing = []

    def on_url(self, url: bytes) -> None:
        """Take a piece of the URL."""
        if not self._over:
            self._count(len(url))
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header. A trailer is counted and dropped: the application may have read the headers by now."""
        if self._over:
            return
        self._count(len(name) + len(value) + 4)
        name = name.lower()
        if self._state is not _State.BODY:
            self.headers.append((name, value))
            if name in FRAMING:
                self._framing.append((name, value))
        elif name in FRAMING:
            self.refuse(Refusal(Reason.HEADER, TRAILER_PROBLEM))

    def on_headers_complete(self) -> None:
        """Start the request, unless it is refused or too many wait before it; then all that follows is not taken."""
        parser = self.parser
        method, version = parser.get_method(), parser.get_http_version()
        if self._over or (parser.should_upgrade() and method != b"CONNECT"):
            return  # see `_parse`
        self._read_target(method, version)
        problem = framing_problem(method, version, self._framing)
        if problem is not None:
            self.refuse(Refusal(Reason.HEADER, problem))
        elif len(self.pipeline) >= MAX_PIPELINED:
            self._owner.refused("pipelining")
            self._last(self.cycle)
        else:
            self._take(keep_alive=version == "1.1" and parser.should_keep_alive())

    def _read_target(self, method: bytes, version: str) -> None:
        """Fill the scope; raises, into the parser, where the target is not a path or an absolute URL."""
        scope = self.scope
        scope["method"] = method.decode()
        scope["http_version"] = version
        if method == b"CONNECT":
            return  # its target is an authority
        target = httptools.parse_url(self.url)
        raw_path: bytes = target.path or b"/"
        path = raw_path.decode("ascii")
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = raw_path
        scope["query_string"] = target.query or b""

    def _take(self, *, keep_alive: bool) -> None:
        """What uvicorn does at the end of the headers, with a `Cycle`, for the settings that the gateway uses."""
        before = self.cycle
        expects = self.scope["http_version"] == "1.1" and any(
            name == b"expect" and value.strip().lower() == b"100-continue" for name, value in self._framing
        )
        self.cycle = (ExpectingCycle if expects else Cycle)(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=expects,
            keep_alive=keep_alive,
            on_response=self.on_response_complete,
        )
        self._state = _State.BODY
        self._deadline = self.loop.time() + self._limits.body_s
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        if not self._over:
            self._delivered += len(body)
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is here; from now on it is ours to be quick."""
        if self._over or self._state is not _State.BODY:
            return
        super().on_message_complete()
        self._state = _State.ANSWER
        self._deadline = inf
        if not self.cycle.keep_alive:
            self._over = True  # its answer ends the connection
        elif self.cycle.response_complete:
            self._rest()

    def on_response_complete(self) -> None:
        """The connection is idle, unless its next request is already on the way."""
        super().on_response_complete()
        if self.transport.is_closing() or not self.cycle.response_complete:
            return
        if self._over:
            self._part()
        elif self._state is _State.ANSWER:
            self._rest()
        else:
            self._unset_keepalive_if_required()  # what is on the way has a time of its own

    def pause_writing(self) -> None:
        """The client does not read its answer."""
        super().pause_writing()
        self._write_deadline = self.loop.time() + self._limits.body_s

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        self._write_deadline = inf

    def evict(self) -> None:
        """Close it although it did nothing wrong: it is idle, and its place is needed."""
        self._over = True
        self.transport.close()

    def look(self, now: float) -> None:
        """End it, if it should have ended something by now."""
        if now > self._write_deadline:
            self._owner.refused("reading")
            self.transport.abort()
        elif now > self._deadline:
            if self._state is _State.IDLE:
                self._owner.refused("idle")
                self.evict()
            else:
                part = "headers" if self._state is _State.HEADERS else "body"
                self.refuse(Refusal(Reason.SLOW, f"the {part} did not arrive in time"))

    def refuse(self, refusal: Refusal, *, linger: bool = True) -> None:
        """Take no more; answer what is being sent with this, once those before it are answered, and close."""
        if self._over:
            return
        self._owner.refused(refusal.reason.name.lower())
        self._over = True
        self._deadline = inf
        if self._state is _State.BODY:
            self._break_off(self._answer(refusal))
        else:
            self._farewell = self._answer(refusal)
            if not self._waits():
                self._part(linger=linger)

    def eof_received(self) -> bool | None:  # type: ignore[override] # uvicorn's never keeps the other half open
        """The client sends no more; what it has sent whole is still answered."""
        self._ended = True
        if self.scheme == "https" or not self._waits():
            return None  # close
        if not self._over:
            if self._state is _State.BODY:
                self._over = True
                self._deadline = inf
                self._break_off(b"")
            else:
                self._last(self.cycle)
        return True

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _waits(self) -> bool:
        """Whether a request that was taken has no answer yet."""
        cycle = self.cycle
        return cycle is not None and not cycle.response_complete and not cycle.disconnected

    def _last(self, cycle: Cycle) -> None:
        """Take no more; the answer to this request, which was taken, ends the connection."""
        cycle.keep_alive = False
        self._over = True
        self._deadline = inf

    def _break_off(self, farewell: bytes) -> None:
        """The request being sent will never be whole: answer it with `farewell`, unless its answer needs no body."""
        if self.cycle.response_complete:
            self._part()
        else:
            self._farewell = farewell
            self.cycle.break_off(self._part)

    def _part(self, *, linger: bool = True) -> None:
        """Send what is left to say, and close."""
        self._unset_keepalive_if_required()
        if self.transport.is_closing():
            return
        self.transport.write(self._farewell)
        if linger and not self._ended and self.transport.can_write_eof():
            self.flow.resume_reading()
            self.transport.write_eof()
            self.loop.call_later(LINGER_S, self.transport.close)
        else:
            self.transport.close()

    def _rest(self) -> None:
        """All is answered; the next request has as long as a connection is kept."""
        self._state = _State.IDLE
        self._fed = 0
        self._owner.idle(self)
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _begin(self) -> None:
        if self._state is not _State.HEADERS:
            if self._deadline == inf:
                self._deadline = self.loop.time() + self._limits.header_s
            self._state = _State.HEADERS
            self._owner.busy(self)

    def _count(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > self._limits.max_header_bytes:
            self._too_long()

    def _too_long(self) -> None:
        limit = self._limits.max_header_bytes
        self.refuse(Refusal(Reason.HEADERS, f"the headers are longer than {limit} bytes"))

    def _answer(self, refusal: Refusal) -> bytes:
        scope: Any = self.scope if self.scope is not None and self._state is not _State.IDLE else {}
        answer = route_of(scope).dialect.refuse(refusal)
        headers = (
            (b"content-type", answer.media_type),
            (b"content-length", b"%d" % len(answer.body)),
            (b"connection", b"close"),
            *answer.headers,
        )
        lines = b"".join(b"%s: %s\r\n" % header for header in headers)
        body = b"" if scope.get("method") == "HEAD" else answer.body
        return STATUS_LINE[answer.status] + lines + b"\r\n" + body
