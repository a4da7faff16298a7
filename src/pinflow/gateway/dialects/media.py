"""Which content type an answer of the Kafka dialect has, by the request's `Accept` (RFC 9110, section 12.5.1)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from pinflow.gateway.refusal import Refusal, RefusalReason

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["DEFAULT", "SERVED", "choose_type"]

DEFAULT = b"application/vnd.kafka.v2+json"

SERVED = (
    DEFAULT,
    b"application/vnd.kafka+json",
    b"application/json",
    b"application/vnd.kafka.v1+json",
    *(
        b"application/vnd.kafka.%s%s+json" % (embedded, version)
        for embedded in (b"json", b"binary")
        for version in (b".v2", b"", b".v1")
    ),
)
"""What an answer can be called, in order of preference. It is the same JSON under every name."""

REMEMBERED = 64
"""Different `Accept`s whose result is kept: a client sends the same one with every request."""


class _Range(NamedTuple):
    name: bytes
    quality: float


def choose_type(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The content type for an answer; the default where no `Accept` is sent.

    Raises:
        Refusal: The client accepts none of the types that are served.
    """
    accept = b""
    for name, value in headers:
        if name == b"accept":
            accept = value if not accept else accept + b"," + value
    if not accept:
        return DEFAULT
    chosen = _chosen(accept)
    if chosen is None:
        kinds = ", ".join(name.decode() for name in SERVED[:3])
        raise Refusal(
            RefusalReason.ACCEPT, f"no type of the Accept header can be served; there are {kinds} and others"
        )
    return chosen


@lru_cache(REMEMBERED)
def _chosen(accept: bytes) -> bytes | None:
    ranges = [_range(each) for each in accept.lower().split(b",") if each.strip()]
    if not ranges:
        return DEFAULT
    best = max(SERVED, key=lambda name: _quality(name, ranges))
    return best if _quality(best, ranges) > 0 else None


def _range(text: bytes) -> _Range:
    name, *parameters = [part.strip() for part in text.split(b";")]
    quality = 1.0
    for parameter in parameters:
        key, _, value = parameter.partition(b"=")
        if key.strip() == b"q":
            try:
                quality = min(max(float(value), 0.0), 1.0)
            except ValueError:
                quality = 0.0
    # Java's HttpURLConnection sends a lone star for anything.
    return _Range(b"*/*" if name == b"*" else name, quality)


def _quality(name: bytes, ranges: list[_Range]) -> float:
    """How much a type is wanted: what the narrowest range that holds it says."""
    for wanted in (name, b"application/*", b"*/*"):
        found = [each.quality for each in ranges if each.name == wanted]
        if found:
            return max(found)
    return 0.0
