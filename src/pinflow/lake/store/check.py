"""Whether a store does what a lake needs: it makes every kind of call on objects of its own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pinflow.errors import PinflowError, TerminalError
from pinflow.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Callable

    from pinflow.lake.store.objects import Store

__all__ = ["check_store", "require_conditions"]

FOLDER = "plans/doctor"

SKEW_S = 60.0
"""More than any delay explains. S3 refuses requests beyond 15 minutes, and retention goes by the clock."""


def require_conditions(store: Store) -> None:
    """Check that a put if absent leaves what is there: two workers are kept apart by it alone.

    Raises:
        TerminalError: The store overwrites it.
    """
    path = f"{FOLDER}/{time.time_ns()}"
    store.put(path, b"probe")
    overwritten = store.put_if_absent(path, b"again")
    store.delete(path)
    if overwritten:
        raise _unfit(store, "has no conditional put", "use a store that honours If-None-Match: *")


def check_store(store: Store) -> list[Finding]:
    """What the store refuses or does wrongly. Nothing stays behind but what could not be deleted."""
    path = f"{FOLDER}/{time.time_ns()}"

    def keep() -> None:
        store.put(path, b"probe")
        if store.get(path) != b"probe":
            raise _unfit(store, "does not keep what is written", "use another store")

    def list_it() -> None:
        seen = [each for each in store.find(FOLDER) if each.path == path]
        if not seen:
            raise _unfit(store, "does not list what is written", "use another store")
        skew = seen[0].written_at.timestamp() - time.time()
        if abs(skew) > SKEW_S:
            raise _unfit(
                store, f"has a clock that differs from this machine's by {abs(skew):.0f} s", "set the clock"
            )

    def delete() -> None:
        store.delete(path)

    calls: tuple[Callable[[], None], ...] = (keep, list_it, lambda: require_conditions(store), delete)
    findings = []
    for call in calls:
        try:
            call()
        except PinflowError as error:
            findings.append(Finding(error.what, error.hint, broken=True))
    return findings


def _unfit(store: Store, what: str, hint: str) -> TerminalError:
    return TerminalError(f"the store {what}", where=store.url, hint=hint)
