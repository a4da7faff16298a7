"""Requests of odd parts, cut anywhere: the packets do not matter, and another parser sees the same requests."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import h11
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.gateway_client import BOUND_S
from tests.gateway_packets import CASES, Heard, exchange, hear, statuses

SETTINGS = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)

BODY = b"POST /hidden HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
METHODS = [b"GET", b"POST", b"HEAD", b"DELETE", b"CONNECT", b"PRI"]
TARGETS = [b"/a", b"/unread", b"http://h/a", b"h:80", b"*"]
FIELDS = [
    b"Host: x",
    b"Connection: Upgrade",
    b"Connection: keep-alive, Upgrade, HTTP2-Settings",
    b"Connection: close",
    b"Upgrade: h2c",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    b"Expect: 100-continue",
    b"Content-Length: %d" % len(BODY),
    b"Content-Length: 3",
    b"Content-Length: 3, 3",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: identity",
    b"X: a\r\n b",
    b"X: a\nContent-Length: 3",
    b"X:",
]
USUAL = [
    b"Content-Length: %d" % len(BODY),
    b"Transfer-Encoding: chunked",
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA",
]
BODIES = [
    b"",
    BODY,
    b"abc",
    b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY),
    b"3;e=f\r\nabc\r\n1\r\nd\r\n0\r\nT: u\r\n\r\n",
    b"3\nabc\r\n0\r\n\r\n",
    b"0\r\nContent-Length: 3\r\n\r\n",
    b"zz\r\n",
]


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    method = draw(st.sampled_from([b"POST"] * 4 + METHODS))
    target = draw(st.sampled_from([b"/a"] * 4 + TARGETS))
    version = draw(st.sampled_from([b"1.1"] * 6 + [b"1.0", b"2.0"]))
    fields = draw(st.lists(st.sampled_from(USUAL), max_size=2, unique=True))
    fields += draw(st.just([]) | st.lists(st.sampled_from(FIELDS), max_size=3))
    fields = draw(st.permutations([b"Host: x", *fields]))
    body = draw(st.sampled_from(BODIES))
    return b"%s %s HTTP/%s\r\n%s\r\n\r\n%s" % (method, target, version, b"\r\n".join(fields), body)


def streams() -> st.SearchStrategy[bytes]:
    """A few requests one behind another, sometimes with bytes changed."""
    sound = st.lists(requests() | st.sampled_from([case.sent for case in CASES]), min_size=1, max_size=3).map(
        b"".join
    )
    changes = st.lists(
        st.tuples(
            st.integers(0, 400), st.sampled_from([b"\r", b"\n", b"\r\n", b" ", b"\x00", b":", b"0", b"x"])
        ),
        max_size=2,
    )
    return st.tuples(sound, changes).map(lambda pair: changed(*pair))


def changed(sent: bytes, changes: list[tuple[int, bytes]]) -> bytes:
    for at, byte in changes:
        sent = sent[:at] + byte + sent[at + 1 :]
    return sent


def packets(sent: bytes, cuts: list[int]) -> list[bytes]:
    bounds = [0, *sorted({cut % len(sent) for cut in cuts} - {0}), len(sent)]
    return [sent[start:end] for start, end in pairwise(bounds)]


@SETTINGS
@given(sent=streams(), cuts=st.lists(st.integers(0, 1000), max_size=12))
@example(sent=b"\r\n", cuts=[1])
def test_packets_do_not_matter(sent: bytes, cuts: list[int]) -> None:
    async def in_both_ways() -> tuple[Heard, Heard]:
        whole, cut = await asyncio.gather(exchange([sent]), exchange(packets(sent, cuts)))
        return whole, cut

    whole, cut = asyncio.run(asyncio.wait_for(in_both_ways(), BOUND_S))
    assert whole == cut
    assert len(statuses(whole.said)) <= len(whole.seen) + 1


@SETTINGS
@given(sent=streams())
def test_no_request_is_seen_that_another_parser_does_not_see(sent: bytes) -> None:
    seen = [line.split(" ", 2) for line in hear(sent).seen if not line.endswith(" …")]
    whole = [(method, "".join(body)) for method, path, *body in seen if path != "/unread"]
    assert whole == seen_by_h11(sent)[: len(whole)]


def seen_by_h11(sent: bytes) -> list[tuple[str, str]]:
    """Method and body of the requests of a stream, until one is not HTTP; blanks at the end of a body do not count."""
    seen: list[tuple[str, str]] = []
    while True:
        connection = h11.Connection(h11.SERVER)
        connection.receive_data(sent.lstrip(b"\r\n"))  # blank lines are nothing to us
        connection.receive_data(b"")
        body = b""
        try:
            request = connection.next_event()
            while isinstance(event := connection.next_event(), h11.Data):
                body += event.data
        except h11.ProtocolError:
            return seen
        if not isinstance(request, h11.Request) or not isinstance(event, h11.EndOfMessage):
            return seen
        if b"/unread" not in request.target:
            seen.append((request.method.decode(), body.decode("latin-1").rstrip(" ")))
        sent, _ = connection.trailing_data
