"""The loop that every job runs in."""

from __future__ import annotations

import logging
import random
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from pinflow.errors import FencedError, TransientError
from pinflow.lake.plans import Job, Steps

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable

    from pinflow.lake.ledger import Plan
    from pinflow.lake.store import Store

__all__ = ["run"]

T = TypeVar("T")

FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 8.0
"""Between two tries at a step, doubling; half as much again is added or taken by chance, so that workers spread."""

_log = logging.getLogger(__name__)


class OnStep(Protocol):
    """Told of every step that is committed."""

    def __call__(self, plan: Plan) -> None: ...


def run(
    store: Store,
    jobs: Callable[[], Iterable[Job]],
    *,
    stop: threading.Event,
    poll_seconds: float,
    drain: bool = False,
    retry_seconds: float = 60.0,
    stand_by_seconds: float | None = None,
    threads: int = 1,
    on_step: OnStep | None = None,
) -> int:
    """Take steps of jobs in turn until told to stop or, with `drain`, until no job has anything to do.

    Args:
        store: The lake that the plans stand in.
        jobs: Asked before each round for the jobs there are; a job is known by its name, and kept from round to round.
        stop: Ends the loop after the step under way.
        poll_seconds: How long to wait when there is nothing to do.
        drain: End when nothing is left.
        retry_seconds: How long to try a step again while a part is away.
        stand_by_seconds: When another worker holds a job, wait until that one has not moved for so long, and go on;
            None for an error.
        threads: How many jobs may take a step at once; they must share nothing but the store then.
        on_step: Told of every committed step.

    Returns:
        Records covered.

    Raises:
        FencedError: Another worker advances a job, and this one is not to wait.
        PinflowError: A step failed for good, or a part stayed away for `retry_seconds`.
    """
    crew = _Crew(store, stop, retry_seconds, stand_by_seconds)
    records = 0
    with ThreadPoolExecutor(threads, thread_name_prefix="job") as pool:
        while not stop.is_set():
            turns = list(pool.map(crew.take_turn, crew.patiently("jobs", jobs)))
            for turn in turns:
                if turn.plan is not None:
                    records += sum(piece.records for piece in turn.plan.slices)
                    if on_step is not None:
                        on_step(turn.plan)
            if not any(turn.moved for turn in turns):
                if drain:
                    break
                stop.wait(poll_seconds)
    return records


class _Turn(NamedTuple):
    """What came of a job's turn: the step that was committed, if any, and whether it is worth to look again."""

    plan: Plan | None
    moved: bool


class _Crew:
    """The jobs of a worker with the steps that each has come to. Different jobs may take turns in different threads."""

    def __init__(
        self, store: Store, stop: threading.Event, retry_seconds: float, stand_by_seconds: float | None
    ) -> None:
        self._store = store
        self._stop = stop
        self._retry_seconds = retry_seconds
        self._stand_by_seconds = stand_by_seconds
        self._steps: dict[str, Steps] = {}
        self._since = time.time_ns()

    def take_turn(self, job: Job) -> _Turn:
        """Take the job's next step, if there is one. The first job of a name is kept; others of it are passed over."""
        try:
            plan = self.patiently(job.name, lambda: self._step(job))
        except FencedError as fenced:
            if self._stand_by_seconds is None:
                raise
            _log.warning("%s: waiting: %s", job.name, fenced.what)
            self._stand_by(job, self._stand_by_seconds)
            return _Turn(None, moved=True)
        return _Turn(plan, moved=plan is not None)

    def patiently(self, name: str, call: Callable[[], T]) -> T:
        """Call; while a part is away call again."""
        wait, deadline = FIRST_WAIT_S, time.monotonic() + self._retry_seconds
        while True:
            try:
                return call()
            except TransientError as error:
                if time.monotonic() + wait > deadline or self._stop.is_set():
                    raise
                _log.warning("%s: trying again in about %.1f s: %s", name, wait, error.what)
                self._stop.wait(wait * random.uniform(0.5, 1.5))
                wait = min(wait * 2, LONGEST_WAIT_S)

    def _step(self, job: Job) -> Plan | None:
        """Take a step; after a failure the next one is taken from what is on record."""
        steps = self._steps.setdefault(job.name, Steps(self._store, job, since=self._since))
        try:
            return steps.advance()
        except TransientError:
            self._steps.pop(job.name, None)
            raise

    def _stand_by(self, job: Job, seconds: float) -> None:
        """Wait until the job has not moved for so long; the next step is taken from what is on record then."""
        self._steps.clear()  # all jobs of this worker are of one age
        self._since = time.time_ns()
        version = -1
        while not self._stop.is_set():
            now = self.patiently(job.name, lambda: job.table.version_of(job.name))
            if now == version:
                break
            version = now
            self._stop.wait(seconds)
