"""Bodies: compressed, too large, broken, cut off, and in pieces."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from backports import zstd
from tests.gateway_client import JSON, KAFKA_JSON, gateway, values

from pinflow.errors import OverloadedError
from pinflow.gateway.http.body import BodyHeaders, ClientGoneError, Limits, read_body
from pinflow.gateway.pending import Pending
from pinflow.gateway.refusal import Refusal, RefusalReason

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MiB = 1 << 20
LIMITS = Limits(body=1000, inflated=4 * MiB)
RECORD = b'{"records":[{"value":{"index":1}}]}'


def read(
    *parts: bytes,
    encoding: bytes = b"",
    length: bytes = b"",
    limits: Limits = LIMITS,
    pending: int = 64 * MiB,
) -> bytes:
    """Read a body that comes in parts; a missing last part hangs up."""
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": part, "more_body": True} for part in parts
    ]
    messages[-1]["more_body"] = False

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def reading() -> bytes:
        with ThreadPoolExecutor(1) as pool, Pending(pending).hold() as hold:
            return await read_body(BodyHeaders(b"", encoding, length), receive, limits, hold, pool)

    return asyncio.run(reading())


def reason(call: Callable[[], bytes]) -> RefusalReason:
    with pytest.raises(Refusal) as refused:
        call()
    return refused.value.reason


@pytest.mark.parametrize(("encoding", "compress"), [(b"gzip", gzip.compress), (b"zstd", zstd.compress)])
class TestCompressed:
    def test_is_inflated(self, encoding: bytes, compress: Callable[[bytes], bytes]) -> None:
        assert read(compress(b"x" * 5000), encoding=encoding) == b"x" * 5000
        assert read(compress(b""), encoding=encoding.upper()) == b""

    def test_may_have_several_members(self, encoding: bytes, compress: Callable[[bytes], bytes]) -> None:
        assert read(compress(b"ab") + compress(b"c"), encoding=encoding) == b"abc"

    def test_with_too_many_members_is_refused(
        self, encoding: bytes, compress: Callable[[bytes], bytes]
    ) -> None:
        limits = Limits(1 * MiB, 1 * MiB)
        many = compress(b"") * 65
        assert reason(lambda: read(many, encoding=encoding, limits=limits)) is RefusalReason.BROKEN_ENCODING

    def test_cut_off_or_broken_is_refused(self, encoding: bytes, compress: Callable[[bytes], bytes]) -> None:
        whole = compress(b"some text that is long enough")
        for broken in (b"", whole[:-3], b"not compressed", whole + b"rest"):
            found = reason(lambda broken=broken: read(broken, encoding=encoding))  # type: ignore[misc]
            assert found is RefusalReason.BROKEN_ENCODING

    def test_exactly_at_the_cap_is_taken(self, encoding: bytes, compress: Callable[[bytes], bytes]) -> None:
        limits = Limits(1000, 300)
        assert len(read(compress(b"x" * 300), encoding=encoding, limits=limits)) == 300
        too_long = compress(b"x" * 301)
        assert reason(lambda: read(too_long, encoding=encoding, limits=limits)) is RefusalReason.TOO_LARGE

    def test_a_bomb_takes_no_more_memory_than_the_cap(
        self, encoding: bytes, compress: Callable[[bytes], bytes]
    ) -> None:
        bomb = compress(b"\0" * (256 * MiB))
        limits = Limits(len(bomb), 4 * MiB)
        tracemalloc.start()
        try:
            assert reason(lambda: read(bomb, encoding=encoding, limits=limits)) is RefusalReason.TOO_LARGE
            assert tracemalloc.get_traced_memory()[1] < 16 * MiB
        finally:
            tracemalloc.stop()


def test_unknown_encodings_are_refused_and_identity_is_not() -> None:
    assert read(b"x", encoding=b"identity") == b"x"
    for encoding in (b"br", b"deflate", b"gzip, gzip", b"\xff"):
        assert reason(lambda encoding=encoding: read(b"x", encoding=encoding)) is RefusalReason.MEDIA_TYPE  # type: ignore[misc]


def test_a_body_over_the_cap_is_refused_by_its_length_or_as_it_comes() -> None:
    assert reason(lambda: read(b"", length=b"1001")) is RefusalReason.TOO_LARGE
    assert reason(lambda: read(b"x" * 600, b"x" * 401)) is RefusalReason.TOO_LARGE
    assert len(read(b"x" * 600, b"x" * 400, length=b"1000")) == 1000


def test_a_body_in_pieces_is_joined() -> None:
    assert read(b"a", b"", b"bc") == b"abc"


def test_pieces_are_refused_when_others_hold_all_the_room() -> None:
    pending = Pending(10)
    with pending.hold() as alone, pending.hold() as late:
        alone.take(50)  # one request alone is always let in
        with pytest.raises(OverloadedError):
            late.take(1)
        assert pending.bytes == 50
    assert (pending.bytes, pending.requests) == (0, 0)


def test_a_body_that_does_not_come_is_given_up() -> None:
    limits = Limits(1000, 1000, seconds=0.01)

    async def reading() -> bytes:
        messages = [{"type": "http.request", "body": b"x", "more_body": True}]

        async def receive() -> dict[str, Any]:
            if not messages:
                await asyncio.Event().wait()
            return messages.pop()

        with ThreadPoolExecutor(1) as pool, Pending(100).hold() as hold:
            return await read_body(BodyHeaders(), receive, limits, hold, pool)

    with pytest.raises(Refusal) as refused:
        asyncio.run(reading())
    assert refused.value.reason is RefusalReason.SLOW
    assert (b"connection", b"close") in refused.value.headers


def test_a_client_that_hangs_up_gets_no_answer() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def reading() -> None:
        with ThreadPoolExecutor(1) as pool, Pending(100).hold() as hold:
            await read_body(BodyHeaders(), receive, LIMITS, hold, pool)

    with pytest.raises(ClientGoneError):
        asyncio.run(reading())


def test_statuses_of_both_dialects(tmp_path: Path) -> None:
    with gateway(tmp_path, max_body_bytes=100, max_inflated_bytes=200) as client:
        big = b'{"records":[{"value":"' + b"x" * 300 + b'"}]}'
        sent = [
            (big, {}, 413, 413),
            (gzip.compress(big), {"content-encoding": "gzip"}, 413, 413),
            (b"broken", {"content-encoding": "zstd"}, 400, 400),
            (RECORD, {"content-encoding": "br"}, 415, 415),
            (zstd.compress(RECORD), {"content-encoding": "zstd"}, 200, None),
        ]
        for content, headers, status, code in sent:
            answer = client.post("a", content, KAFKA_JSON | headers)
            assert (answer.status_code, answer.json().get("error_code")) == (status, code)
            if status != 200:
                answer = client.put("s/record", content, JSON | headers)
                assert (answer.status_code, set(answer.json())) == (status, {"__type", "message"})
        assert values(client.log, "a") == [b'{"index":1}']
        health = client.get("/healthz").json()
        assert (health["pending_bytes"], health["pending_requests"]) == (0, 0)


def test_bodies_that_are_not_complete_leave_room_for_those_that_are() -> None:
    pending = Pending(100)
    with pending.hold() as slow, pending.hold() as other, pending.hold() as quick:
        slow.take(50, more=True)
        with pytest.raises(OverloadedError, match="under way"):
            other.take(1, more=True)
        quick.take(50)
        assert (pending.bytes, pending.unread) == (100, 50)
        slow.complete()
        assert (pending.bytes, pending.unread) == (100, 0)
    assert (pending.bytes, pending.unread, pending.requests) == (0, 0, 0)
