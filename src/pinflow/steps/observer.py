"""Reports of steps as they are taken, for a progress bar, logs and metrics."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pinflow.progress import Progress
    from pinflow.steps.plan import Plan, Receipt

__all__ = ["Observer", "Observers", "ProgressObserver"]


class Observer:
    """Called by `Steps` and by the worker, from the threads that take the steps. The base class does nothing.

    An observer must be quick and must not raise: a step does not wait for it, and is not undone by it.
    """

    def planned(self, plan: Plan) -> None:
        """A step was planned, or a pending step was resumed."""

    def committed(self, plan: Plan, receipt: Receipt, seconds: float) -> None:
        """A step was committed, `seconds` after it was planned or resumed; the receipt has the sums over all steps."""

    def retried(self, job: str, error: Exception, pause: float) -> None:
        """A job failed, and is tried again after `pause` seconds."""

    def fenced(self, job: str, error: Exception) -> None:
        """Another worker holds the job."""

    def failed(self, job: str, error: Exception) -> None:
        """A job was set aside: it is tried again once in a while."""


class ProgressObserver(Observer):
    """Advances a progress by the records of every step that is committed."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lock = Lock()  # steps of several threads come to one progress

    def committed(self, plan: Plan, receipt: Receipt, seconds: float) -> None:  # noqa: ARG002
        """See `Observer.committed`."""
        with self._lock:
            self._progress.advance(plan.records)


class Observers(Observer):
    """Several observers as one, called in order."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)

    def planned(self, plan: Plan) -> None:
        """See `Observer.planned`."""
        for each in self._observers:
            each.planned(plan)

    def committed(self, plan: Plan, receipt: Receipt, seconds: float) -> None:
        """See `Observer.committed`."""
        for each in self._observers:
            each.committed(plan, receipt, seconds)

    def retried(self, job: str, error: Exception, pause: float) -> None:
        """See `Observer.retried`."""
        for each in self._observers:
            each.retried(job, error, pause)

    def fenced(self, job: str, error: Exception) -> None:
        """See `Observer.fenced`."""
        for each in self._observers:
            each.fenced(job, error)

    def failed(self, job: str, error: Exception) -> None:
        """See `Observer.failed`."""
        for each in self._observers:
            each.failed(job, error)
