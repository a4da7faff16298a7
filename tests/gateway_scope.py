"""One request to an ASGI application, without a server: for wrappers, each tested around an application of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["Inner", "Reply", "request"]


class Reply(NamedTuple):
    """What was sent; status 0 if nothing was."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


class Inner:
    """The application in a wrapper: keeps the scopes that are passed on to it, and answers nothing."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        self.scopes.append(scope)


def request(
    app: ASGIApp, method: str, path: str, headers: Sequence[tuple[bytes, bytes]] = (), *, gone: bool = False
) -> Reply:
    """Send a request without a body, or one whose client is gone before its body came."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.disconnect"} if gone else {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": headers}
    asyncio.run(_await(app(scope, receive, send)))
    if not sent:
        return Reply(0, {}, b"")
    start, body = sent
    return Reply(start["status"], dict(start["headers"]), body["body"])


async def _await(answer: Awaitable[None]) -> None:
    await answer
