"""The loop of jobs: each job stands alone."""

from __future__ import annotations

import threading
from collections import Counter
from functools import cache
from itertools import repeat
from typing import TYPE_CHECKING, Any

import pytest
from tests.pipeline import ID, drain, post, rows, select, topic

from pinflow.config import Land
from pinflow.errors import CorruptError, HeldError, TerminalError, UnavailableError
from pinflow.jobs.clean.clean import clean_jobs
from pinflow.jobs.land.land import LandJob
from pinflow.jobs.pipelines import side_pipelines
from pinflow.jobs.replay.replay import replay
from pinflow.jobs.reports.status import status
from pinflow.retrying import Backoff
from pinflow.steps.failure_reports import FailureReports, failing_jobs
from pinflow.steps.observer import Observer
from pinflow.steps.retries import SHARE, Retries
from pinflow.steps.worker import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pinflow.jobs.runtime import Runtime
    from pinflow.log import EventLog, Partition
    from pinflow.steps.plan import Plan, Receipt
    from pinflow.steps.steps import Job

BROKEN = CorruptError("the topic is broken", where="disk 7", hint="mend it")
AWAY = UnavailableError("the topic has no leader", where="partition 0", hint="wait")


class FaultyLog:
    """A log of which some topics fail when they are looked at, until their errors come to an end."""

    def __init__(self, log: EventLog, **faults: Iterable[Exception]) -> None:
        self._log = log
        self._faults = {name: iter(errors) for name, errors in faults.items()}
        self.looks: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def describe(self, name: str) -> list[Partition]:
        self.looks[name] += 1
        if (error := next(self._faults.get(name, iter(())), None)) is not None:
            raise error
        return self._log.describe(name)


def landing(runtime: Runtime, log: Any) -> Callable[[], list[Job]]:
    config = Land(flush_seconds=0)
    return lambda: [
        LandJob(name, log, runtime.landing, config, drain=True) for name in sorted(log.topics.readable())
    ]


class Committed(Observer):
    """Calls back after every committed step."""

    def __init__(self, call: Callable[[Plan], None]) -> None:
        self._call = call

    def committed(self, plan: Plan, receipt: Receipt, seconds: float) -> None:  # noqa: ARG002
        self._call(plan)


def work(runtime: Runtime, jobs: Callable[[], Any], **how: Any) -> int:
    defaults: dict[str, Any] = {
        "stop": threading.Event(),
        "poll_seconds": 0,
        "drain": True,
        "retry_seconds": 0.5,
    }
    return run(runtime.store, jobs, **(defaults | how))


def landed(runtime: Runtime) -> dict[str, int]:
    return {each.topic: each.landed for each in status(runtime)}


@pytest.mark.parametrize("error", [BROKEN, AWAY, ZeroDivisionError("a bug")])
def test_a_topic_that_fails_holds_up_no_other_and_its_error_is_raised_at_the_end(
    runtime: Runtime, error: Exception
) -> None:
    for name in ("a", "b", "c"):
        post(runtime, name, [b"1", b"2"])
    log = FaultyLog(runtime.log, a=repeat(error))
    with pytest.raises(type(error), match=str(error).split("\n", maxsplit=1)[0]):
        work(runtime, landing(runtime, log))
    assert landed(runtime) == {"a": 0, "b": 2, "c": 2}


def test_an_error_that_passes_is_tried_again(runtime: Runtime) -> None:
    for name in ("a", "b"):
        post(runtime, name, [b"1"])
    log = FaultyLog(runtime.log, a=[AWAY, AWAY])
    assert work(runtime, landing(runtime, log), retry_seconds=30) == 2
    assert failing_jobs(runtime.store) == {}


def test_several_failing_jobs_are_all_named_in_the_error(runtime: Runtime) -> None:
    for name in ("a", "b", "c"):
        post(runtime, name, [b"1"])
    log = FaultyLog(runtime.log, a=repeat(BROKEN), c=repeat(TerminalError("access is denied", where="c")))
    with pytest.raises(TerminalError, match=r"2 jobs failed.*land/a: the topic is broken; land/c: access"):
        work(runtime, landing(runtime, log))
    assert landed(runtime)["b"] == 1


def test_a_worker_without_an_end_goes_on_with_the_others_until_it_is_stopped(runtime: Runtime) -> None:
    post(runtime, "a", [b"1"])
    post(runtime, "b", [b"1"])
    stop, steps = threading.Event(), 0

    def on_step(_plan: Plan) -> None:
        nonlocal steps
        steps += 1
        if steps == 3:
            stop.set()
        else:
            post(runtime, "b", [b"more"])

    log = FaultyLog(runtime.log, a=repeat(BROKEN))
    with pytest.raises(CorruptError, match="the topic is broken"):
        work(runtime, landing(runtime, log), drain=False, stop=stop, observer=Committed(on_step))
    assert landed(runtime) == {"a": 0, "b": 3}
    assert log.looks["a"] == 1  # set aside: not tried again at every step of the others


