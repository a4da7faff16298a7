"""The wrapper that reads `Accept`, before anything is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinflow.gateway.dialects.media import DEFAULT, choose_type
from pinflow.gateway.refusal import Refusal
from pinflow.gateway.reply import MEDIA_TYPE
from pinflow.gateway.route import route_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from pinflow.gateway.reply import Replies

__all__ = ["Negotiation"]


class Negotiation:
    """Leaves in the scope which content type the answer gets, or answers that there is none.

    Args:
        app: Serves the request.
        replies: Send the refusal.
    """

    def __init__(self, app: ASGIApp, replies: Replies) -> None:
        self._app = app
        self._replies = replies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if route_of(scope).negotiates:
            try:
                media_type = choose_type(scope["headers"])
            except Refusal as refusal:
                await self._replies.refuse(refusal, scope, receive, send)
                return
            if media_type is not DEFAULT:
                scope[MEDIA_TYPE] = media_type
        await self._app(scope, receive, send)
