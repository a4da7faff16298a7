"""Which job of a worker takes its turn, which have failed, and how long they wait. See `steps.worker`."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from pinflow.errors import FencedError, HeldError, PinflowError, TerminalError, TransientError
from pinflow.steps.failure_reports import FailureReports
from pinflow.steps.retries import Retries, now_ms
from pinflow.steps.steps import Job, Steps

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future

    from pinflow.lake.store.objects import Store
    from pinflow.steps.failure_reports import State
    from pinflow.steps.observer import Observer
    from pinflow.steps.plan import Plan

__all__ = ["ScheduledJob", "Scheduler"]

REPORTED_FROM = 3
"""Tries that fail in a row before `pinflow status` shows a transient error."""

_log = logging.getLogger(__name__)


class ScheduledJob:
    """A job of a worker, and the time of its next turn."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.steps: Steps | None = None
        self.stale = False
        self.running = False
        self.retries: Retries | None = None
        self.turn_at = 0.0
        """When its last turn began."""
        self.next_turn_at = 0.0
        self.moves_at_turn = -1
        """How many steps all jobs had taken when the last turn began."""
        self.idle_at = -1
        """The same number if the last turn found nothing to do, else -1."""

    @property
    def set_aside(self) -> bool:
        """Whether this worker has set the job aside."""
        return self.retries is not None and self.retries.set_aside


