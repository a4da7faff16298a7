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
from pinflow.log import StoredResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from pinflow.config import Gateway
    from pinflow.gateway.answer import Answer, Placed, Posted
    from pinflow.gateway.auth.keys import ApiKey
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
    asked: RequestKey | None
    came: float


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
        asked = self._asked(scope, route.path)
        body = await self._bodies.read(headers, receive, hold)
        came = time.monotonic()
        posted = route.format.parse(headers.content_type, body)
        topic = route.topic
        if posted.topic is not None:
            if topic is None:
                asked = self._asked(scope, f"/streams/{posted.topic}")
            topic = _named(topic, posted.topic, caller_of(scope))
        assert topic is not None  # noqa: S101 - where the path names none, the format requires the body to
        return _Post(topic, route.partition, headers.content_type, body, posted, asked, came)

    def _asked(self, scope: Scope, path: str) -> RequestKey | None:
        if not self._committer.answers:
            return None
        caller = caller_of(scope)
        return read_request_key(
            scope["headers"], caller.name if caller is not None else "", scope["method"], path
        )

    async def _append(self, request: _Post) -> Placed:
        topic = request.topic
        try:
            return await self._appended(request)
        except (UnknownTopicError, UnknownPartitionError):
            # Known here but gone in the log: deleted elsewhere. Nothing was appended, so try once more.
            if self._topics.known(topic) is None:
                raise
            self._topics.forget(topic)
            return await self._appended(request)

    async def _appended(self, request: _Post) -> Placed:
        routed = await self._routed(request)
        if not routed.batches:
            return routed.placed([])
        size = len(request.body)
        if request.asked is None:
            once = None
        else:
            once = request.asked.once(request.content_type, request.body, encode_outcome(routed))
        kept = await self._committer.append(routed.batches, size, once, came=request.came)
        if isinstance(kept, StoredResponse):
            assert once is not None  # noqa: S101 - only a named request is answered by what was kept
            return restore_placed(kept, once)
        _raise_if_all_failed(kept)
        return routed.placed(kept)

    async def _routed(self, request: _Post) -> Routed:
        topic, partition, posted = request.topic, request.partition, request.posted
        partitions = self._topics.known(topic)
        if partitions is None:
            partitions = await self._topics.find(
                topic, within=request.came + self._committer.turn_s - time.monotonic()
            )
        if partition is not None:
            if not self._topics.by_log and not 0 <= partition < partitions:
                raise UnknownPartitionError(f"the topic has partitions 0 to {partitions - 1}")
            posted = posted._replace(partitions=[partition] * len(posted.values))
        if posted.headers is not None and self._topics.bare:
            raise _not_kept(posted.headers)
        if posted.hashes is not None:
            posted = posted._replace(partitions=await self._by_hash(topic, posted.hashes, partitions))
        turn = self._turns.get(topic)
        if turn is None:
            turn = self._turns[topic] = Turn()
        cap = self._max_record_bytes if len(request.body) > self._max_record_bytes else None
        return route(topic, posted, partitions, turn, max_record_bytes=cap, by_log=self._topics.by_log)

    async def _by_hash(self, topic: str, hashes: list[int | None], partitions: int) -> list[int | None]:
        """The partition of each record that asks for one by a hash key."""
        if not self._topics.by_log:
            return [None if each is None else partition_of(each, partitions) for each in hashes]
        ranges = [
            (*each.hashes, each.number)
            for each in await self._topics.partitions(topic)
            if each.hashes is not None and not each.closed
        ]
        return [
            None
            if each is None
            else next((number for low, high, number in ranges if low <= each <= high), None)
            for each in hashes
        ]


def _named(in_path: str | None, topic: str, caller: ApiKey | None) -> str:
    """The topic that the body names.

    Raises:
        Refusal: The path names another one, or the API key is not for it.
    """
    if in_path not in {None, topic}:
        raise Refusal(RefusalReason.INVALID, "the StreamARN names another stream than the path")
    if caller is not None and not caller.allows(topic):
        raise Refusal(RefusalReason.FORBIDDEN, "this API key is not for this topic")
    return topic


def _not_kept(headers: list[Headers]) -> Refusal:
    """A log without headers would lose them, and the sender's time with them."""
    index = next(at for at, each in enumerate(headers) if each)
    field = "timestamp" if headers[index][0][0] == TIMESTAMP else "headers"
    return Refusal(
        RefusalReason.INVALID, f"this log keeps no headers and no timestamp - at `$.records[{index}].{field}`"
    )


def _raise_if_all_failed(appended: list[AppendResult]) -> None:
    """A log that is away for every record is told as such, so that a client tries the request again."""
    errors = [error for each in appended for error in each.refused.values()]
    if errors and len(errors) == sum(len(each.offsets) for each in appended):
        for kind in (UnavailableError, OverloadedError, UnknownTopicError):
            if all(isinstance(error, kind) for error in errors):
                raise errors[0]
