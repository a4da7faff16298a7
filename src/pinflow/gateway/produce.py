"""The wrapper that posts records: from the body to the answer, the same for every dialect and format."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, NamedTuple

from pinflow.errors import OverloadedError, UnavailableError, UnknownPartitionError, UnknownTopicError
from pinflow.gateway.auth.guard import caller_of
from pinflow.gateway.dialects.hash_keys import partition_of
from pinflow.gateway.dialects.record_headers import TIMESTAMP
from pinflow.gateway.http.body import BodyHeaders, ClientGoneError
from pinflow.gateway.idempotency import encode_outcome, read_request_key, restore_placed
from pinflow.gateway.partitioning import Turn, route
from pinflow.gateway.pending import InFlight
from pinflow.gateway.refusal import Refusal, RefusalReason, refusal_of
from pinflow.gateway.route import ProduceRoute, route_of
from pinflow.log import ShardRange, StoredResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from pinflow.config import Gateway
    from pinflow.gateway.answer import Answer, Placed, Posted
    from pinflow.gateway.auth.key_file import ApiKey
    from pinflow.gateway.committer import Committer
    from pinflow.gateway.http.body import Bodies
    from pinflow.gateway.idempotency import RequestKey
    from pinflow.gateway.metrics import Metrics
    from pinflow.gateway.partitioning import Routed
    from pinflow.gateway.pending import Hold, Pending
    from pinflow.gateway.reply import Replies
    from pinflow.gateway.topics import Topics
    from pinflow.log import AppendResult, Headers

__all__ = ["Producer"]


class _Post(NamedTuple):
    """A request whose body is read."""

    topic: str
    partition: int | None
    content_type: bytes
    body: bytes
    posted: Posted
    key: RequestKey | None
    arrived: float


class Producer:
    """Appends the records of the requests that post; passes every other request on.

    Args:
        app: Serves what does not post.
        committer: Makes records durable.
        topics: Knows partitions, creates topics.
        pending: Bounds what requests hold.
        metrics: Count accepted records.
        bodies: Read bodies within the caps.
        replies: Send the answers.
        gateway: The caps of records, and of requests that wait.
    """

    def __init__(
        self,
        app: ASGIApp,
        committer: Committer,
        topics: Topics,
        pending: Pending,
        metrics: Metrics,
        bodies: Bodies,
        replies: Replies,
        *,
        gateway: Gateway,
    ) -> None:
        self._app = app
        self._committer = committer
        self._topics = topics
        self._pending = pending
        self._metrics = metrics
        self._bodies = bodies
        self._replies = replies
        self._in_flight = InFlight(gateway.max_requests)
        self._max_record_bytes = gateway.max_record_bytes
        self._turns: dict[str, Turn] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. One whose client is gone gets no answer."""
        route = route_of(scope)
        if not isinstance(route, ProduceRoute):
            await self._app(scope, receive, send)
            return
        answer = await self._produce(route, scope, receive)
        if answer is not None:
            await self._replies.send(answer, scope, receive, send)

    async def _produce(self, route: ProduceRoute, scope: Scope, receive: Receive) -> Answer | None:
        """Append the records of a request and say where they are; None if the client is gone."""
        with self._pending.hold() as hold:
            try:
                post = await self._read(route, scope, receive, hold)
                with self._in_flight:
                    placed = await self._append(post)
                refused = len(placed.refused)
                accepted = len(placed.offsets) - refused
                self._metrics.records_accepted(route.dialect.name, accepted, refused, len(post.body))
                return route.dialect.answer(route.format.describe(placed))
            except ClientGoneError:
                return None
            except asyncio.CancelledError:
                # The server stops and waits no longer; the client still reads and can act on an answer.
                return route.dialect.refuse(refusal_of(UnavailableError("the gateway is stopping")))
            except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
                return route.dialect.refuse(refusal_of(error))

    async def _read(self, route: ProduceRoute, scope: Scope, receive: Receive, hold: Hold) -> _Post:
        headers = BodyHeaders.of(scope["headers"])
        key = self._read_key(scope, route.path)
        body = await self._bodies.read(headers, receive, hold)
        arrived = time.monotonic()
        posted = route.format.parse(headers.content_type, body)
        topic = route.topic
        if posted.topic is not None:
            if topic is None:
                key = self._read_key(scope, f"/streams/{posted.topic}")
            topic = _check_topic(topic, posted.topic, caller_of(scope))
        assert topic is not None  # noqa: S101 - where the path names none, the format requires the body to
        return _Post(topic, route.partition, headers.content_type, body, posted, key, arrived)

    def _read_key(self, scope: Scope, path: str) -> RequestKey | None:
        if not self._committer.answers:
            return None
        caller = caller_of(scope)
        return read_request_key(
            scope["headers"], caller.name if caller is not None else "", scope["method"], path
        )

    async def _append(self, post: _Post) -> Placed:
        topic = post.topic
        try:
            return await self._try_append(post)
        except (UnknownTopicError, UnknownPartitionError):
            # Known here but gone in the log: deleted elsewhere. Nothing was appended, so this is tried once more.
            if self._topics.known(topic) is None:
                raise
            self._topics.forget(topic)
            return await self._try_append(post)

    async def _try_append(self, post: _Post) -> Placed:
        routed = await self._partition(post)
        if not routed.batches:
            return routed.place([])
        size = len(post.body)
        idempotent = None
        if post.key is not None:
            note = encode_outcome(routed)
            idempotent = post.key.with_body(post.content_type, post.body, note)
        outcome = await self._committer.append(routed.batches, size, idempotent, arrived=post.arrived)
        if isinstance(outcome, StoredResponse):
            assert idempotent is not None  # noqa: S101 - only a request with a key is answered by what was stored
            return restore_placed(outcome, idempotent)
        _raise_if_all_failed(outcome)
        return routed.place(outcome)

    async def _partition(self, post: _Post) -> Routed:
        topic, partition, posted = post.topic, post.partition, post.posted
        partitions = self._topics.known(topic)
        if partitions is None:
            partitions = await self._topics.find(
                topic, within=post.arrived + self._committer.turn_s - time.monotonic()
            )
        if partition is not None:
            if not self._topics.by_log and not 0 <= partition < partitions:
                raise UnknownPartitionError(f"the topic has partitions 0 to {partitions - 1}")
            posted = posted._replace(partitions=[partition] * len(posted.values))
        if posted.headers is not None and self._topics.drops_headers:
            raise _refuse_headers(posted.headers)
        if posted.hashes is not None:
            posted = posted._replace(partitions=await self._place_by_hash(topic, posted.hashes, partitions))
        turn = self._turns.get(topic)
        if turn is None:
            turn = self._turns[topic] = Turn()
        cap = self._max_record_bytes if len(post.body) > self._max_record_bytes else None
        return route(topic, posted, partitions, turn, max_record_bytes=cap, by_log=self._topics.by_log)

    async def _place_by_hash(self, topic: str, hashes: list[int | None], partitions: int) -> list[int | None]:
        """The partition of each record that asks for one by a hash key."""
        if not self._topics.by_log:
            return [None if each is None else partition_of(each, partitions) for each in hashes]
        ranges = [
            (each.numbering.low_hash, each.numbering.high_hash, each.number)
            for each in await self._topics.partitions(topic)
            if isinstance(each.numbering, ShardRange) and not each.closed
        ]
        return [
            None
            if each is None
            else next((number for low, high, number in ranges if low <= each <= high), None)
            for each in hashes
        ]


