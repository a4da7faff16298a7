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
from typing import TYPE_CHECKING, Protocol

from pinflow.steps.crew import Crew, Member

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable

    from pinflow.lake.store.objects import Store
    from pinflow.steps.ledger import Plan
    from pinflow.steps.steps import Job

__all__ = ["run"]


class OnStep(Protocol):
    """Called after every step that is committed."""

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
        on_step: Called after every committed step.

    Returns:
        Records covered.

    Raises:
        FencedError: Another worker advances a job, and this one is not to wait.
        PinflowError: Jobs failed, and the others are done; or there are no others.
    """
    crew = Crew(store, jobs, stop, poll_seconds, retry_seconds, stand_by_seconds, drain=drain)
    records = 0
    running: dict[Future[Plan | None], Member] = {}
    with ThreadPoolExecutor(threads, thread_name_prefix="job") as pool:
        while True:
            for member in crew.due(threads - len(running)):
                running[pool.submit(crew.step, member)] = member
            if not running:
                if crew.at_end():
                    break
                stop.wait(crew.rest() or 0.0)
                continue
            free = threads - len(running)
            done, _ = wait(running, crew.rest() if free else None, FIRST_COMPLETED)
            for future in done:
                plan = crew.settle(running.pop(future), future)
                if plan is not None:
                    records += sum(piece.records for piece in plan.slices)
                    if on_step is not None:
                        on_step(plan)
    crew.raise_failures()
    return records
