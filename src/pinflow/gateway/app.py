"""The ASGI application: wrappers around one another, each of which serves a request or passes it on."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.routing import Router

from pinflow.gateway.auth.guard import Guard
from pinflow.gateway.auth.middleware import Checkpoint
from pinflow.gateway.committer import STALL_S, Committer
from pinflow.gateway.http.body import Bodies, Limits
from pinflow.gateway.metrics import Metrics
from pinflow.gateway.negotiation import Negotiation
from pinflow.gateway.pages import Pages
from pinflow.gateway.pending import Pending
from pinflow.gateway.produce import Producer
from pinflow.gateway.reply import Replies
from pinflow.gateway.topics import Topics
from pinflow.lake.landing.layout import path_limits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp, Receive, Scope, Send

    from pinflow.config import Config
    from pinflow.log import EventLog

__all__ = ["GatewayApp", "create_app"]


class GatewayApp:
    """The gateway as an ASGI application. It needs the lifespan: without it no request can append.

    A request goes through `Checkpoint` (has it a key?), `Negotiation` (which content type?) and `Producer` (does it
    post records?) to `Pages`.

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
        pending = Pending(gateway.max_pending_bytes)
        self.metrics = metrics = Metrics(pending)
        self.committer = Committer(log, metrics, stall_s=stall_s, keep_s=gateway.idempotency_seconds)
        self._topics = Topics(
            log,
            metrics,
            path_limits(config.lake.url),
            partitions=config.log.partitions,
            create=gateway.create_topics,
        )
        limits = Limits(gateway.max_body_bytes, gateway.max_inflated_bytes, gateway.body_seconds)
        self._bodies = Bodies(limits)
        replies = Replies(metrics)
        app: ASGIApp = Pages(
            self._topics,
            self.committer,
            pending,
            metrics,
            self._bodies,
            replies,
            max_record_bytes=gateway.max_record_bytes,
        )
        app = Producer(
            app, self.committer, self._topics, pending, metrics, self._bodies, replies, gateway=gateway
        )
        app = Negotiation(app, replies)
        self._app = Checkpoint(app, guard or Guard(None), replies)
        self._lifecycle = Router(lifespan=self._lifespan)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] == "http":
            await self._app(scope, receive, send)
        else:
            await self._lifecycle(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, _app: object) -> AsyncIterator[None]:
        self._topics.start()
        self._bodies.start()
        self.committer.start()
        try:
            yield
        finally:
            await self.committer.stop()
            self._bodies.stop()
            self._topics.stop()


def create_app(log: EventLog, config: Config, guard: Guard | None = None) -> GatewayApp:
    """Make the gateway's ASGI application.

    Args:
        log: The open log that records go to. The caller closes it, after the application's lifespan ended.
        config: Its `gateway` section, `log.partitions` for topics created on first use, and where the lake is.
        guard: Lets requests in; None lets all in.
    """
    return GatewayApp(log, config, guard)
