"""Reading a request's body: capped before and after inflating, counted while it is held."""

from __future__ import annotations

import asyncio
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pinflow.gateway.refusal import Refusal, RefusalReason

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Executor

    from starlette.types import Receive

    from pinflow.gateway.pending import Hold

__all__ = ["Bodies", "BodyHeaders", "ClientGoneError", "Limits", "inflate", "read_body"]

INLINE_BYTES = 32 * 1024
"""Compressed bodies up to this size are inflated on the event loop, where a hand-over would cost more."""

MAX_MEMBERS = 64
"""Gzip members or zstd frames in one body. Each costs a copy of the rest, so their number is bounded."""

ZSTD_WINDOW_LOG = 23
"""8 MiB, the window that RFC 9659 lets a sender of `Content-Encoding: zstd` count on."""


class ClientGoneError(Exception):
    """The client hung up before its body was complete; nobody waits for an answer."""


class Limits(NamedTuple):
    """Caps of a body in bytes, as it comes and after inflating, and in seconds, until it is here."""

    body: int
    inflated: int
    seconds: float = 30.0


class BodyHeaders(NamedTuple):
    """The request headers that say how to read the body."""

    content_type: bytes = b""
    content_encoding: bytes = b""
    content_length: bytes = b""

    @classmethod
    def of(cls, headers: Iterable[tuple[bytes, bytes]]) -> BodyHeaders:
        """Pick them out of ASGI headers, whose names are in lower case."""
        content_type = content_encoding = content_length = b""
        for name, value in headers:
            if name == b"content-type":
                content_type = value
            elif name == b"content-encoding":
                content_encoding = value
            elif name == b"content-length":
                content_length = value
        return cls(content_type, content_encoding, content_length)


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class Bodies:
    """Reads bodies within the caps of a gateway.

    Args:
        limits: The caps.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def start(self) -> None:
        """Start the thread that inflates."""
        self._pool = ThreadPoolExecutor(1, "pinflow-inflate")

    def stop(self) -> None:
        """End that thread."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def read(self, headers: BodyHeaders, receive: Receive, hold: Hold) -> bytes:
        """Read a body; raises as `read_body`."""
        return await read_body(headers, receive, self._limits, hold, self._pool)


async def read_body(
    headers: BodyHeaders, receive: Receive, limits: Limits, hold: Hold, pool: Executor
) -> bytes:
    """Read the whole body and undo its content encoding.

    Args:
        headers: How to read it.
        receive: The ASGI channel it comes from.
        limits: Its caps.
        hold: Takes the account of the bytes held, while they come in.
        pool: Inflates large bodies; one thread, so that one body at a time is inflated unaccounted.

    Raises:
        Refusal: The body is too large, too slow, badly encoded, or encoded in an unknown way.
        OverloadedError: There is no room for it now.
        ClientGoneError: The client hung up.
    """
    encoding = headers.content_encoding.strip().lower()
    if encoding not in ENCODINGS:
        raise Refusal(RefusalReason.MEDIA_TYPE, "the content encoding is not one of gzip, zstd and identity")
    length = headers.content_length.strip().lstrip(b"0")  # of thousands of zeros `int` would raise
    if length.isdigit() and int(length) > limits.body:
        raise _too_large(limits.body, "")
    body, more = await _part(receive, limits.body, hold)
    if more:
        body = await _rest(body, receive, limits, hold)
    hold.complete()
    start = ENCODINGS.get(encoding)
    if start is None:
        return body
    if len(body) <= INLINE_BYTES:
        inflated = inflate(body, start, limits.inflated)
    else:
        loop = asyncio.get_running_loop()
        inflated = await loop.run_in_executor(pool, inflate, body, start, limits.inflated)
    hold.take(len(inflated))
    return inflated


def inflate(body: bytes, start: Callable[[], _Decompressor], limit: int) -> bytes:
    """Inflate members or frames one after another, never more than `limit` bytes and one.

    Raises:
        Refusal: The data is broken, cut off, of too many members, or longer than `limit` inflated.
    """
    parts: list[bytes] = []
    room = limit
    rest = body
    for _ in range(MAX_MEMBERS):
        member = start()
        try:
            part = member.decompress(rest, room + 1)
        except (zlib.error, zstd.ZstdError):
            raise Refusal(RefusalReason.BROKEN_ENCODING, "the compressed body is broken") from None
        if len(part) > room:
            raise _too_large(limit, " inflated")
        if not member.eof:
            raise Refusal(RefusalReason.BROKEN_ENCODING, "the compressed body is cut off")
        parts.append(part)
        room -= len(part)
        rest = member.unused_data
        if not rest:
            return b"".join(parts) if len(parts) > 1 else part
    raise Refusal(RefusalReason.BROKEN_ENCODING, f"the compressed body has more than {MAX_MEMBERS} members")


async def _part(receive: Receive, limit: int, hold: Hold) -> tuple[bytes, bool]:
    """The next piece of the body, and whether there is more."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGoneError
    part: bytes = message.get("body", b"")
    if hold.size + len(part) > limit:
        raise _too_large(limit, "")
    more: bool = message.get("more_body", False)
    hold.take(len(part), more=more)
    return part, more


async def _rest(first: bytes, receive: Receive, limits: Limits, hold: Hold) -> bytes:
    """The whole body, when it does not come in one piece; only then is it worth a timer.

    A body that never begins is ended by its connection, see `protocol`.
    """
    parts = [first]
    more = True
    try:
        async with asyncio.timeout(limits.seconds):
            while more:
                part, more = await _part(receive, limits.body, hold)
                parts.append(part)
    except TimeoutError:
        message = f"the body did not arrive within {limits.seconds:g} s"
        raise Refusal(RefusalReason.SLOW, message, headers=((b"connection", b"close"),)) from None
    return b"".join(parts)


def _too_large(limit: int, how: str) -> Refusal:
    return Refusal(RefusalReason.TOO_LARGE, f"the body is larger than {limit} bytes{how}")


def _gzip() -> _Decompressor:
    return zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)


def _zstd() -> _Decompressor:
    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG}
    decompressor: _Decompressor = zstd.ZstdDecompressor(options=options)
    return decompressor


ENCODINGS: dict[bytes, Callable[[], _Decompressor] | None] = {
    b"": None,
    b"identity": None,
    b"gzip": _gzip,
    b"x-gzip": _gzip,
    b"zstd": _zstd,
}
