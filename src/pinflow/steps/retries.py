"""How long a failing job waits before it is tried again, and when it is set aside."""

from __future__ import annotations

import random
import time

from pinflow.errors import HeldError, TransientError

__all__ = ["Retries", "now_ms"]

FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 8.0
"""Between two tries at a step, doubling; up to half of it is added or subtracted at random, so that workers spread."""

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
        self._wait = FIRST_WAIT_S
        self._deadline = time.monotonic() + retry_seconds

    def record_failure(self, error: Exception, took: float) -> float:
        """Record a failure that kept other jobs waiting for `took` seconds, and return how many seconds to pause."""
        self.tries += 1
        self.error = error
        late = time.monotonic() + self._wait > self._deadline
        pause = max(self._wait, SHARE * took)
        self._wait = min(self._wait * 2, LONGEST_WAIT_S)
        self.set_aside = late or not isinstance(error, TransientError)
        if isinstance(error, HeldError):
            return LONGEST_WAIT_S
        return max(LATER_S, pause) if self.set_aside else pause * random.uniform(0.5, 1.5)


def now_ms() -> int:
    """Milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000
