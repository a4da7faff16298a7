"""One request and its answer, where the request may never be complete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Cycle", "ExpectingCycle"]


class Cycle(RequestResponseCycle):
    """uvicorn's, which can also be broken off within its body.

    Whether the application has begun by then depends on how the bytes were cut into packets, and the answer may not.
    So the application runs in any case: an answer that needs no body is sent, and an application that asks for the body
    learns that it will not come.
    """

    _on_missed: Callable[[], None] | None = None

    def break_off(self, on_missed: Callable[[], None]) -> None:
        """The rest of the body will not come; `on_missed` is called if the application asks for it."""
        self.keep_alive = False
        self._on_missed = on_missed
        self.message_event.set()

    async def receive(self) -> Any:
        """See ASGI."""
        if self._on_missed is None:
            message = await super().receive()
            if self._on_missed is None:
                return message
        if not self.disconnected and not self.response_complete:
            self.disconnected = True
            self._on_missed()
        return {"type": "http.disconnect"}


class ExpectingCycle(Cycle):
    """A request that sends its body only after 100 (Continue).

    Answered without one, the client may send the body all the same, or its next request in its place: nobody can know,
    so the answer ends the connection.
    """

    async def send(self, message: Any) -> None:
        """See ASGI."""
        if self.waiting_for_100_continue:
            self.keep_alive = False
        await super().send(message)
