"""Everything but posting: topics, streams, health, metrics and the description of the whole."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, cast

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.routing import Route

from pinflow.errors import UnknownPartitionError
from pinflow.gateway import kafka_rest, kinesis_rest
from pinflow.gateway.answer import Answer
from pinflow.gateway.body import BodyHeaders, ClientGoneError
from pinflow.gateway.guard import caller_of
from pinflow.gateway.refusal import Reason, Refusal, refusal_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.exceptions import HTTPException
    from starlette.requests import Request

    from pinflow.gateway.committer import Committer
    from pinflow.gateway.metrics import Metrics
    from pinflow.gateway.pending import Pending
    from pinflow.gateway.produce import Producer
    from pinflow.gateway.topics import Topics

    Handler = Callable[[Request], Awaitable[Answer]]

__all__ = ["REFUSED", "Pages", "dialect_of"]

JSON = b"application/json"

REFUSED = {"kafka": kafka_rest.refused, "kinesis": kinesis_rest.refused}


class Pages:
    """The routes that Starlette serves, and its answers where there is no route.

    Args:
        topics: The topics of the log.
        committer: Asked whether the log takes appends.
        pending: Asked how much waits.
        metrics: Shown, and told of answers.
        producer: Reads bodies within the caps.
    """

    def __init__(
        self, topics: Topics, committer: Committer, pending: Pending, metrics: Metrics, producer: Producer
    ) -> None:
        self._topics = topics
        self._committer = committer
        self._pending = pending
        self._metrics = metrics
        self._producer = producer
        self._openapi = files("pinflow.gateway").joinpath("openapi.json").read_bytes()

    def routes(self) -> list[Route]:
        """Every route. Those that post are here for their 405 and `Allow`; their method never arrives."""
        return [
            self._route("/healthz", self.health),
            self._route("/metrics", self.metrics),
            self._route("/openapi.json", self.openapi),
            self._route("/topics", self.list_topics),
            self._route("/topics/{topic}", self.get_topic, "GET", "POST"),
            self._route("/topics/{topic}/partitions", self.list_partitions),
            self._route("/topics/{topic}/partitions/{partition}", self.get_partition, "GET", "POST"),
            self._route("/streams", self.list_streams),
            self._route("/streams/{stream}", self.stream, "GET", "POST", "DELETE"),
            self._route("/streams/{stream}/record", self.list_streams, "PUT"),
            self._route("/streams/{stream}/records", self.list_streams, "PUT"),
        ]

    async def not_routed(self, request: Request, error: Exception) -> Answer:
        """The answer where no route, or no method of it, fits."""
        status = cast("HTTPException", error).status_code
        allowed = dict(cast("HTTPException", error).headers or {}).get("Allow", "")
        allow = ", ".join(sorted(allowed.split(", ")))
        if status == 405:
            headers = ((b"allow", allow.encode()),)
            refusal = Refusal(Reason.METHOD, f"the method is not one of {allow}", headers=headers)
        else:
            refusal = Refusal(Reason.ROUTE, "there is nothing at this path; see /openapi.json")
        return self.refuse(request.url.path, refusal)

    async def health(self, _request: Request) -> Answer:
        """Always 200: the gateway lives. `log` says whether it takes records."""
        available = self._committer.available and await self._topics.reachable()
        state = {
            "status": "ok",
            "log": "ok" if available else "unavailable",
            "pending_bytes": self._pending.bytes,
            "pending_requests": self._pending.requests,
        }
        return Answer(200, msgspec.json.encode(state), JSON)

    async def metrics(self, _request: Request) -> Answer:
        """Prometheus' text format."""
        return Answer(200, self._metrics.exposition(), CONTENT_TYPE_LATEST.encode())

    async def openapi(self, _request: Request) -> Answer:
        """The description of every route."""
        return Answer(200, self._openapi, JSON)

    async def list_topics(self, request: Request) -> Answer:
        """The names of all topics that the caller may use."""
        return kafka_rest.json_answer(await self._names(request))

    async def get_topic(self, request: Request) -> Answer:
        """One topic and its partitions."""
        topic = request.path_params["topic"]
        return kafka_rest.json_answer(kafka_rest.describe_topic(topic, await self._open(topic)))

    async def list_partitions(self, request: Request) -> Answer:
        """The partitions of one topic."""
        numbers = await self._open(request.path_params["topic"])
        return kafka_rest.json_answer([kafka_rest.describe_partition(number) for number in numbers])

    async def get_partition(self, request: Request) -> Answer:
        """One partition of one topic."""
        numbers = await self._open(request.path_params["topic"])
        partition = kafka_rest.partition_number(request.path_params["partition"])
        if partition not in numbers:
            raise UnknownPartitionError(f"the topic has the partitions {', '.join(map(str, numbers))}")
        return kafka_rest.json_answer(kafka_rest.describe_partition(partition))

    async def list_streams(self, request: Request) -> Answer:
        """The names of all streams, which are the topics, that the caller may use."""
        names = await self._names(request)
        return kinesis_rest.json_answer({"HasMoreStreams": False, "StreamNames": names})

    async def stream(self, request: Request) -> Answer:
        """Describe, create or delete one stream."""
        stream = request.path_params["stream"]
        if request.method == "POST":
            await self._topics.create(stream, await self._shard_count(request))
            return kinesis_rest.json_answer({})
        if request.method == "DELETE":
            await self._topics.delete(stream)
            return kinesis_rest.json_answer({})
        partitions = await self._topics.partitions(stream)
        described = kinesis_rest.describe_stream(stream, partitions, by_log=self._topics.by_log)
        return kinesis_rest.json_answer(described)

    async def _open(self, topic: str) -> list[int]:
        """The partitions that take records."""
        return [each.number for each in await self._topics.partitions(topic) if not each.closed]

    async def _names(self, request: Request) -> list[str]:
        caller = caller_of(request.scope)
        return [name for name in await self._topics.all() if caller is None or caller.allows(name)]

    async def _shard_count(self, request: Request) -> int:
        headers = BodyHeaders.of(request.scope["headers"])
        with self._pending.hold() as hold:
            body = await self._producer.read(headers, request.receive, hold)
            return kinesis_rest.parse_shard_count(headers.content_type, body)

    def _route(self, path: str, handler: Handler, *methods: str) -> Route:
        async def endpoint(request: Request) -> Answer:
            try:
                answer = await handler(request)
            except ClientGoneError:
                return Answer(400, b"", JSON)  # nobody reads it
            except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
                return self.refuse(path, refusal_of(error))
            self._metrics.answered(dialect_of(path), answer.status)
            return answer

        return Route(path, endpoint, methods=list(methods) or None)

    def refuse(self, path: str, refusal: Refusal) -> Answer:
        """The answer that says why, in the words of the path's dialect."""
        dialect = dialect_of(path)
        answer = REFUSED[dialect](refusal)
        self._metrics.answered(dialect, answer.status)
        return answer


def dialect_of(path: str) -> str:
    """The dialect that errors of a path are told in."""
    return "kinesis" if path == "/streams" or path.startswith("/streams/") else "kafka"
