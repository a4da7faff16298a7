"""From bytes to requests: what the parser reports, with what uvicorn does not bound or judge.

The same bytes give the same requests, however they are cut into packets. When a request begins, is taken or is refused
is up to `protocol`, which follows the connection through its life.
"""

from __future__ import annotations

import enum
import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pinflow.gateway.http.framing import FRAMING, TRAILER_PROBLEM, framing_problem, without_offer
from pinflow.gateway.refusal import Refusal, RefusalReason

if TYPE_CHECKING:
    import asyncio

    from uvicorn import Config
    from uvicorn.server import ServerState

    from pinflow.gateway.http.connections import ConnectionLimits

__all__ = ["TRIED_UVICORN", "ConnectionState", "RequestReader"]

TRIED_UVICORN = ("0.54.0",)
"""The versions of uvicorn that this module and `protocol` were tried with. Both build on the inside of its protocol for
httptools, which no version promises to keep."""

CHUNK_COST = 16
"""Bytes of framing that a byte of a chunked body may cost: a chunk of one byte costs 6."""

BLANKS = b"\r\n"
"""What may stand before a request line and begins no request."""

READ_BYTES = 1 << 18
"""The most that the event loop hands over at once; so much of the next message may have been counted with this one."""

quiet = logging.getLogger("pinflow.gateway.connection")
quiet.setLevel(logging.ERROR)  # who sends garbage shall not fill our disk with warnings; `metrics` counts it


class ConnectionState(enum.Enum):
    """What a connection is at."""

    IDLE = enum.auto()
    HEADERS = enum.auto()
    BODY = enum.auto()
    ANSWER = enum.auto()


class RequestReader(HttpToolsProtocol, ABC):
    """uvicorn's protocol on httptools, bounded in what its requests may take.

    Args:
        limits: The bounds.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        limits: ConnectionLimits,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(config, server_state, app_state, loop)
        self.logger = quiet
        self._limits = limits
        self._state = ConnectionState.IDLE
        self._over = False
        self._fed = 0
        self._delivered = 0
        self._header_bytes = 0
        self._framing: list[tuple[bytes, bytes]] = []

    @abstractmethod
    def refuse(self, refusal: Refusal, *, linger: bool = True) -> None:
        """Take no more, answer with this and close."""

    @abstractmethod
    def _begin(self) -> None:
        """The first byte of a request is here."""

    @abstractmethod
    def _take(self, *, keep_alive: bool) -> None:
        """The headers of a request are here, and nothing is wrong with them."""

    def data_received(self, data: bytes) -> None:
        """Parse what came, within the limits."""
        if self._over:
            return
        if self._state is not ConnectionState.IDLE:
            self._unset_keepalive_if_required()
        elif data[0] not in BLANKS or data.strip(BLANKS):
            self._unset_keepalive_if_required()
            self._begin()
        self._fed += len(data)
        self._parse(data)
        unspent = self._fed - CHUNK_COST * self._delivered
        if (
            self._state in (ConnectionState.IDLE, ConnectionState.HEADERS)
            and self._fed > self._limits.max_header_bytes
        ):
            self._too_long()
        elif self._state is ConnectionState.BODY and unspent > self._limits.max_header_bytes + READ_BYTES:
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
        self.refuse(Refusal(RefusalReason.HEADER, msg))

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
        if self._state is not ConnectionState.BODY:
            self.headers.append((name, value))
            if name in FRAMING:
                self._framing.append((name, value))
        elif name in FRAMING:
            self.refuse(Refusal(RefusalReason.HEADER, TRAILER_PROBLEM))

    def on_headers_complete(self) -> None:
        """Hand the request over, unless it is refused; then nothing that follows is taken."""
        parser = self.parser
        method, version = parser.get_method(), parser.get_http_version()
        if self._over or (parser.should_upgrade() and method != b"CONNECT"):
            return  # see `_parse`
        self._read_target(method, version)
        problem = framing_problem(method, version, self._framing)
        if problem is not None:
            self.refuse(Refusal(RefusalReason.HEADER, problem))
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

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        if not self._over:
            self._delivered += len(body)
            super().on_body(body)

    def _count(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > self._limits.max_header_bytes:
            self._too_long()

    def _too_long(self) -> None:
        limit = self._limits.max_header_bytes
        self.refuse(Refusal(RefusalReason.HEADERS, f"the headers are longer than {limit} bytes"))
