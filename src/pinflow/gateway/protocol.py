"""One connection, with what uvicorn does not bound: how long and how large headers may be, how slow a body or a reader.

A connection is in one of four states: idle (between requests), in the headers, in the body, or waiting for its answer.
The first three have a time by which they have to end. No request sets a timer for that: `connections` looks at all
connections twice a second.
"""

from __future__ import annotations

import enum
import logging
from math import inf
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from pinflow.gateway.pages import REFUSED, dialect_of
from pinflow.gateway.refusal import Reason, Refusal

if TYPE_CHECKING:
    import asyncio

    from uvicorn import Config
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
    from uvicorn.server import ServerState

    from pinflow.gateway.connections import Connections

__all__ = ["GatewayProtocol"]

MAX_PIPELINED = 16
"""Requests that wait behind one on their connection. Those of the same packet are parsed at once, however many they
are, and each costs some kilobytes."""

CHUNK_COST = 16
"""Bytes of framing that a byte of a chunked body may cost: a chunk of one byte costs 6."""

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
        self._over = False
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
                _hang_up(cycle)
        self._owner.closed(self)
        self._over = True
        self._deadline = self._write_deadline = inf

    def data_received(self, data: bytes) -> None:
        """Parse what came, within the limits."""
        if self._over:
            return
        if self._state is _State.IDLE:
            self._begin()
        self._fed += len(data)
        super().data_received(data)
        unspent = self._fed - CHUNK_COST * self._delivered
        if self._state is _State.HEADERS and self._fed > self._limits.max_header_bytes:
            self._too_long()
        elif self._state is _State.BODY and unspent > self._limits.max_header_bytes + READ_BYTES:
            self._too_long()  # trailers or chunk extensions without end

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are no HTTP in a dialect's own form."""
        self.refuse(Refusal(Reason.HEADER, msg))

    def on_message_begin(self) -> None:
        """A request begins, perhaps behind others in the same packet."""
        if self._over:
            return
        super().on_message_begin()
        self._begin()
        self._fed = self._delivered = self._header_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Take a piece of the URL."""
        if not self._over:
            self._count(len(url))
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or a trailer."""
        if not self._over:
            self._count(len(name) + len(value) + 4)
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start the request, unless too many wait before it; then it, and all that follows, is not taken."""
        if self._over:
            return
        if len(self.pipeline) >= MAX_PIPELINED:
            self._owner.refused("pipelining")
            self._last(self.pipeline[0][0])
            return
        super().on_headers_complete()
        self._state = _State.BODY
        self._deadline = self.loop.time() + self._limits.body_s

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        if not self._over:
            self._delivered += len(body)
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is here; from now on it is ours to be quick."""
        if not self._over:
            super().on_message_complete()
            self._state = _State.ANSWER
            self._deadline = inf

    def on_response_complete(self) -> None:
        """The connection is idle, unless its next request is already on the way."""
        super().on_response_complete()
        if self._state is _State.ANSWER and not self.pipeline and not self.transport.is_closing():
            self._state = _State.IDLE
            self._owner.idle(self)

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
        newest: RequestResponseCycle | None = self.cycle
        if self._state is _State.BODY and newest is not None and not newest.response_complete:
            if self.pipeline:
                self.pipeline.popleft()
                newest = self.pipeline[0][0] if self.pipeline else self._running
            elif newest.response_started:
                linger = False
            else:
                _hang_up(newest)
                newest = None
        if newest is not None and not newest.response_complete:
            self._last(newest)
            return
        self._over = True
        self._deadline = inf
        self._unset_keepalive_if_required()
        if not self.transport.is_closing():
            self.transport.write(self._answer(refusal))
        self._close(linger=linger)

    def eof_received(self) -> bool | None:  # type: ignore[override] # uvicorn's never keeps the other half open
        """The client sends no more; what it has sent whole is still answered."""
        waits = self.cycle is not None and not self.cycle.response_complete
        if self._state is not _State.ANSWER or not waits or self.scheme == "https":
            return None  # close
        self._last(self.cycle)
        return True

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _last(self, cycle: RequestResponseCycle) -> None:
        """Take no more; the answer to this request, which was taken, ends the connection."""
        cycle.keep_alive = False
        self._over = True
        self._deadline = inf

    def _close(self, *, linger: bool) -> None:
        if linger and self.transport.can_write_eof() and not self.transport.is_closing():
            self.flow.resume_reading()
            self.transport.write_eof()
            self.loop.call_later(LINGER_S, self.transport.close)
        else:
            self.transport.close()

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
        path = self.scope.get("path", "") if self.scope is not None else ""
        asked = self.scope.get("headers", ()) if self.scope is not None else ()
        answer = REFUSED[dialect_of(path, asked)](refusal)
        headers = (
            (b"content-type", answer.media_type),
            (b"content-length", b"%d" % len(answer.body)),
            (b"connection", b"close"),
            *answer.headers,
        )
        lines = b"".join(b"%s: %s\r\n" % header for header in headers)
        return STATUS_LINE[answer.status] + lines + b"\r\n" + answer.body


def _hang_up(cycle: RequestResponseCycle) -> None:
    """Tell the request that nobody waits for its answer."""
    cycle.disconnected = True
    cycle.message_event.set()
