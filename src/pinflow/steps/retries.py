"""How long a job that fails waits before it is tried again, and when it is set aside."""

from __future__ import annotations

import random
import time

from pinflow.errors import HeldError, TransientError

__all__ = ["Retries", "now_ms"]

FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 8.0
"""Between two tries at a step, doubling; half as much again is added or taken by chance, so that workers spread."""

SHARE = 8
"""Where other jobs are well, a try that failed is followed by a wait of at least this many times its own length."""

LATER_S = 60.0
"""Between two tries at a job that is set aside: what was mended meanwhile needs no new worker."""


class Retries:
    """The tries of one job that have failed one after the other.

    Times are of the monotonic clock; `since` is in milliseconds since 1970 UTC.
    """

    def __init__(self, retry_seconds: float) -> None:
        self.since = now_ms()
        self.tries = 0
        self.error: Exception = TransientError("not tried")
        self.set_aside = False
        self._wait = FIRST_WAIT_S
        self._deadline = time.monotonic() + retry_seconds

    def record_failure(self, error: Exception, took: float) -> float:
        """Record a failure that kept the other jobs waiting for `took` seconds, and return how long to pause."""
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
