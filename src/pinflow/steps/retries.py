"""How long a failing job waits before it is tried again, and when it is set aside."""

from __future__ import annotations

import time

from pinflow.errors import HeldError, TransientError
from pinflow.retrying import Attempts, Backoff

__all__ = ["Retries", "now_ms"]

BACKOFF = Backoff(first=0.2, most=8.0, jitter=(0.5, 1.5))
"""Between two tries at a step."""

SHARE = 8
"""While other jobs succeed, a failed try is followed by a wait of at least this many times its own length."""

LATER_S = 60.0
"""Between two tries at a job that is set aside: after a repair no worker needs to be restarted."""


class Retries:
    """The tries of one job that have failed in a row.

    `since` is in milliseconds since 1970 UTC.
    """

    def __init__(self, retry_seconds: float) -> None:
        self.since = now_ms()
        self.tries = 0
        self.error: Exception = TransientError("not tried")
        self.set_aside = False
        self._attempts = Attempts(BACKOFF, within=retry_seconds)

    def record_failure(self, error: Exception, took: float) -> float:
        """Record a failure that kept other jobs waiting for `took` seconds, and return how many seconds to pause."""
        self.tries += 1
        self.error = error
        self.set_aside = self._attempts.late or not isinstance(error, TransientError)
        pause = max(BACKOFF.length(self._attempts.failures), SHARE * took)
        self._attempts.failures += 1
        if isinstance(error, HeldError):
            return BACKOFF.most
        return max(LATER_S, pause) if self.set_aside else BACKOFF.draw(pause)


def now_ms() -> int:
    """Milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000
