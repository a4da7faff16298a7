"""The account of bytes that requests in progress hold, and its bound."""

from __future__ import annotations

from typing import Self

from pinflow.errors import OverloadedError

__all__ = ["Hold", "Pending"]


class Pending:
    """Bytes of bodies that are being read or wait for the log.

    Used on the event loop only. One request alone is always let in, however small `limit` is: a body's own
    caps bound it, and refusing it would refuse it for ever.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.bytes = 0
        self.requests = 0

    def hold(self) -> Hold:
        """Start the account of one request."""
        return Hold(self)


class Hold:
    """What one request holds. Use as a context manager: leaving gives everything back."""

    __slots__ = ("_pending", "size")

    def __init__(self, pending: Pending) -> None:
        self._pending = pending
        self.size = 0

    def take(self, size: int) -> None:
        """Count `size` more bytes.

        Raises:
            OverloadedError: With them the bound would be passed. They are not counted.
        """
        pending = self._pending
        if pending.bytes + size > pending.limit and pending.bytes > self.size:
            raise OverloadedError("too many bytes wait for the log; send again later")
        pending.bytes += size
        self.size += size

    def __enter__(self) -> Self:
        self._pending.requests += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._pending.bytes -= self.size
        self._pending.requests -= 1
        self.size = 0
