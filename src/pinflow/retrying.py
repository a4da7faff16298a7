"""How long to wait before something is tried again.

`Backoff` is the shape of the waits, as data. `Attempts` counts the failures of one piece of work, bounds them in time,
and waits between them. Its clock and its pause can be given, so that a test needs no waiting:

    attempts = Attempts(Backoff(first=0.1, most=5.0), within=180.0, pause=stop.wait)
    while True:
        try:
            return ask()
        except UnavailableError:
            if attempts.late or attempts.wait():
                raise
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Attempts", "Backoff"]

MOST_STEPS = 100
"""After that many failures the wait grows no further: past the longest of any back-off, within the range of a float."""


class Backoff(NamedTuple):
    """Waits that grow from failure to failure. Times are in seconds.

    Attributes:
        first: The wait after the first failure.
        most: The longest wait.
        factor: By which a wait is longer than the one before; 1 for waits that are all alike.
        jitter: Each wait is multiplied by a number drawn between these two, so that clients do not return together.
    """

    first: float
    most: float
    factor: float = 2.0
    jitter: tuple[float, float] = (1.0, 1.0)

    def length(self, failures: int) -> float:
        """The wait after the failure that follows `failures` others, before anything is drawn."""
        return float(min(self.first * self.factor ** min(failures, MOST_STEPS), self.most))

    def draw(self, seconds: float) -> float:
        """A wait of about this length."""
        low, high = self.jitter
        return seconds if low == high == 1 else seconds * random.uniform(low, high)

    def wait(self, failures: int) -> float:
        """The wait after the failure that follows `failures` others."""
        return self.draw(self.length(failures))


class Attempts:
    """The failures in a row of one piece of work. For one thread at a time.

    Args:
        backoff: The shape of the waits.
        within: Seconds from now until it is too late; None for no bound.
        clock: Gives a time in seconds that never goes back.
        pause: Waits this many seconds. `threading.Event.wait` is one that can be interrupted.

    Attributes:
        failures: How many waits there were since the start, or since `start_over`.
    """

    def __init__(
        self,
        backoff: Backoff,
        *,
        within: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self.failures = 0
        self._backoff = backoff
        self._clock = clock
        self._pause = pause
        self._deadline = None if within is None else clock() + within

    @property
    def over(self) -> bool:
        """Whether the bound has passed."""
        return self._deadline is not None and self._clock() > self._deadline

    @property
    def late(self) -> bool:
        """Whether the bound will have passed after the next wait."""
        upcoming = self._backoff.length(self.failures)
        return self._deadline is not None and self._clock() + upcoming > self._deadline

    def next_wait(self) -> float:
        """Count a failure, and return the seconds to wait for it."""
        seconds = self._backoff.wait(self.failures)
        self.failures += 1
        return seconds

    def wait(self) -> bool:
        """Count a failure, and wait. True if the pause was interrupted, and trying again is of no more use."""
        return bool(self._pause(self.next_wait()))

    def start_over(self) -> None:
        """Count from the beginning: something went well. The bound in time stays."""
        self.failures = 0
