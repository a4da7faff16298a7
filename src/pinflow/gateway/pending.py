"""The account of bytes that requests in progress hold, and its bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pinflow.errors import OverloadedError

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Hold", "InFlight", "Pending"]


class Pending:
    """Bytes of bodies that are being read or wait for the log.

    Bodies that are not complete may hold half of it, so that clients that begin large ones and do not go on leave room
    for the others. Used on the event loop only. One request alone is always let in, however small `limit` is: a body's
    own caps bound it, and refusing it would refuse it for ever.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.bytes = 0
        self.unread = 0
        self.requests = 0

    def hold(self) -> Hold:
        """Start the account of one request."""
        return Hold(self)


class Hold:
    """What one request holds. Use as a context manager: leaving gives everything back."""

    __slots__ = ("_pending", "_unread", "size")

    def __init__(self, pending: Pending) -> None:
        self._pending = pending
        self._unread = 0
        self.size = 0

    def take(self, size: int, *, more: bool = False) -> None:
        """Count `size` more bytes; `more` says that they are of a body that is not complete.

        Raises:
            OverloadedError: With them the bound would be passed. They are not counted.
        """
        pending = self._pending
        if pending.bytes + size > pending.limit and pending.bytes > self.size:
            raise OverloadedError("too many bytes wait for the log; send again later")
        if more:
            if pending.unread + size > pending.limit // 2 and pending.unread > self._unread:
                raise OverloadedError("too many bodies are under way; send again later")
            pending.unread += size
            self._unread += size
        pending.bytes += size
        self.size += size

    def complete(self) -> None:
        """The body is here whole."""
        self._pending.unread -= self._unread
        self._unread = 0

    def __enter__(self) -> Self:
        self._pending.requests += 1
        return self

    def __exit__(self, *_: object) -> None:
        self.complete()
        self._pending.bytes -= self.size
        self._pending.requests -= 1
        self.size = 0


class InFlight:
    """How many requests wait for the log, and their bound. Use as a context manager around the wait of each."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.count = 0

    def __enter__(self) -> None:
        if self.count >= self.limit:
            raise OverloadedError("too many requests wait for the log; send again later")
        self.count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.count -= 1
