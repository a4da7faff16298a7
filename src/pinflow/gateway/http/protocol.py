"""One connection and its life: how long it may be idle, how slow its client may be, and how it ends.

A connection is in one of four states: idle (between requests), in the headers, in the body, or waiting for its answer.
The first three have a time by which they have to end. No request sets a timer for that: `connections` looks at all
connections twice a second.

The same bytes give the same answers, however they are cut into packets; only the bound on requests that wait,
`MAX_PIPELINED`, depends on what comes at once.
"""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from pinflow.gateway.http.cycle import Cycle, ExpectingCycle
from pinflow.gateway.http.requests import ConnectionState, RequestReader
from pinflow.gateway.refusal import Refusal, RefusalReason
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

LINGER_S = 0.5
"""How long a connection that was refused is still read from: closed at once, its client may never see the answer."""


class GatewayProtocol(RequestReader):
    """A `RequestReader` whose life is bounded by a `Connections`."""

    cycle: Cycle

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        connections: Connections,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(config, server_state, app_state, connections.limits, loop)
        self._owner = connections
        self._deadline = inf
        self._write_deadline = inf
        self._ended = False
        self._farewell = b""
        self._running: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or the place of the one that is idle longest, or refuse it."""
        super().connection_made(transport)
        self._deadline = self.loop.time() + self._limits.header_s
        if not self._owner.admit(self):
            self.refuse(
                Refusal(RefusalReason.UNAVAILABLE, "the gateway has too many connections"), linger=False
            )

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        super().connection_lost(exc)
        for cycle in (self._running, *[cycle for cycle, _ in self.pipeline]):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
        self._owner.remove(self)
        self._over = True
        self._deadline = self._write_deadline = inf

    def _take(self, *, keep_alive: bool) -> None:
        """What uvicorn does at the end of the headers, with a `Cycle`, for the settings that the gateway uses.

        Where too many wait before it, neither it nor what follows is taken.
        """
        before = self.cycle
        if len(self.pipeline) >= MAX_PIPELINED:
            self._owner.count_ended("pipelining")
            self._last(before)
            return
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
        self._state = ConnectionState.BODY
        self._deadline = self.loop.time() + self._limits.body_s
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def on_message_complete(self) -> None:
        """The request is here; from now on the client waits for us."""
        if self._over or self._state is not ConnectionState.BODY:
            return
        super().on_message_complete()
        self._state = ConnectionState.ANSWER
        self._deadline = inf
        if not self.cycle.keep_alive:
            self._over = True  # its answer ends the connection
        elif self.cycle.response_complete:
            self._await_next()

    def on_response_complete(self) -> None:
        """The connection is idle, unless its next request is already on the way."""
        super().on_response_complete()
        if self.transport.is_closing() or not self.cycle.response_complete:
            return
        if self._over:
            self._close()
        elif self._state is ConnectionState.ANSWER:
            self._await_next()
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

    def check_times(self, now: float) -> None:
        """End it, if it should have ended something by now."""
        if now > self._write_deadline:
            self._owner.count_ended("reading")
            self.transport.abort()
        elif now > self._deadline:
            if self._state is ConnectionState.IDLE:
                self._owner.count_ended("idle")
                self.evict()
            else:
                part = "headers" if self._state is ConnectionState.HEADERS else "body"
                self.refuse(Refusal(RefusalReason.SLOW, f"the {part} did not arrive in time"))

    def refuse(self, refusal: Refusal, *, linger: bool = True) -> None:
        """Take no more; answer what is being sent with this, once those before it are answered, and close."""
        if self._over:
            return
        self._owner.count_ended(refusal.reason.name.lower())
        self._over = True
        self._deadline = inf
        if self._state is ConnectionState.BODY:
            self._break_off(self._answer(refusal))
        else:
            self._farewell = self._answer(refusal)
            if not self._waits():
                self._close(linger=linger)

    def eof_received(self) -> bool | None:  # type: ignore[override] # uvicorn's never keeps the other half open
        """The client sends no more; what it has sent whole is still answered."""
        self._ended = True
        if self.scheme == "https" or not self._waits():
            return None  # close
        if not self._over:
            if self._state is ConnectionState.BODY:
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
            self._close()
        else:
            self._farewell = farewell
            self.cycle.break_off(self._close)

    def _close(self, *, linger: bool = True) -> None:
        """Send the last answer, if there is one, and close."""
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

    def _await_next(self) -> None:
        """All is answered: wait for the next request for as long as a connection is kept."""
        self._state = ConnectionState.IDLE
        self._fed = 0
        self._owner.set_idle(self)
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _begin(self) -> None:
        if self._state is not ConnectionState.HEADERS:
            if self._deadline == inf:
                self._deadline = self.loop.time() + self._limits.header_s
            self._state = ConnectionState.HEADERS
            self._owner.set_busy(self)

    def _answer(self, refusal: Refusal) -> bytes:
        scope: Any = self.scope if self.scope is not None and self._state is not ConnectionState.IDLE else {}
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