def test_a_worker_without_an_end_ends_when_every_job_is_set_aside(runtime: Runtime) -> None:
    post(runtime, "a", [b"1"])
    with pytest.raises(CorruptError, match="the topic is broken"):
        work(runtime, landing(runtime, FaultyLog(runtime.log, a=repeat(BROKEN))), drain=False)


def test_a_list_of_jobs_that_cannot_be_had_now_is_asked_for_again(runtime: Runtime) -> None:
    post(runtime, "a", [b"1"])
    answers: list[Exception] = [AWAY, AWAY]
    jobs = landing(runtime, runtime.log)

    def listing() -> list[Job]:
        if answers:
            raise answers.pop()
        return jobs()

    assert work(runtime, listing, retry_seconds=30) == 1


def test_a_list_of_jobs_that_cannot_be_had_for_long_is_an_error(runtime: Runtime) -> None:
    def listing() -> list[Job]:
        raise AWAY

    with pytest.raises(UnavailableError, match="no leader"):
        work(runtime, listing, drain=False)


def test_a_try_that_took_long_leaves_the_thread_to_the_others_for_many_times_as_long() -> None:
    trouble = Retries(retry_seconds=60)
    assert trouble.record_failure(AWAY, took=5.0) >= 5.0 * SHARE / 2
    assert not trouble.set_aside  # its budget counts by tries, not by what it leaves to the others
    assert Retries(retry_seconds=60).record_failure(AWAY, took=0.0) < 1


def test_status_shows_what_fails_until_it_succeeds(runtime: Runtime) -> None:
    post(runtime, "a", [b"1"])
    post(runtime, "b", [b"1"])
    with pytest.raises(CorruptError):
        work(runtime, landing(runtime, FaultyLog(runtime.log, a=repeat(BROKEN))))
    (failing,), healthy = (each.failing for each in status(runtime))
    assert (failing.job, failing.state) == ("land/a", "set aside")
    assert (failing.what, failing.where, failing.next) == ("the topic is broken", "disk 7", "mend it")
    assert healthy == []
    with pytest.raises(UnavailableError):  # of another worker, that fails with another error
        work(runtime, landing(runtime, FaultyLog(runtime.log, a=repeat(AWAY))))
    (again,) = failing_jobs(runtime.store)["a"]
    assert (again.what, again.since) == ("the topic has no leader", failing.since)
    assert again.tried_at >= failing.tried_at
    work(runtime, landing(runtime, runtime.log))
    assert [each.failing for each in status(runtime)] == [[], []]
    assert list(runtime.store.list("failing")) == []


def test_what_a_dead_worker_left_of_a_topic_that_is_gone_does_not_disturb(runtime: Runtime) -> None:
    FailureReports(runtime.store).report("land/gone", "set aside", BROKEN, since=1, now=2)
    post(runtime, "a", [b"1"])
    work(runtime, landing(runtime, runtime.log))
    assert [each.topic for each in status(runtime)] == ["a"]


def test_a_lake_that_cannot_take_the_record_of_a_failure_changes_nothing_for_the_others(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(runtime, "a", [b"1"])
    post(runtime, "b", [b"1"])
    put = runtime.store.put

    def refusing(path: str, data: bytes) -> None:
        if path.startswith("failing"):
            raise UnavailableError("no space")
        put(path, data)

    monkeypatch.setattr(runtime.store, "put", refusing)
    with pytest.raises(CorruptError, match="the topic is broken"):
        work(runtime, landing(runtime, FaultyLog(runtime.log, a=repeat(BROKEN))))
    assert landed(runtime) == {"a": 0, "b": 1}


def test_a_job_that_a_replay_holds_holds_up_no_other_and_goes_on_in_the_new_tables(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same worker: it needs no start to find the tables that a replay has swapped in."""
    for name in ("geo", "user"):
        post(runtime, topic("batch", name), rows({"ind": 1}))
    drain(runtime, "land", "batch")
    geo = next(pipeline for pipeline in side_pipelines("batch", ID) if pipeline.dataset.name == "geo")
    stop, jobs, first = threading.Event(), cache(lambda: clean_jobs(runtime, "batch")), True

    def killed(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr("pinflow.jobs.replay.replay._swap", killed)
        with pytest.raises(KilledError):
            replay(runtime, geo)
    with pytest.raises(HeldError, match="begun by another command"):
        work(runtime, jobs)
    for name in ("geo", "user"):
        post(runtime, topic("batch", name), rows({"ind": 2}))
    drain(runtime, "land")
    monkeypatch.setattr("pinflow.steps.retries.BACKOFF", Backoff(first=0.1, most=0.1))

    def on_step(plan: Plan) -> None:
        nonlocal first
        if first:
            assert plan.job.endswith(".user")
            first = False
            replay(runtime, geo)
        elif plan.job.endswith(".geo"):
            stop.set()

    work(runtime, jobs, drain=False, stop=stop, observer=Committed(on_step))
    assert geo.generation(runtime.store).number == 1
    assert select(runtime, "SELECT ind FROM geo ORDER BY ind") == [(1,), (2,)]


class KilledError(Exception):
    """Stands for a kill."""
