"""The gateway's connection, fed packet by packet, with an application that answers what it sees; and bytes for it."""

from __future__ import annotations

import asyncio
import re
import socket
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import uvicorn
from uvicorn.server import ServerState

from pinflow.config import Gateway
from pinflow.gateway.http.connections import ConnectionLimits, Connections
from pinflow.gateway.http.protocol import GatewayProtocol
from pinflow.gateway.metrics import Metrics
from pinflow.gateway.pending import Pending
from tests.gateway_client import BOUND_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from starlette.types import Receive, Scope, Send

__all__ = ["CASES", "Case", "Heard", "exchange", "hear", "statuses"]

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
"""May be left out where the body comes at once, so it does not count."""

CLOSE = b"connection: close\r\n"
"""An answer that is sent before the body is here cannot always know that it is the last."""

STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n(?=[a-z])")


CONNECTIONS = Connections(ConnectionLimits.of(Gateway()), Metrics(Pending(1)))


class Heard(NamedTuple):
    """What the application saw, a line a request, and what the client received until the gateway closed."""

    seen: list[str]
    said: bytes


class Application:
    """Reads the body and says what it saw; at `/unread…` it answers 404 at once, as for a route that is not there."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        line = f"{scope['method']} {scope['path']}"
        place = len(self.seen)
        self.seen.append(f"{line} …")
        unread = scope["path"].startswith("/unread")
        if not unread:
            body = b""
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                body += message["body"]
                more = message["more_body"]
            line = f"{line} {body.decode('latin-1')}".rstrip(" ")
        self.seen[place] = line
        names = b" ".join(name for name, _ in scope["headers"])
        answer = b"%s [%s]" % (line.encode(), names)
        headers = [(b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 404 if unread else 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


class Counting(GatewayProtocol):
    """Counts the bytes it received, so that the next packet is sent when the one before was read."""

    received = 0
    lost = False

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._changed = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.received += len(data)
        self._changed.set()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.lost = True
        self._changed.set()

    async def has(self, received: int) -> None:
        """Wait until it received this many bytes, or is lost."""
        while not self.lost and self.received < received:
            self._changed.clear()
            await self._changed.wait()


async def exchange(packets: Iterable[bytes]) -> Heard:
    """Send packets, each when the one before was read, and end; hear until the gateway closes."""
    application = Application()
    loop = asyncio.get_running_loop()
    config = uvicorn.Config(cast("Any", application), ws="none", lifespan="off", log_config=None)
    ours, theirs = socket.socketpair()
    with ours:
        ours.setblocking(False)
        _, protocol = await loop.connect_accepted_socket(
            lambda: Counting(config, ServerState(), {}, CONNECTIONS, loop), theirs
        )
        hearing = loop.create_task(_said(ours))
        sent = 0
        try:
            for packet in packets:
                await loop.sock_sendall(ours, packet)
                sent += len(packet)
                await protocol.has(sent)
            ours.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the gateway has closed; what it said is there
        said = await hearing
    return Heard(application.seen, said.replace(CONTINUE, b"").replace(CLOSE, b""))


async def _said(connection: socket.socket) -> bytes:
    said = b""
    loop = asyncio.get_running_loop()
    try:
        while data := await loop.sock_recv(connection, 1 << 16):
            said += data
    except ConnectionResetError:
        pass
    return said


def hear(*packets: bytes) -> Heard:
    """`exchange` on a loop of its own."""
    return asyncio.run(asyncio.wait_for(exchange(packets), BOUND_S))


def statuses(said: bytes) -> list[int]:
    """The statuses of answers."""
    return [int(status) for status in STATUS.findall(said)]


class Case(NamedTuple):
    """Bytes, the requests in them that an application may see, and the statuses of the answers."""

    name: str
    sent: bytes
    seen: Sequence[str]
    statuses: Sequence[int]


HOST = b"Host: x\r\n"
NEXT = b"GET /n HTTP/1.1\r\nHost: x\r\n\r\n"
HIDDEN = b"POST /hidden HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
"""A request that stands in a body: it may never be seen."""

LENGTH = b"Content-Length: %d\r\n" % len(HIDDEN)
CODED = b"Transfer-Encoding: chunked\r\n"
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN)
H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk\r\n"
"""What Java's HttpClient sends with the first request of a connection."""

READ = f"POST /a {HIDDEN.decode()}"


def post(headers: bytes, body: bytes, *, target: bytes = b"/a", version: bytes = b"1.1") -> bytes:
    return b"POST %s HTTP/%s\r\n%s%s\r\n%s" % (target, version, HOST, headers, body)


