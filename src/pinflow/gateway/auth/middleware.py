"""The wrapper that lets in only what the guard lets in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from pinflow.gateway.auth.guard import Guard
    from pinflow.gateway.reply import Replies

__all__ = ["Checkpoint"]


class Checkpoint:
    """Answers a request that may not be done; passes on every other, its caller in the scope.

    Args:
        app: Serves what is let in.
        guard: Decides.
        replies: Send the refusal.
    """

    def __init__(self, app: ASGIApp, guard: Guard, replies: Replies) -> None:
        self._app = app
        self._guard = guard
        self._replies = replies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        refusal = self._guard.refusal(scope)
        if refusal is not None:
            await self._replies.refuse(refusal, scope, receive, send)
            return
        await self._app(scope, receive, send)