def _check_topic(in_path: str | None, topic: str, caller: ApiKey | None) -> str:
    """Check the topic that the body names, and return it.

    Raises:
        Refusal: The path names another one, or the API key is not for it.
    """
    if in_path not in {None, topic}:
        raise Refusal(RefusalReason.INVALID, "the StreamARN names another stream than the path")
    if caller is not None and not caller.allows(topic):
        raise Refusal(RefusalReason.FORBIDDEN, "this API key is not for this topic")
    return topic


def _refuse_headers(headers: list[Headers]) -> Refusal:
    """Why headers are refused: a log without them would lose them, and the sender's time with them."""
    index = next(at for at, each in enumerate(headers) if each)
    field = "timestamp" if headers[index][0][0] == TIMESTAMP else "headers"
    return Refusal(
        RefusalReason.INVALID, f"this log keeps no headers and no timestamp - at `$.records[{index}].{field}`"
    )


def _raise_if_all_failed(appended: list[AppendResult]) -> None:
    """A log that is away for every record fails the request, so that a client sends it again as a whole."""
    errors = [error for each in appended for error in each.refused.values()]
    if errors and len(errors) == sum(len(each.offsets) for each in appended):
        for kind in (UnavailableError, OverloadedError, UnknownTopicError):
            if all(isinstance(error, kind) for error in errors):
                raise errors[0]