def served(name: str, sent: bytes, seen: str = READ) -> Case:
    """A request that is answered, and the one behind it too."""
    return Case(name, sent + NEXT, [seen, "GET /n"], [200, 200])


def refused(name: str, sent: bytes) -> Case:
    """A head that is refused behind a good request: nothing of it is seen, and nothing behind it."""
    return Case(name, NEXT + sent + NEXT, ["GET /n"], [200, 400])


def broken(name: str, body: bytes) -> Case:
    """A body in chunks that cannot be read to its end."""
    return Case(name, post(CODED, body) + NEXT, ["POST /a …"], [400])


def last(name: str, sent: bytes, seen: str, status: int) -> Case:
    """A request that ends its connection."""
    return Case(name, sent + NEXT, [seen], [status])


def _offers() -> Iterable[Case]:
    for name, offer in {
        "h2c": H2C,
        "h2c and keep-alive": b"Connection: keep-alive, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings:\r\n",
        "websocket": b"Upgrade: websocket\r\nConnection: Upgrade\r\n",
        "websocket with a key": (
            b"Connection: upgrade\r\nUPGRADE: WebSocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        ),
        "two offers": b"Connection: upgrade\r\nConnection: x\r\nUpgrade: a\r\nX:\r\nUpgrade: b, c/1\r\n",
        "no connection header": b"Upgrade: h2c\r\n",
        "no upgrade header": b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AA\r\n",
        "TLS": b"Upgrade: TLS/1.3\r\nConnection: Upgrade\r\n",
    }.items():
        yield served(f"{name}, length", post(offer + LENGTH, HIDDEN))
        yield served(f"length, {name}", post(LENGTH + offer, HIDDEN))
        yield served(f"{name}, chunks", post(offer + CODED, CHUNKED))
        yield served(f"{name}, no body", post(offer, b""), "POST /a")
        yield served(f"GET, {name}", b"GET /a HTTP/1.1\r\n" + HOST + offer + b"\r\n", "GET /a")
        yield served(
            f"GET with a body, {name}",
            b"GET /a HTTP/1.1\r\n" + HOST + offer + LENGTH + b"\r\n" + HIDDEN,
            READ.replace("POST", "GET", 1),
        )
    yield served("offers behind one another", post(H2C + LENGTH, HIDDEN) * 2 + NEXT)._replace(
        seen=[READ, READ, "GET /n", "GET /n"], statuses=[200] * 4
    )
    yield last(
        "an offer that closes",
        post(b"Connection: close, Upgrade\r\nUpgrade: h2c\r\n" + LENGTH, HIDDEN),
        READ,
        200,
    )
    yield last("an offer of HTTP/1.0", post(H2C + LENGTH, HIDDEN, version=b"1.0"), READ, 200)
    yield Case(
        "an offer that nobody reads",
        post(H2C + LENGTH, HIDDEN, target=b"/unread") + NEXT,
        ["POST /unread", "GET /n"],
        [404, 200],
    )
    yield Case(
        "an offer and broken chunks", post(H2C + CODED, b"zz\r\n" + HIDDEN) + NEXT, ["POST /a …"], [400]
    )
    yield refused("an offer without a host", b"POST /a HTTP/1.1\r\n" + H2C + LENGTH + b"\r\n" + HIDDEN)
    yield refused("an offer of two lengths", post(H2C + LENGTH + LENGTH, HIDDEN))


def _methods() -> Iterable[Case]:
    yield refused("CONNECT", b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n")
    yield refused(
        "CONNECT with a length", b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n" + LENGTH + b"\r\n" + HIDDEN
    )
    yield refused("CONNECT with chunks", b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n" + CODED + b"\r\n" + CHUNKED)
    yield refused("CONNECT to a path", b"CONNECT /a HTTP/1.1\r\nHost: x\r\n\r\n" + HIDDEN)
    yield refused("CONNECT with an offer", b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n" + H2C + b"\r\n" + HIDDEN)
    yield refused("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    yield refused("HTTP/2 preface with a header", b"PRI * HTTP/2.0\r\nHost: x\r\n\r\nSM\r\n\r\n")
    for method in ("GET", "DELETE", "OPTIONS"):
        head = method.encode() + b" /a HTTP/1.1\r\n" + HOST
        yield served(
            f"{method} with a length", head + LENGTH + b"\r\n" + HIDDEN, READ.replace("POST", method, 1)
        )
        yield served(
            f"{method} with chunks", head + CODED + b"\r\n" + CHUNKED, READ.replace("POST", method, 1)
        )
    head = b"HEAD /unread HTTP/1.1\r\n" + HOST
    yield Case(
        "HEAD with a body", head + LENGTH + b"\r\n" + HIDDEN + NEXT, ["HEAD /unread", "GET /n"], [404, 200]
    )
    yield refused("lower case", b"post /a HTTP/1.1\r\n" + HOST + b"\r\n")
    for version in (b"0.9", b"2.0", b"1.2", b"3"):
        yield refused(f"version {version.decode()}", b"GET /a HTTP/" + version + b"\r\n" + HOST + b"\r\n")
    yield refused("no version", b"GET /a\r\n")
    yield last("version 1.0", b"GET /a HTTP/1.0\r\n\r\n", "GET /a", 200)
    yield last(
        "version 1.0 that would be kept", b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET /a", 200
    )
    yield last("close", post(b"Connection: close\r\n" + LENGTH, HIDDEN), READ, 200)
    yield last(
        "close, then no HTTP", post(b"Connection: close\r\n" + LENGTH, HIDDEN) + b"\x16\x03\x01", READ, 200
    )


def _bodies() -> Iterable[Case]:
    yield served("length", post(LENGTH, HIDDEN))
    yield served("length with zeros", post(b"Content-Length: %020d\r\n" % len(HIDDEN), HIDDEN))
    yield served("length and blanks", post(b"Content-Length:\t %d \t\r\n" % len(HIDDEN), HIDDEN))
    yield served("length with an underscore", post(b"Content_Length: 3\r\n" + LENGTH, HIDDEN))
    for value in (
        b"",
        b"5, 5",
        b"+5",
        b"-5",
        b"0x5",
        b"5 5",
        b"5;",
        b"5.0",
        b"99999999999999999999999",
        b"\xb2",
    ):
        yield refused(f"length {value!r}", post(b"Content-Length: %s\r\n" % value, HIDDEN))
    yield refused("length twice", post(LENGTH + LENGTH, HIDDEN))
    yield refused("two lengths", post(b"Content-Length: 0\r\n" + LENGTH, HIDDEN))
    yield refused("length before chunks", post(LENGTH + CODED, CHUNKED))
    yield refused("chunks before length", post(CODED + LENGTH, CHUNKED))
    yield refused("blank before the colon", post(b"Content-Length : %d\r\n" % len(HIDDEN), HIDDEN))
    yield served("chunks", post(CODED, CHUNKED))
    yield served("chunks and blanks", post(b"transfer-ENCODING: \t Chunked  \r\n", CHUNKED))
    for value in (
        b"gzip, chunked", b"identity", b"chunked, chunked", b"chunked, identity", b"identity, chunked", b"gzip", b"",
        b"xchunked", b"chunkedx", b"chunked;q=1", b"\x0bchunked", b"chunked\t", b"chunked,", b",chunked", b'"chunked"',
    ):  # fmt: skip
        yield refused(f"coding {value!r}", post(b"Transfer-Encoding: %s\r\n" % value, CHUNKED))
    yield refused("coding twice", post(CODED + CODED, CHUNKED))
    yield refused("two codings", post(b"Transfer-Encoding: identity\r\n" + CODED, CHUNKED))
    yield refused("coding of HTTP/1.0", post(CODED, CHUNKED, version=b"1.0"))
    for name, value in {"lengths": LENGTH, "codings": b"Transfer-Encoding: chunked\r\n"}.items():
        yield refused(f"folded {name}", post(value.replace(b": ", b":\r\n "), HIDDEN))
        yield refused(f"{name} behind a folded header", post(b"X: y\r\n z\r\n" + value, HIDDEN))
        yield refused(f"{name} behind a bare LF", post(b"X: y\n" + value, HIDDEN))
        yield refused(f"{name} behind a bare CR", post(b"X: y\r" + value, HIDDEN))
        yield refused(f"{name} behind a NUL", post(b"X: y\x00" + value, HIDDEN))
    yield refused("a head that ends in LF", b"POST /a HTTP/1.1\n" + HOST + LENGTH + b"\r\n" + HIDDEN)
    yield refused("a head that ends in CR LF LF", b"POST /a HTTP/1.1\r\n" + HOST + LENGTH + b"\n" + HIDDEN)
    yield served("chunk extensions", post(CODED, CHUNKED.replace(b"\r\n", b';a=b;c="d"\r\n', 1)))
    yield served("trailers", post(CODED, CHUNKED[:-2] + b"Idempotency-Key: k\r\nT: u\r\n\r\n"))
    for name in ("Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "Host", "Expect"):
        yield broken(f"{name} as a trailer", CHUNKED[:-2] + name.encode() + b": close\r\n\r\n")
    for name, body in {
        "a size of no number": b"zz\r\n" + HIDDEN,
        "a size in C": b"0x3\r\nabc\r\n0\r\n\r\n",
        "a negative size": b"-3\r\nabc\r\n0\r\n\r\n",
        "a size and a blank": b"3 \r\nabc\r\n0\r\n\r\n",
        "a size without end": b"1" + b"0" * 20 + b"\r\n" + HIDDEN,
        "a size that is too small": b"3\r\n" + HIDDEN,
        "sizes that end in LF": b"3\nabc\n0\n\n",
        "an extension that ends in LF": b"3;a\nabc\r\n0\r\n\r\n",
        "an extension with a CR": b"3;a\rb\r\nabc\r\n0\r\n\r\n",
        "data that ends in LF": b"3\r\nabc\n0\r\n\r\n",
    }.items():
        yield broken(name, body)
        yield Case(f"{name}, not read", post(CODED, body, target=b"/unread") + NEXT, ["POST /unread"], [404])
        yield Case(
            f"{name}, behind one", NEXT + post(CODED, body) + NEXT, ["GET /n", "POST /a …"], [200, 400]
        )


def _early() -> Iterable[Case]:
    """Requests that are answered before their body is read, and the one behind them."""
    unread = ["POST /unread", "GET /n"]
    yield Case("length, not read", post(LENGTH, HIDDEN, target=b"/unread") + NEXT, unread, [404, 200])
    yield Case("chunks, not read", post(CODED, CHUNKED, target=b"/unread") + NEXT, unread, [404, 200])
    expect = b"Expect: 100-Continue\r\n"
    yield served("expected", post(expect + LENGTH, HIDDEN))
    yield served("expected, of an offer", post(expect + H2C + CODED, CHUNKED))
    yield last("expected, not read", post(expect + LENGTH, HIDDEN, target=b"/unread"), "POST /unread", 404)
    yield last(
        "expected, not read, not sent", post(expect + LENGTH, b"", target=b"/unread"), "POST /unread", 404
    )
    yield last("expected by HTTP/1.0", post(expect + LENGTH, HIDDEN, version=b"1.0"), READ, 200)
    yield served("something else expected", post(b"Expect: 200-ok\r\n" + LENGTH, HIDDEN))
    yield Case("a body that stops", NEXT + post(LENGTH, HIDDEN[:9]), ["GET /n", "POST /a …"], [200])
    yield Case(
        "a body that stops, not read", post(LENGTH, HIDDEN[:9], target=b"/unread"), ["POST /unread"], [404]
    )
    yield Case("a head that stops", NEXT + NEXT[:20], ["GET /n"], [200])
    yield Case("blank lines", b"\r\n\n" + NEXT + b"\r\n\r\n" + NEXT + b"\r\n", ["GET /n"] * 2, [200] * 2)
    yield Case("no HTTP behind two", NEXT * 2 + b"\x16\x03\x01\x02\x00", ["GET /n"] * 2, [200, 200, 400])


def _targets() -> Iterable[Case]:
    for target, path in {
        "*": "*",
        "http://h/a": "/a",
        "http://h": "/",
        "http://h?q": "/",
        "/a?b#c": "/a",
        "/a%2fb": "/a/b",
        "/a?x=http://y/": "/a",
    }.items():
        yield served(target, post(LENGTH, HIDDEN, target=target.encode()), READ.replace("/a", path, 1))
    for target in ("h:80", "a", "/\xff", "http://"):
        yield refused(f"target {target}", post(LENGTH, HIDDEN, target=target.encode("latin-1")))
    for name, hosts in {
        "no host": b"",
        "host twice": HOST + HOST,
        "two hosts": HOST + b"Host: y\r\n",
        "host with a path": b"Host: x/y\r\n",
        "host with a user": b"Host: u@x\r\n",
        "hosts in one": b"Host: x, y\r\n",
        "host with a blank": b"Host: x y\r\n",
    }.items():
        yield refused(name, b"POST /a HTTP/1.1\r\n" + hosts + LENGTH + b"\r\n" + HIDDEN)
    for host in ("", "x:80", "[::1]:80", "127.0.0.1", "a_b.example:"):
        yield served(
            f"host {host!r}",
            b"POST /a HTTP/1.1\r\nHost: " + host.encode() + b"\r\n" + LENGTH + b"\r\n" + HIDDEN,
        )
    yield last("no host of HTTP/1.0", b"POST /a HTTP/1.0\r\n" + LENGTH + b"\r\n" + HIDDEN, READ, 200)


CASES = [*_offers(), *_methods(), *_bodies(), *_early(), *_targets()]
