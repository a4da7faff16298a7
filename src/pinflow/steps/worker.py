"""The loop that every job runs in. Each job stands alone: one that fails is set aside, and the others go on.

- An error that may pass (`TransientError`) is tried again after a wait that doubles, the job's own, for
  `retry_seconds` of its own. A try that takes long is followed by a wait that is many times as long, so that where one
  thread serves all jobs the others have nearly all of it.
- Any other error, and one that has not passed in that time, sets the job aside: it is tried again once in a while.
- What fails is in the lake for `pinflow status` (`steps.failures`), and in the worker's exit code: with `drain` after
  all others are done, else when it is stopped, or at once when every job is set aside.
- A worker that another one has fenced ends, or stands by, with all its jobs: they are of one age. A job that only a
  command holds (`HeldError`) is set aside like one that fails, and goes on when the command has ended.
"""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from pinflow.steps.observer import Observer
from pinflow.steps.scheduler import ScheduledJob, Scheduler

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable

    from pinflow.lake.store.objects import Store
    from pinflow.steps.plan import Plan
    from pinflow.steps.steps import Job

__all__ = ["run"]


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
    observer: Observer | None = None,
) -> int:
    """Take steps of jobs in turn until `stop` is set or, with `drain`, until no job has anything to do.

    Args:
        store: The lake that the plans stand in.
        jobs: Called now and then for the jobs there are; a job is known by its name, and kept.
        stop: Ends the loop after the steps under way.
        poll_seconds: How long a job rests that has found nothing to do.
        drain: End when nothing is left.
        retry_seconds: How long to try a job again while a part is away, each job for itself.
        stand_by_seconds: When another worker holds a job, wait until that one has not moved for this long, and go on;
            None for an error.
        threads: How many jobs may take a step at once; they must share nothing but the store then.
        observer: What the steps are reported to.

    Returns:
        Records covered.

    Raises:
        FencedError: Another worker advances a job, and this one is not to wait.
        PinflowError: Jobs failed, and the others are done; or there are no others.
    """
    scheduler = Scheduler(
        store,
        jobs,
        stop,
        poll_seconds,
        retry_seconds,
        stand_by_seconds,
        drain=drain,
        observer=observer or Observer(),
    )
    records = 0
    running: dict[Future[Plan | None], ScheduledJob] = {}
    with ThreadPoolExecutor(threads, thread_name_prefix="job") as pool:
        while True:
            for scheduled in scheduler.due(threads - len(running)):
                running[pool.submit(scheduler.step, scheduled)] = scheduled
            if not running:
                if scheduler.at_end():
                    break
                stop.wait(scheduler.pause_seconds() or 0.0)
                continue
            free = threads - len(running)
            done, _ = wait(running, scheduler.pause_seconds() if free else None, FIRST_COMPLETED)
            for future in done:
                plan = scheduler.finish(running.pop(future), future)
                if plan is not None:
                    records += plan.records
    scheduler.raise_failures()
    return records