class Scheduler:
    """The jobs of a worker. Only `step` is called from other threads, never twice at once for one job."""

    def __init__(
        self,
        store: Store,
        jobs: Callable[[], Iterable[Job]],
        stop: threading.Event,
        poll_seconds: float,
        retry_seconds: float,
        stand_by_seconds: float | None,
        *,
        drain: bool,
        observer: Observer,
    ) -> None:
        self._store = store
        self._observer = observer
        self._jobs = jobs
        self._stop = stop
        self._poll_seconds = poll_seconds
        self._retry_seconds = retry_seconds
        self._stand_by_seconds = stand_by_seconds
        self._drain = drain
        self._reports = FailureReports(store)
        self._scheduled: dict[str, ScheduledJob] = {}
        self._since = time.time_ns()
        self._moves = 0
        self._listed_at = -1
        self._next_listing_at = 0.0
        self._listing: Retries | None = None
        self._fenced: ScheduledJob | None = None

    def due(self, free: int) -> Sequence[ScheduledJob]:
        """At most `free` jobs whose turn it is; those that have waited longest come first."""
        if self._stop.is_set() or free < 1:
            return []
        if self._fenced is not None:
            if not any(scheduled.running for scheduled in self._scheduled.values()):
                self._stand_by(self._fenced.job)
            return []
        self._list_jobs()
        now, last_round = time.monotonic(), self._last_round()
        found = [each for each in self._scheduled.values() if self._is_due(each, now, last_round=last_round)]
        found = sorted(found, key=lambda scheduled: scheduled.turn_at)[:free]
        for scheduled in found:
            scheduled.running, scheduled.turn_at, scheduled.moves_at_turn = True, now, self._moves
        return found

    def step(self, scheduled: ScheduledJob) -> Plan | None:
        """Take the job's next step, if there is one; after a failure the standing is read again."""
        if scheduled.steps is None:
            if scheduled.stale:
                scheduled.job.renew()
            scheduled.steps = Steps(self._store, scheduled.job, since=self._since, observer=self._observer)
        return scheduled.steps.advance()

    def finish(self, scheduled: ScheduledJob, turn: Future[Plan | None]) -> Plan | None:
        """Record the outcome of a turn, and return the plan of the committed step, if there was one."""
        scheduled.running = False
        error = turn.exception()
        if error is not None:
            scheduled.steps, scheduled.stale, scheduled.idle_at = None, True, -1
            self._record_failure(scheduled, error)
            return None
        plan = turn.result()
        scheduled.retries = None
        self._reports.clear(scheduled.job.name)
        if plan is None:
            scheduled.idle_at = scheduled.moves_at_turn
            scheduled.next_turn_at = time.monotonic() + self._poll_seconds
        else:
            self._moves += 1
            scheduled.next_turn_at, scheduled.idle_at = 0.0, -1
        return plan

    def at_end(self) -> bool:
        """Whether the loop ends: it was stopped, or a drain is done, or all jobs are set aside."""
        if self._stop.is_set():
            return True
        all_jobs = self._scheduled.values()
        if self._fenced is not None or self._listing is not None:
            return False
        if self._drain:
            listed = self._listed_at == self._moves
            return listed and all(each.set_aside or each.idle_at == self._moves for each in all_jobs)
        return bool(all_jobs) and all(scheduled.set_aside for scheduled in all_jobs)

    def pause_seconds(self) -> float | None:
        """Seconds until there may be something to do; None if only the end of a running turn can change that."""
        if self._fenced is not None:
            return None
        times = [
            each.next_turn_at
            for each in self._scheduled.values()
            if not each.running and not (self._drain and (each.set_aside or each.idle_at >= 0))
        ]
        if not self._drain or self._listing is not None:
            times.append(self._next_listing_at)
        return max(0.0, min(times) - time.monotonic()) if times else None

    def raise_failures(self) -> None:
        """Raise the error of a failed job, or one error that names all of several; return if none failed."""
        failed = {
            name: scheduled.retries.error
            for name, scheduled in self._scheduled.items()
            if scheduled.retries is not None
        }
        errors = [*failed.values()]
        if self._listing is not None:
            errors.append(self._listing.error)
        for error in errors:
            if not isinstance(error, PinflowError) or all(_is_same(error, other) for other in errors):
                raise error
        if errors:
            raise _merge_errors(
                {name: error for name, error in failed.items() if isinstance(error, PinflowError)}
            )

    def _record_failure(self, scheduled: ScheduledJob, error: BaseException) -> None:
        name = scheduled.job.name
        if not isinstance(error, Exception):
            raise error
        if isinstance(error, FencedError) and not isinstance(error, HeldError):
            if self._stand_by_seconds is None:
                self._observer.fenced(name, error)
                raise error
            self._fenced = scheduled
            self._observer.fenced(name, error)
            _log.warning("%s: waiting: %s", name, error.what)
            return
        if scheduled.retries is None:
            scheduled.retries = Retries(self._retry_seconds)
        others = any(each.retries is None for each in self._scheduled.values())
        pause = scheduled.retries.record_failure(
            error, time.monotonic() - scheduled.turn_at if others else 0.0
        )
        scheduled.next_turn_at = time.monotonic() + pause
        if scheduled.set_aside:
            self._observer.failed(name, error)
        else:
            self._observer.retried(name, error, pause)
        if not isinstance(error, PinflowError):
            _log.error("%s: an unexpected error", name, exc_info=error)
        elif scheduled.set_aside:
            _log.error("%s: set aside, the other jobs go on: %s", name, error)
        else:
            _log.warning("%s: trying again in about %.1f s: %s", name, pause, error.what)
        if scheduled.set_aside or scheduled.retries.tries >= REPORTED_FROM:
            state: State = "set aside" if scheduled.set_aside else "retrying"
            self._reports.report(name, state, error, since=scheduled.retries.since, now=now_ms())

    def _list_jobs(self) -> None:
        """List the jobs again, if it is time to. While that fails, the known jobs go on.

        Raises:
            PinflowError: The jobs could not be listed for `retry_seconds`, or the error is terminal.
        """
        now = time.monotonic()
        if self._drain and self._listing is None:
            if self._listed_at == self._moves or not self._last_round():
                return
        elif now < self._next_listing_at:
            return
        try:
            found = list(self._jobs())
        except TransientError as error:
            self._listing = self._listing or Retries(self._retry_seconds)
            pause = self._listing.record_failure(error, 0.0)
            if self._listing.set_aside:
                raise
            _log.warning("jobs: trying again in about %.1f s: %s", pause, error.what)
            self._next_listing_at = time.monotonic() + pause
            return
        self._listing, self._listed_at = None, self._moves
        self._next_listing_at = time.monotonic() + self._poll_seconds
        self._take_over(found)

    def _take_over(self, jobs: Sequence[Job]) -> None:
        """Keep the known jobs, but take the newer object of one that has failed; forget jobs that are not listed."""
        gone, self._scheduled = self._scheduled, {}
        for job in jobs:
            if job.name not in self._scheduled:
                scheduled = gone.pop(job.name, None) or ScheduledJob(job)
                if scheduled.steps is None and not scheduled.running:
                    scheduled.job = job
                self._scheduled[job.name] = scheduled
        for name, scheduled in gone.items():
            if scheduled.running:
                self._scheduled[name] = scheduled
            elif scheduled.retries is not None:
                self._reports.clear(name)

    def _is_due(self, scheduled: ScheduledJob, now: float, *, last_round: bool) -> bool:
        if scheduled.running or (self._drain and scheduled.set_aside):
            return False
        if self._drain and scheduled.idle_at >= 0:
            return last_round and scheduled.idle_at != self._moves
        return scheduled.next_turn_at <= now

    def _last_round(self) -> bool:
        """Whether all jobs of a drain have found nothing to do, so that each, and each new one, has one more turn."""
        return self._drain and all(
            each.set_aside or (each.idle_at >= 0 and not each.running) for each in self._scheduled.values()
        )

    def _stand_by(self, job: Job) -> None:
        """Wait until the job has not moved for `stand_by_seconds`; then all standings are read again."""
        self._fenced = None
        for scheduled in self._scheduled.values():  # all jobs of this worker have the same age
            scheduled.steps, scheduled.stale = None, True
        self._since = time.time_ns()
        version = -1
        while not self._stop.is_set():
            try:
                now = self._retry_while_away(job.name, lambda: job.table.step_of(job.name))
            except PinflowError:
                break  # the job's own turn raises it too, and the job is set aside
            if now == version:
                break
            version = now
            self._stop.wait(self._stand_by_seconds)

    def _retry_while_away(self, name: str, call: Callable[[], int]) -> int:
        """Call, and call again after transient errors."""
        retries = Retries(self._retry_seconds)
        while True:
            try:
                return call()
            except TransientError as error:
                pause = retries.record_failure(error, 0.0)
                if retries.set_aside or self._stop.is_set():
                    raise
                _log.warning("%s: trying again in about %.1f s: %s", name, pause, error.what)
                self._stop.wait(pause)


def _is_same(error: Exception, other: Exception) -> bool:
    return isinstance(error, PinflowError) and isinstance(other, PinflowError) and error.what == other.what


def _merge_errors(failed: dict[str, PinflowError]) -> PinflowError:
    """One error for several jobs that failed for different reasons."""
    whats = "; ".join(f"{name}: {error.what}" for name, error in failed.items())
    kinds = {type(error) for error in failed.values()}
    kind = kinds.pop() if len(kinds) == 1 else TerminalError
    first = next(iter(failed.values()))
    return kind(
        f"{len(failed)} jobs failed for different reasons: {whats}",
        where=", ".join(filter(None, (error.where for error in failed.values()))),
        hint=first.hint if all(error.hint == first.hint for error in failed.values()) else "pinflow status",
    )
