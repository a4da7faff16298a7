"""When posts are sent, and how many at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from threading import Event

    from pinflow.emulator.draw import Supply
    from pinflow.source import Post

__all__ = ["Clock", "Drawn", "Pace", "Steady", "SystemClock", "Unpaced"]


class Clock(Protocol):
    """Time, and waiting for it."""

    def now(self) -> float:
        """Seconds since some moment; never goes back."""

    def wait(self, seconds: float, stop: Event) -> None:
        """Block for this long, or until `stop` is set."""


class SystemClock:
    """The clock of this machine."""

    def now(self) -> float:
        """Seconds since some moment; never goes back."""
        return time.monotonic()

    def wait(self, seconds: float, stop: Event) -> None:
        """Block for this long, or until `stop` is set."""
        stop.wait(seconds)


class Pace(Protocol):
    """Says when which posts go.

    Attributes:
        eager: Whether the next posts may be taken while the last ones are still being sent.
    """

    @property
    def eager(self) -> bool:
        """See above."""

    def next(self, supply: Supply, stop: Event) -> list[Post]:
        """Wait until posts are due and take them; none at the end or when `stop` is set."""


class Unpaced:
    """As fast as the gateway takes them, `at_once` posts together."""

    eager = True

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once

    def next(self, supply: Supply, stop: Event) -> list[Post]:
        """See `Pace`."""
        return [] if stop.is_set() else [post for _, post in supply.take(self._at_once)]


class Drawn:
    """One post at a time, each after its traditional pause."""

    eager = False

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def next(self, supply: Supply, stop: Event) -> list[Post]:
        """See `Pace`."""
        for pause, post in supply.take(1):
            self._clock.wait(pause, stop)
            if not stop.is_set():
                return [post]
        return []


class Steady:
    """`rate` posts a second, on a schedule from the first one on: what is late is made up for; delays do not add up."""

    eager = False

    def __init__(self, rate: float, at_once: int, clock: Clock) -> None:
        self._rate = rate
        self._at_once = at_once
        self._clock = clock
        self._start: float | None = None
        self._sent = 0

    def next(self, supply: Supply, stop: Event) -> list[Post]:
        """See `Pace`: all posts that are due by now, up to `at_once`."""
        taken = supply.take(1)
        if not taken:
            return []
        due = self._wait_until_due(stop)
        if stop.is_set():
            return []
        taken += supply.take(min(due, self._at_once) - 1)
        self._sent += len(taken)
        return [post for _, post in taken]

    def _wait_until_due(self, stop: Event) -> int:
        """How many posts are due, at least one: the first at once, post n at n / rate."""
        while True:
            now = self._clock.now()
            if self._start is None:
                self._start = now
            due = int((now - self._start) * self._rate) + 1 - self._sent
            if due > 0 or stop.is_set():
                return due
            self._clock.wait(self._start + self._sent / self._rate - now, stop)
