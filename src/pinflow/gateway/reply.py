"""Sending an answer: named as the client accepts it, and counted by dialect and status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinflow.gateway.route import route_of

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from pinflow.gateway.answer import Answer
    from pinflow.gateway.metrics import Metrics
    from pinflow.gateway.refusal import Refusal

__all__ = ["MEDIA_TYPE", "Replies"]

MEDIA_TYPE = "pinflow.media_type"
"""Where in the scope the content type stands that was negotiated, if it is not the dialect's own."""


class Replies:
    """Sends what the applications of a gateway answer.

    Args:
        metrics: Count the answers.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def send(self, answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
        """Send an answer to the request of a scope."""
        self._metrics.answered(route_of(scope).dialect.name, answer.status)
        media_type = scope.get(MEDIA_TYPE)
        if media_type is not None:
            answer = answer._replace(media_type=media_type)
        await answer(scope, receive, send)

    async def refuse(self, refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
        """Say in its dialect why a request is not done."""
        await self.send(route_of(scope).dialect.refuse(refusal), scope, receive, send)
