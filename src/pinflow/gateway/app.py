"""The ASGI application: a plain router for the routes that post, and Starlette for everything else."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from pinflow.gateway.auth.guard import Guard
from pinflow.gateway.committer import STALL_S, Committer
from pinflow.gateway.dialects.kafka_rest import KafkaRest, partition_number
from pinflow.gateway.dialects.kinesis_rest import KinesisRecord, KinesisRecords
from pinflow.gateway.dialects.kinesis_target import PUTS, operation_of
from pinflow.gateway.dialects.media import DEFAULT, accepted_type
from pinflow.gateway.metrics import Metrics
from pinflow.gateway.pages import Pages
from pinflow.gateway.pending import Pending
from pinflow.gateway.produce import Producer, Target
from pinflow.gateway.refusal import Refusal
from pinflow.gateway.topics import Topics
from pinflow.lake.landing.layout import path_limits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from starlette.types import Receive, Scope, Send

    from pinflow.config import Config
    from pinflow.gateway.answer import Answer, Dialect
    from pinflow.log import EventLog

__all__ = ["GatewayApp", "create_app", "target_of"]

KAFKA = KafkaRest()
KINESIS: dict[str, Dialect] = {"record": KinesisRecord(), "records": KinesisRecords()}


class GatewayApp:
    """The gateway as an ASGI application. It needs the lifespan: without it no request can append.

    Args:
        log: What records go to.
        config: Its `gateway` section, `log.partitions` for topics created on first use, and where the lake is.
        guard: Lets requests in; None lets all in.
        stall_s: See `Committer`.

    Attributes:
        metrics: What it counts.
        committer: Its one thread that appends.
    """

    def __init__(
        self, log: EventLog, config: Config, guard: Guard | None = None, *, stall_s: float = STALL_S
    ) -> None:
        gateway = config.gateway
        self._guard = guard or Guard(None)
        pending = Pending(gateway.max_pending_bytes)
        self.metrics = Metrics(pending)
        self.committer = Committer(log, self.metrics, stall_s=stall_s, keep_s=gateway.idempotency_seconds)
        self._topics = Topics(
            log,
            self.metrics,
            path_limits(config.lake.url),
            partitions=config.log.partitions,
            create=gateway.create_topics,
        )
        self._producer = Producer(self.committer, self._topics, pending, self.metrics, gateway)
        self._pages = pages = Pages(
            self._topics,
            self.committer,
            pending,
            self.metrics,
            self._producer,
            max_record_bytes=gateway.max_record_bytes,
        )
        # An `Answer` is not Starlette's Response, but all that is asked of one is to be an ASGI application.
        handlers: dict[Any, Any] = {HTTPException: pages.not_routed}
        self._starlette = Starlette(
            routes=pages.routes(), exception_handlers=handlers, lifespan=self._lifespan
        )
        self._starlette.router.redirect_slashes = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] == "http":
            path = scope["path"]
            if path[-1:] == "/" and path != "/" and not _escaped(scope):  # the real services do not mind it
                scope["path"] = path = path[:-1]
            refusal = self._guard.refusal(scope)
            if refusal is not None:
                await self._pages.refuse(path, scope["headers"], refusal)(scope, receive, send)
                return
            target = target_of(scope["method"], path, scope["headers"])
            if target is not None:
                answer = await self._posted(target, scope, receive)
                if answer is not None:
                    self.metrics.answered(target.dialect.name, answer.status)
                    await answer(scope, receive, send)
                return
        await self._starlette(scope, receive, send)

    async def _posted(self, target: Target, scope: Scope, receive: Receive) -> Answer | None:
        if target.dialect is not KAFKA:
            return await self._producer(target, scope, receive)
        try:
            media_type = accepted_type(scope["headers"])
        except Refusal as refusal:  # before anything is appended
            return target.dialect.refused(refusal)
        answer = await self._producer(target, scope, receive)
        return answer if answer is None or media_type is DEFAULT else answer._replace(media_type=media_type)

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        self._topics.start()
        self._producer.start()
        self.committer.start()
        try:
            yield
        finally:
            await self.committer.stop()
            self._producer.stop()
            self._topics.stop()


def create_app(log: EventLog, config: Config, guard: Guard | None = None) -> GatewayApp:
    """Make the gateway's ASGI application.

    Args:
        log: The open log that records go to. The caller closes it, after the application's lifespan ended.
        config: Its `gateway` section, `log.partitions` for topics created on first use, and where the lake is.
        guard: Lets requests in; None lets all in.
    """
    return GatewayApp(log, config, guard)


def _escaped(scope: Scope) -> bool:
    """Whether the slash at the end is part of a name, which no topic can have."""
    raw: bytes = scope.get("raw_path") or b""
    return raw[-3:].lower() == b"%2f"


def target_of(method: str, path: str, headers: Iterable[tuple[bytes, bytes]] = ()) -> Target | None:
    """Where a request wants its records, None if its route is not one that posts."""
    if path == "/" and method == "POST":
        dialect = PUTS.get(operation_of(headers) or "")
        return Target(dialect, "") if dialect is not None else None
    parts = path.split("/")
    if len(parts) < 3 or not parts[2]:
        return None
    if method == "POST" and parts[1] == "topics":
        if len(parts) == 3:
            return Target(KAFKA, parts[2])
        if len(parts) == 5 and parts[3] == "partitions" and parts[4]:
            return Target(KAFKA, parts[2], partition_number(parts[4]))
    elif method == "PUT" and parts[1] == "streams" and len(parts) == 4:
        dialect = KINESIS.get(parts[3])
        return Target(dialect, parts[2]) if dialect is not None else None
    return None
