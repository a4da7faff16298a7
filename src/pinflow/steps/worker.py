"""The loop that runs all jobs of a worker. A job that fails is set aside, and the others go on.

- After a `TransientError` a job is tried again, with waits that double, for `retry_seconds`. Each job has its own
  waits. A long try is followed by a wait many times as long, so that with one thread for all jobs the others have most
  of it.
- After any other error, or when `retry_seconds` have passed, the job is set aside: it is tried again once in a while.
- Failures are shown by `pinflow status` (`steps.failure_reports`), and by the worker's exit code: with `drain` when all
  other jobs are done, else when the worker is stopped, or at once if every job is set aside.
- A worker that another one has fenced ends, or stands by, with all its jobs, since all of them have the same age. A job
  that a command holds (`HeldError`) is set aside like one that fails, and goes on when the command has ended.
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
    """Take steps of jobs in turn until `stop` is set or, with `drain`, until no job has anything left to do.

    Args:
        store: The lake that holds the plans.
        jobs: Lists the jobs; called now and then. A job that is already known by its name is kept.
        stop: Ends the loop after the running steps.
        poll_seconds: How long a job pauses after it has found nothing to do.
        drain: End when nothing is left.
        retry_seconds: How long to try a job again while a part is unavailable; each job has this time for itself.
        stand_by_seconds: If another worker holds a job, wait until it has committed nothing for this long, and go on;
            None to raise an error.
        threads: How many jobs may take a step at once; with several they must share nothing but the store.
        observer: Receives reports of the steps.

    Returns:
        The number of records covered.

    Raises:
        FencedError: Another worker advances a job, and `stand_by_seconds` is None.
        PinflowError: Jobs failed, and there is nothing left to do for the others.
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
