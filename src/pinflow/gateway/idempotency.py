"""`Idempotency-Key`: what names a request, distinguishes it from another, and gives its first answer again.

The header is that of the IETF draft "The Idempotency-Key HTTP Header Field". What is kept of a request is not its
answer but what the answer follows from: the partition of each record, the refusals, and (by the log) the first offsets.
So it can be written in the transaction that assigns the offsets, and the answer is the same byte for byte.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pinflow.gateway.partitioning import Routed, members_of
from pinflow.gateway.refusal import Refusal, RefusalReason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pinflow.gateway.answer import Placed
    from pinflow.log import StoredResponse

__all__ = [
    "HEADER",
    "IdempotentRequest",
    "RequestKey",
    "encode_outcome",
    "read_request_key",
    "restore_placed",
]

HEADER = b"idempotency-key"

LONGEST_KEY = 255
"""Bytes of a key: seven times a UUID. It is hashed, so that its length costs nothing later."""

_PRINTABLE = frozenset(range(0x20, 0x7F))


class IdempotentRequest(NamedTuple):
    """A request that is appended once: its hashed key, a hash of what it sent, and what its answer is made from."""

    key: bytes
    fingerprint: bytes
    note: bytes


class RequestKey(NamedTuple):
    """The hashed key of a request whose body is not read yet."""

    key: bytes

    def with_body(self, content_type: bytes, body: bytes, note: bytes) -> IdempotentRequest:
        """The request, now that its body is read and inflated."""
        return IdempotentRequest(self.key, sha256(content_type + b"\n" + body).digest(), note)


class _StoredRefusal(msgspec.Struct, array_like=True, gc=False):
    index: int
    reason: str
    message: str


class _StoredOutcome(msgspec.Struct, array_like=True, gc=False):
    partitions: list[int]
    refused: list[_StoredRefusal]
    cuts: list[int] = []


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_StoredOutcome).decode


def read_request_key(headers: Iterable[tuple[bytes, bytes]], *scope: str) -> RequestKey | None:
    """The key that a request has in its `Idempotency-Key`, None without one.

    Args:
        headers: Of the request, names in lower case.
        scope: Who sends what where. The same key in another scope names another request.

    Raises:
        Refusal: The header is there twice, is empty, too long, or holds other than printable ASCII.
    """
    values = [value for name, value in headers if name == HEADER]
    if not values:
        return None
    key = values[0].strip()
    if len(key) >= 2 and key[:1] == key[-1:] == b'"':  # a string of a structured field, as the draft has it
        key = key[1:-1]
    if len(values) > 1 or not 0 < len(key) <= LONGEST_KEY or not _PRINTABLE.issuperset(key):
        raise Refusal(
            RefusalReason.HEADER,
            f"an Idempotency-Key is one, of 1 to {LONGEST_KEY} printable ASCII characters",
        )
    parts = [part.encode("utf-8", "surrogatepass") for part in scope]
    return RequestKey(sha256(b"".join(b"%d:%s" % (len(part), part) for part in (*parts, key))).digest())


def encode_outcome(routed: Routed) -> bytes:
    """What the answer to a request is made from, besides its offsets."""
    refused = [
        _StoredRefusal(index, refusal.reason.name, refusal.message)
        for index, refusal in routed.refused.items()
    ]
    return _encode(_StoredOutcome(routed.partitions, refused, list(routed.cuts)))


def restore_placed(stored: StoredResponse, request: IdempotentRequest) -> Placed:
    """Where the records are of a request that was appended before.

    Raises:
        Refusal: Another request had this key.
    """
    if stored.fingerprint != request.fingerprint:
        raise Refusal(RefusalReason.REUSED, "this Idempotency-Key was used with another body")
    note = _decode(stored.note)
    members = members_of(note.partitions, note.cuts)
    refused = {each.index: Refusal(RefusalReason[each.reason], each.message) for each in note.refused}
    return Routed([], members, note.partitions, refused).place(stored.appended)
