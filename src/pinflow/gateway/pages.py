"""Everything but posting: topics, streams, health, metrics and the description of the whole."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST

from pinflow.errors import UnknownPartitionError
from pinflow.gateway.answer import Answer
from pinflow.gateway.auth.guard import caller_of
from pinflow.gateway.dialects import kafka_rest, kinesis_answers, kinesis_rest
from pinflow.gateway.dialects.kinesis_calls import Calls
from pinflow.gateway.http.body import BodyHeaders, ClientGoneError
from pinflow.gateway.refusal import Refusal, RefusalReason, refusal_of
from pinflow.gateway.route import NoRoute, Page, PageRoute, ProduceRoute, route_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Receive, Scope, Send

    from pinflow.gateway.committer import Committer
    from pinflow.gateway.http.body import Bodies
    from pinflow.gateway.metrics import Metrics
    from pinflow.gateway.pending import Pending
    from pinflow.gateway.reply import Replies
    from pinflow.gateway.topics import Topics
    from pinflow.log import Partition

__all__ = ["Pages"]

JSON = b"application/json"


class _Query(NamedTuple):
    """A request for a page."""

    route: PageRoute
    scope: Scope
    receive: Receive


class Pages:
    """Serves every route but those that post, and answers where there is no route.

    Args:
        topics: The topics of the log.
        committer: Asked whether the log takes appends.
        pending: Asked how much waits.
        metrics: Shown at `/metrics`.
        bodies: Read bodies within the caps.
        replies: Send the answers.
        max_record_bytes: The cap of a record, shown among a topic's settings.
    """

    def __init__(
        self,
        topics: Topics,
        committer: Committer,
        pending: Pending,
        metrics: Metrics,
        bodies: Bodies,
        replies: Replies,
        *,
        max_record_bytes: int,
    ) -> None:
        self._topics = topics
        self._committer = committer
        self._pending = pending
        self._metrics = metrics
        self._bodies = bodies
        self._replies = replies
        self._max_record_bytes = max_record_bytes
        self._calls = Calls(topics)
        self._openapi = files("pinflow.gateway").joinpath("openapi.json").read_bytes()
        self._handlers: dict[Page, Callable[[_Query], Awaitable[Answer]]] = {
            Page.ROOT: self._root,
            Page.SDK_CALL: self._call,
            Page.BROKERS: self._brokers,
            Page.HEALTH: self._health,
            Page.METRICS: self._show_metrics,
            Page.OPENAPI: self._describe,
            Page.TOPICS: self._list_topics,
            Page.TOPIC: self._get_topic,
            Page.PARTITIONS: self._list_partitions,
            Page.PARTITION: self._get_partition,
            Page.OFFSETS: self._get_offsets,
            Page.STREAMS: self._list_streams,
            Page.DESCRIBE_STREAM: self._describe_stream,
            Page.CREATE_STREAM: self._create_stream,
            Page.DELETE_STREAM: self._delete_stream,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. One whose client is gone gets no answer.

        Raises:
            RuntimeError: It posts records: whoever serves those has passed it on.
        """
        route = route_of(scope)
        if isinstance(route, NoRoute):
            await self._replies.refuse(_no_route(route), scope, receive, send)
            return
        if isinstance(route, ProduceRoute):
            raise RuntimeError(f"a request that posts reached the pages: {route.path}")  # noqa: TRY004 - a bug in `app`
        try:
            answer = await self._handlers[route.page](_Query(route, scope, receive))
        except ClientGoneError:
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            answer = route.dialect.refuse(refusal_of(error))
        await self._replies.send(answer, scope, receive, send)

    async def _health(self, _query: _Query) -> Answer:
        """Always 200: the gateway lives. `log` says whether it takes records."""
        available = self._committer.available and await self._topics.reachable()
        state = {
            "status": "ok",
            "log": "ok" if available else "unavailable",
            "pending_bytes": self._pending.bytes,
            "pending_requests": self._pending.requests,
        }
        return Answer(200, msgspec.json.encode(state), JSON)

    async def _show_metrics(self, _query: _Query) -> Answer:
        """Prometheus' text format."""
        return Answer(200, self._metrics.exposition(), CONTENT_TYPE_LATEST.encode())

    async def _describe(self, _query: _Query) -> Answer:
        """The description of every route."""
        return Answer(200, self._openapi, JSON)

    async def _root(self, _query: _Query) -> Answer:
        """An empty object, as the proxy answers."""
        return kafka_rest.json_answer({})

    async def _call(self, query: _Query) -> Answer:
        """What an SDK asks of Kinesis."""
        operation = query.route.operation
        if operation is None:
            message = "only AWS SDKs post here, with X-Amz-Target; see /openapi.json"
            raise Refusal(RefusalReason.ROUTE, message)
        headers, body = await self._body(query)
        return await self._calls(operation, headers.content_type, body, caller_of(query.scope))

    async def _brokers(self, _query: _Query) -> Answer:
        """The one broker that clients of the gateway see."""
        return kafka_rest.json_answer(kafka_rest.BROKERS)

    async def _list_topics(self, query: _Query) -> Answer:
        """The names of all topics that the caller may use."""
        return kafka_rest.json_answer(await self._names(query))

    async def _get_topic(self, query: _Query) -> Answer:
        """One topic and its partitions."""
        topic = _topic(query)
        numbers = [each.number for each in await self._open(topic)]
        configs = await self._topics.configs(topic)
        limit = min(self._max_record_bytes, int(configs.get("max.message.bytes", self._max_record_bytes)))
        configs["max.message.bytes"] = str(limit)
        return kafka_rest.json_answer(kafka_rest.describe_topic(topic, numbers, configs))

    async def _list_partitions(self, query: _Query) -> Answer:
        """The partitions of one topic."""
        found = await self._open(_topic(query))
        return kafka_rest.json_answer([kafka_rest.describe_partition(each.number) for each in found])

    async def _get_partition(self, query: _Query) -> Answer:
        """One partition of one topic."""
        return kafka_rest.json_answer(kafka_rest.describe_partition((await self._partition(query)).number))

    async def _get_offsets(self, query: _Query) -> Answer:
        """The first and the next offset of one partition of one topic."""
        return kafka_rest.json_answer(kafka_rest.describe_offsets(await self._partition(query)))

    async def _list_streams(self, query: _Query) -> Answer:
        """The names of all streams, which are the topics, that the caller may use."""
        names = await self._names(query)
        return kinesis_rest.json_answer({"HasMoreStreams": False, "StreamNames": names})

    async def _describe_stream(self, query: _Query) -> Answer:
        stream = _topic(query)
        partitions = await self._topics.partitions(stream)
        described = kinesis_answers.describe_stream(stream, partitions, by_log=self._topics.by_log)
        return kinesis_rest.json_answer(described)

    async def _create_stream(self, query: _Query) -> Answer:
        headers, body = await self._body(query)
        create = kinesis_rest.parse_create(headers.content_type, body)
        await self._topics.create_stream(_topic(query), create.count, on_demand=create.on_demand())
        return kinesis_rest.json_answer({})

    async def _delete_stream(self, query: _Query) -> Answer:
        await self._topics.delete(_topic(query))
        return kinesis_rest.json_answer({})

    async def _open(self, topic: str) -> list[Partition]:
        """The partitions that take records."""
        return [each for each in await self._topics.partitions(topic) if not each.closed]

    async def _partition(self, query: _Query) -> Partition:
        found = await self._open(_topic(query))
        for each in found:
            if each.number == query.route.partition:
                return each
        numbers = ", ".join(str(each.number) for each in found)
        raise UnknownPartitionError(f"the topic has the partitions {numbers}")

    async def _names(self, query: _Query) -> list[str]:
        caller = caller_of(query.scope)
        return [name for name in await self._topics.all() if caller is None or caller.allows(name)]

    async def _body(self, query: _Query) -> tuple[BodyHeaders, bytes]:
        headers = BodyHeaders.of(query.scope["headers"])
        with self._pending.hold() as hold:
            return headers, await self._bodies.read(headers, query.receive, hold)


def _topic(query: _Query) -> str:
    topic = query.route.topic
    assert topic is not None  # noqa: S101 - the path of such a page names one
    return topic


def _no_route(route: NoRoute) -> Refusal:
    if not route.allow:
        return Refusal(RefusalReason.ROUTE, "there is nothing at this path; see /openapi.json")
    headers = ((b"allow", route.allow.encode()),)
    return Refusal(RefusalReason.METHOD, f"the method is not one of {route.allow}", headers=headers)
