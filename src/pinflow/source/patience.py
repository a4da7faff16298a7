"""Asking again while a database is away."""

from __future__ import annotations

import logging
import time
from random import Random
from threading import Event
from typing import TYPE_CHECKING, TypeVar

from pinflow.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Patience"]

T = TypeVar("T")

PATIENCE_SECONDS = 180.0
"""A failover of RDS between two zones takes 60 to 120 s, says its manual, and then its name has to change."""

FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 5.0
"""The delay doubles from the first to the longest; half of it is drawn, so clients do not return together."""

_log = logging.getLogger(__name__)


class Patience:
    """Asks again while the database is away or something in it is locked, within a bound. Only for what reads.

    Args:
        pause: Waits so many seconds; true says that waiting is of no more use. `threading.Event.wait` is one.
    """

    def __init__(self, pause: Callable[[float], bool] | None = None) -> None:
        self._pause = Event().wait if pause is None else pause
        self._jitter = Random()

    def ask(self, question: Callable[[], T]) -> T:
        """The answer to a question that may be put any number of times.

        Raises:
            UnavailableError: There is none within the bound, or the pause says to give up.
        """
        delay, deadline = FIRST_DELAY_S, time.monotonic() + PATIENCE_SECONDS
        asked_again = False
        while True:
            try:
                answer = question()
            except UnavailableError as error:
                if time.monotonic() + delay > deadline:
                    raise
                if not asked_again:
                    _log.warning("the source does not answer, trying again: %s", error.what)
                asked_again = True
                if self._pause(delay * (0.5 + self._jitter.random() / 2)):
                    raise
                delay = min(delay * 2, LONGEST_DELAY_S)
            else:
                if asked_again:
                    _log.warning("the source answers again")
                return answer
