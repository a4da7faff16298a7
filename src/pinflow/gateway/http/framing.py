"""Where a request ends: which heads leave no doubt about it, and what an offer to upgrade does to one (nothing).

Two programs that read one head in two ways split a connection into different requests, so that the body of one is
executed as another (RFC 9112, section 11.2). Whatever leaves room for a second reading is therefore an error, and
ends its connection. The parser refuses most of it; here is the rest.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["FRAMING", "TRAILER_PROBLEM", "framing_problem", "without_offer"]

FRAMING = frozenset({b"connection", b"content-length", b"expect", b"host", b"transfer-encoding", b"upgrade"})
"""Headers that say how the bytes behind them are read. None of them may be a trailer (RFC 9110, section 6.5.1)."""

TRAILER_PROBLEM = "a field of the trailers may only be a header"

VERSIONS = frozenset({"1.0", "1.1"})
"""The parser takes 0.9, which has no headers, and 2.0, which has another form, as if they were 1.1."""

HOST = re.compile(rb"(?:\[[\w:.~!$&'()*+,;=%-]+\]|[\w.~!$&'()*+,;=%-]*)(?::[0-9]*)?[ \t]*")
"""`uri-host [":" port]` of RFC 9110, section 7.2; what the parser leaves of the blanks behind it."""


def framing_problem(method: bytes, version: str, framing: Iterable[tuple[bytes, bytes]]) -> str | None:
    """What makes it doubtful where a request ends, None if nothing does.

    Args:
        method: Its method.
        version: The HTTP version of its request line.
        framing: Those of its headers that are in `FRAMING`, names in lower case.
    """
    if version not in VERSIONS:
        return "the HTTP version is not one of 1.0 and 1.1"
    if method == b"CONNECT":  # what follows its head is not a request
        return "the gateway is not a proxy and opens no tunnel: CONNECT is not supported"
    hosts = 0
    for name, value in framing:
        if name == b"host":
            hosts += 1
            if HOST.fullmatch(value) is None:
                return "the Host header is not a valid host"
        elif name == b"transfer-encoding" and (version == "1.0" or value.rstrip(b" ").lower() != b"chunked"):
            return "the only Transfer-Encoding that is supported is chunked, and it needs HTTP version 1.1"
    if hosts != 1 and (hosts or version != "1.0"):
        return "the request needs one Host header, and one alone"
    return None


def without_offer(method: bytes, url: bytes, version: str, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The head of a request again, without its offers to upgrade, which a server may ignore (RFC 9110, section 7.8).

    It is shorter than the head that came, and says the same about the body.
    """
    kept = b"".join(b"%s: %s\r\n" % header for header in headers if header[0] != b"upgrade")
    return b"%s %s HTTP/%s\r\n%s\r\n" % (method, url, version.encode(), kept)
