"""The loop that every job runs in."""

from __future__ import annotations

import logging
import random
import time
from typing import TYPE_CHECKING, Protocol

from pinflow.errors import FencedError, TransientError
from pinflow.lake.plans import Job, Plan, Steps

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable

    from pinflow.lake.store import Store

__all__ = ["run"]

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
        on_step: Told of every committed step.

    Returns:
        Records covered.

    Raises:
        FencedError: Another worker advances a job, and this one is not to wait.
        PinflowError: A step failed for good, or a part stayed away for `retry_seconds`.
    """
    known: dict[str, tuple[Job, Steps]] = {}
    records = 0
    while not stop.is_set():
        moved = 0
        for job in jobs():
            if job.name not in known:
                known[job.name] = (job, Steps(store, job))
            try:
                plan, known[job.name] = _patiently(store, *known[job.name], stop, retry_seconds)
            except FencedError as fenced:
                if stand_by_seconds is None:
                    raise
                _log.warning("%s: waiting: %s", job.name, fenced.what)
                known[job.name] = _stand_by(store, known[job.name][0], stop, stand_by_seconds)
                continue
            if plan is None:
                continue
            moved += sum(piece.records for piece in plan.slices)
            if on_step is not None:
                on_step(plan)
        records += moved
        if not moved:
            if drain:
                break
            stop.wait(poll_seconds)
    return records


def _stand_by(store: Store, job: Job, stop: threading.Event, seconds: float) -> tuple[Job, Steps]:
    """Wait until the job has not moved for so long; the next step is taken from what is on record then."""
    version = -1
    while not stop.is_set() and version != (now := job.table.version_of(job.name)):
        version = now
        stop.wait(seconds)
    return job, Steps(store, job)


def _patiently(
    store: Store, job: Job, steps: Steps, stop: threading.Event, seconds: float
) -> tuple[Plan | None, tuple[Job, Steps]]:
    """Take a step; while a part is away try again, from what is on record."""
    wait, deadline = FIRST_WAIT_S, time.monotonic() + seconds
    while True:
        try:
            return steps.advance(), (job, steps)
        except TransientError as error:
            if time.monotonic() + wait > deadline or stop.is_set():
                raise
            _log.warning("%s: trying again in about %.1f s: %s", job.name, wait, error.what)
            stop.wait(wait * random.uniform(0.5, 1.5))
            wait = min(wait * 2, LONGEST_WAIT_S)
            steps = Steps(store, job)
