"""An answer, and what a dialect and a format of records have to give and to say."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from pinflow.gateway.refusal import Refusal
    from pinflow.log import Headers

__all__ = ["Answer", "Dialect", "Placed", "Posted", "RecordFormat"]


class Answer(NamedTuple):
    """A whole HTTP answer. It is an ASGI application too."""

    status: int
    body: bytes
    media_type: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Send it."""
        length = b"%d" % len(self.body)
        headers = [(b"content-type", self.media_type), (b"content-length", length), *self.headers]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


class Posted(NamedTuple):
    """The records of one request as columns of equal length, in request order.

    `keys`, `partitions`, `headers` and `hashes` are None where no record has any. A record with a hash goes to the
    partition whose range of `hash_keys` holds it. `topic` is set where the body names the topic, not the path.
    """

    values: list[bytes | None]
    keys: list[bytes | None] | None = None
    partitions: list[int | None] | None = None
    headers: list[Headers] | None = None
    hashes: list[int | None] | None = None
    topic: str | None = None


class Placed(NamedTuple):
    """Where each record of a request went, in request order.

    A record that was refused has a partition and an offset of -1 and stands in `refused` by its index. Where the log
    placed the records, `by_log`, the offsets are its own numbers and shown as they are.
    """

    partitions: list[int]
    offsets: list[int]
    refused: dict[int, Refusal]
    by_log: bool = False


class Dialect(NamedTuple):
    """How one protocol words its answers.

    Attributes:
        name: The label of its answers in the metrics.
        answer: Makes a 200 of its content.
        refuse: Makes the answer that says why nothing was done.
    """

    name: str
    answer: Callable[[object], Answer]
    refuse: Callable[[Refusal], Answer]


class RecordFormat(NamedTuple):
    """One way to post records.

    Attributes:
        parse: Reads a body, given its content type. Raises `Refusal` where it is not of that type or of the shape.
        describe: The content of the answer: where the records are. All that were not refused are durable. Raises
            `Refusal` where a refused record refuses the request.
    """

    parse: Callable[[bytes, bytes], Posted]
    describe: Callable[[Placed], object]
