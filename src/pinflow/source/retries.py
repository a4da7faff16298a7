"""Reading again while a database is away."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

from pinflow.errors import UnavailableError
from pinflow.retrying import Attempts, Backoff

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["read_with_retry"]

T = TypeVar("T")

RETRY_SECONDS = 180.0
"""A failover of RDS between two zones takes 60 to 120 s by its manual, and then its name has to change."""

BACKOFF = Backoff(first=0.1, most=5.0, jitter=(0.5, 1.0))

_log = logging.getLogger(__name__)


def read_with_retry(read: Callable[[], T], pause: Callable[[float], object]) -> T:
    """Read, and try again while the database is away or something in it is locked, for `RETRY_SECONDS` at most.

    Args:
        read: What may be done any number of times: nothing that writes.
        pause: Waits this many seconds; true means that trying again is of no more use.

    Raises:
        UnavailableError: It did not succeed within the bound, or the pause was interrupted.
    """
    attempts = Attempts(BACKOFF, within=RETRY_SECONDS, pause=pause)
    while True:
        try:
            found = read()
        except UnavailableError as error:
            if attempts.late:
                raise
            if not attempts.failures:
                _log.warning("the source does not answer, trying again: %s", error.what)
            if attempts.wait():
                raise
        else:
            if attempts.failures:
                _log.warning("the source answers again")
            return found
