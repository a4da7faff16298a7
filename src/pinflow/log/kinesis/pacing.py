"""Keeping within a shard's limits: token buckets that hold a second's worth."""

from __future__ import annotations

import threading
import time

__all__ = ["RateLimiter", "TokenBucket"]


class TokenBucket:
    """Tokens that come in at a rate, at most `most` of them.

    A demand that is larger than the stock is let through and leaves a debt, so that a record larger than a second's
    worth passes at all.
    """

    __slots__ = ("_at", "_held", "_most", "_rate")

    def __init__(self, rate: float, most: float) -> None:
        self._rate = rate
        self._most = most
        self._held = most
        self._at = time.monotonic()

    def wait(self) -> float:
        """Seconds until something may be taken; 0 if it may now."""
        now = time.monotonic()
        self._held = min(self._most, self._held + (now - self._at) * self._rate)
        self._at = now
        return max(0.0, (_LEAST - self._held) / self._rate)

    def take(self, tokens: float) -> None:
        """Take tokens, into debt if need be. Ask `wait` before."""
        self._held -= tokens


_LEAST = 1.0
"""One token: a record, a read, a byte."""


class RateLimiter:
    """A set of buckets for each shard. Safe to use from several threads.

    Args:
        rates: For each bucket of a shard, the tokens a second; a second's worth may come at once.
    """

    def __init__(self, *rates: float) -> None:
        self._rates = rates
        self._shards: dict[tuple[str, int], tuple[TokenBucket, ...]] = {}
        self._lock = threading.Lock()

    def take(self, stream: str, shard: int, *tokens: float) -> float:
        """Take tokens if all buckets have some, and return 0; else return the seconds until they have."""
        with self._lock:
            buckets = self._shards.get((stream, shard))
            if buckets is None:
                buckets = tuple(TokenBucket(rate, max(rate, _LEAST)) for rate in self._rates)
                self._shards[stream, shard] = buckets
            wait = max(bucket.wait() for bucket in buckets)
            if not wait:
                for bucket, count in zip(buckets, tokens, strict=True):
                    bucket.take(count)
            return wait
