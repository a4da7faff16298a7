"""Everything but posting: topics, streams, health, metrics and the description of the whole."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, cast

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.routing import Route

from pinflow.errors import UnknownPartitionError
from pinflow.gateway.answer import Answer
from pinflow.gateway.auth.guard import caller_of
from pinflow.gateway.dialects import kafka_rest, kinesis_answers, kinesis_rest, kinesis_target, media
from pinflow.gateway.dialects.kinesis_calls import Calls
from pinflow.gateway.http.body import BodyHeaders, ClientGoneError
from pinflow.gateway.refusal import Reason, Refusal, refusal_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from starlette.exceptions import HTTPException
    from starlette.requests import Request

    from pinflow.gateway.committer import Committer
    from pinflow.gateway.metrics import Metrics
    from pinflow.gateway.pending import Pending
    from pinflow.gateway.produce import Producer
    from pinflow.gateway.topics import Topics
    from pinflow.log import Partition

    RawHeaders = Iterable[tuple[bytes, bytes]]
    Handler = Callable[[Request], Awaitable[Answer]]

__all__ = ["REFUSED", "Pages", "dialect_of"]

JSON = b"application/json"

REFUSED = {
    "kafka": kafka_rest.refused,
    "kinesis": kinesis_rest.refused,
    "target": kinesis_target.refused,
}

COUNTED = {"kafka": "kafka", "kinesis": "kinesis", "target": "kinesis"}
"""How the answers of a dialect are labelled in the metrics."""

FIXED = frozenset({"/healthz", "/metrics", "/openapi.json"})
"""Pages of one content type, for programs that do not ask for another."""


class Pages:
    """The routes that Starlette serves, and its answers where there is no route.

    Args:
        topics: The topics of the log.
        committer: Asked whether the log takes appends.
        pending: Asked how much waits.
        metrics: Shown, and told of answers.
        producer: Reads bodies within the caps.
        max_record_bytes: The cap of a record, shown among a topic's settings.
    """

    def __init__(
        self,
        topics: Topics,
        committer: Committer,
        pending: Pending,
        metrics: Metrics,
        producer: Producer,
        *,
        max_record_bytes: int,
    ) -> None:
        self._topics = topics
        self._committer = committer
        self._pending = pending
        self._metrics = metrics
        self._producer = producer
        self._max_record_bytes = max_record_bytes
        self._calls = Calls(topics)
        self._openapi = files("pinflow.gateway").joinpath("openapi.json").read_bytes()

    def routes(self) -> list[Route]:
        """Every route. Those that post are here for their 405 and `Allow`; their method never arrives."""
        return [
            self._route("/", self.root, "GET", "POST"),
            self._route("/brokers", self.brokers),
            self._route("/healthz", self.health),
            self._route("/metrics", self.metrics),
            self._route("/openapi.json", self.openapi),
            self._route("/topics", self.list_topics),
            self._route("/topics/{topic}", self.get_topic, "GET", "POST"),
            self._route("/topics/{topic}/partitions", self.list_partitions),
            self._route("/topics/{topic}/partitions/{partition}", self.get_partition, "GET", "POST"),
            self._route("/topics/{topic}/partitions/{partition}/offsets", self.get_offsets),
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
        return self.refuse(request.scope["path"], request.scope["headers"], refusal)

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

    async def root(self, request: Request) -> Answer:
        """An empty object, as the proxy answers, or what an SDK asks of Kinesis."""
        if request.method != "POST":
            return kafka_rest.json_answer({})
        operation = kinesis_target.operation_of(request.scope["headers"])
        if operation is None:
            message = "only AWS SDKs post here, with X-Amz-Target; see /openapi.json"
            raise Refusal(Reason.ROUTE, message)
        headers, body = await self._body(request)
        return await self._calls(operation, headers.content_type, body, caller_of(request.scope))

    async def brokers(self, _request: Request) -> Answer:
        """The one broker that clients of the gateway see."""
        return kafka_rest.json_answer(kafka_rest.BROKERS)

    async def list_topics(self, request: Request) -> Answer:
        """The names of all topics that the caller may use."""
        return kafka_rest.json_answer(await self._names(request))

    async def get_topic(self, request: Request) -> Answer:
        """One topic and its partitions."""
        topic = request.path_params["topic"]
        numbers = [each.number for each in await self._open(topic)]
        configs = await self._topics.configs(topic)
        limit = min(self._max_record_bytes, int(configs.get("max.message.bytes", self._max_record_bytes)))
        configs["max.message.bytes"] = str(limit)
        return kafka_rest.json_answer(kafka_rest.describe_topic(topic, numbers, configs))

    async def list_partitions(self, request: Request) -> Answer:
        """The partitions of one topic."""
        found = await self._open(request.path_params["topic"])
        return kafka_rest.json_answer([kafka_rest.describe_partition(each.number) for each in found])

    async def get_partition(self, request: Request) -> Answer:
        """One partition of one topic."""
        return kafka_rest.json_answer(kafka_rest.describe_partition((await self._partition(request)).number))

    async def get_offsets(self, request: Request) -> Answer:
        """The first and the next offset of one partition of one topic."""
        return kafka_rest.json_answer(kafka_rest.describe_offsets(await self._partition(request)))

    async def list_streams(self, request: Request) -> Answer:
        """The names of all streams, which are the topics, that the caller may use."""
        names = await self._names(request)
        return kinesis_rest.json_answer({"HasMoreStreams": False, "StreamNames": names})

    async def stream(self, request: Request) -> Answer:
        """Describe, create or delete one stream."""
        stream = request.path_params["stream"]
        if request.method == "POST":
            headers, body = await self._body(request)
            create = kinesis_rest.parse_create(headers.content_type, body)
            await self._topics.create_stream(stream, create.count, on_demand=create.on_demand())
            return kinesis_rest.json_answer({})
        if request.method == "DELETE":
            await self._topics.delete(stream)
            return kinesis_rest.json_answer({})
        partitions = await self._topics.partitions(stream)
        described = kinesis_answers.describe_stream(stream, partitions, by_log=self._topics.by_log)
        return kinesis_rest.json_answer(described)

    async def _open(self, topic: str) -> list[Partition]:
        """The partitions that take records."""
        return [each for each in await self._topics.partitions(topic) if not each.closed]

    async def _partition(self, request: Request) -> Partition:
        found = await self._open(request.path_params["topic"])
        number = kafka_rest.partition_number(request.path_params["partition"])
        for each in found:
            if each.number == number:
                return each
        numbers = ", ".join(str(each.number) for each in found)
        raise UnknownPartitionError(f"the topic has the partitions {numbers}")

    async def _names(self, request: Request) -> list[str]:
        caller = caller_of(request.scope)
        return [name for name in await self._topics.all() if caller is None or caller.allows(name)]

    async def _body(self, request: Request) -> tuple[BodyHeaders, bytes]:
        headers = BodyHeaders.of(request.scope["headers"])
        with self._pending.hold() as hold:
            return headers, await self._producer.read(headers, request.receive, hold)

    def _route(self, path: str, handler: Handler, *methods: str) -> Route:
        async def endpoint(request: Request) -> Answer:
            dialect = dialect_of(path, request.scope["headers"])
            negotiates = dialect == "kafka" and path not in FIXED
            media_type = media.DEFAULT
            try:
                if negotiates:
                    media_type = media.accepted_type(request.scope["headers"])
                answer = await handler(request)
                self._metrics.answered(COUNTED[dialect], answer.status)
            except ClientGoneError:
                return Answer(400, b"", JSON)  # nobody reads it
            except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
                answer = self.refuse(path, request.scope["headers"], refusal_of(error))
            return answer._replace(media_type=media_type) if negotiates else answer

        return Route(path, endpoint, methods=list(methods) or None)

    def refuse(self, path: str, headers: RawHeaders, refusal: Refusal) -> Answer:
        """The answer that says why, in the words of the dialect that was spoken."""
        dialect = dialect_of(path, headers)
        answer = REFUSED[dialect](refusal)
        self._metrics.answered(COUNTED[dialect], answer.status)
        return answer


def dialect_of(path: str, headers: RawHeaders = ()) -> str:
    """The dialect that errors of a request are answered in."""
    if path == "/streams" or path.startswith("/streams/"):
        return "kinesis"
    return "target" if path == "/" and kinesis_target.operation_of(headers) is not None else "kafka"
