"""Answers that are kept for a few seconds."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

from pinflow.errors import PinflowError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

__all__ = ["TtlCache"]

T = TypeVar("T")


class TtlCache(Generic[T]):
    """Values by name that are asked for again when they are too old.

    Args:
        seconds: For how long a value is used.
        executor: Asks in the background.
        keep: Whether an older value is returned where a new one is unavailable.
    """

    def __init__(self, seconds: float, executor: Executor, *, keep: bool) -> None:
        self._seconds = seconds
        self._executor = executor
        self._keep = keep
        self._held: dict[str, tuple[float, T]] = {}
        self._asking: set[str] = set()
        self._lock = threading.Lock()

    def get(self, name: str, ask: Callable[[], T], *, wait: bool = True) -> T:
        """The value; without `wait` the one that is held, if any, while a new one is asked for in the background."""
        held = self._held.get(name)
        if held is not None and time.monotonic() - held[0] < self._seconds:
            return held[1]
        if held is not None and not wait:
            self._ask_in_background(name, ask)
            return held[1]
        try:
            return self._hold(name, ask())
        except UnavailableError:
            if held is None or not self._keep:
                raise
            return held[1]

    def forget(self, name: str) -> None:
        """Ask at the next use."""
        with self._lock:
            self._held.pop(name, None)

    def _hold(self, name: str, value: T) -> T:
        with self._lock:
            self._held[name] = (time.monotonic(), value)
        return value

    def _ask_in_background(self, name: str, ask: Callable[[], T]) -> None:
        with self._lock:
            if name in self._asking:
                return
            self._asking.add(name)

        def refresh() -> None:
            try:
                with suppress(PinflowError):  # the put itself, or the next caller that waits, gets the error
                    self._hold(name, ask())
            finally:
                with self._lock:
                    self._asking.discard(name)

        self._executor.submit(refresh)
