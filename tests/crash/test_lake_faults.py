"""A lake on S3 that is busy, slow, or loses answers: jobs wait or stop with a clear error, and nothing is lost.

The faults come over a real socket, from a server before the one that stands in for S3.
"""

from __future__ import annotations

import random
import re
import threading
import time
from typing import TYPE_CHECKING

import pytest

from pinflow.config import load
from pinflow.jobs.runtime import Runtime
from pinflow.steps.standing import read_standing
from tests.children import FAILED, job, run
from tests.crash.load import verify
from tests.pipeline import ID, post, rows, topic
from tests.servers.buckets import moved
from tests.servers.faults import Answer, Cut, Dropped, Faults, Request, faulty

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pinflow.config import Settings
    from pinflow.jobs.pipelines import Side
    from tests.servers.faults import Fault, Forward

JOBS = ("land", "stream", "batch")
SIDES: tuple[Side, ...] = ("batch", "stream")


@pytest.fixture
def faults(moto: str) -> Iterator[Faults]:
    with faulty(moto) as faults:
        yield faults


@pytest.fixture
def settings(tmp_path: Path, bucket: str, faults: Faults) -> Settings:
    """A pipeline whose lake stands behind the faulty server."""
    return load(tmp_path / "home", env={"PINFLOW__LAKE__URL": moved(bucket, faults.url)})


@pytest.fixture
def runtime(tmp_path: Path, bucket: str) -> Iterator[Runtime]:
    """The same pipeline, its lake by the straight way."""
    with Runtime(load(tmp_path / "home", env={"PINFLOW__LAKE__URL": bucket})) as runtime:
        yield runtime


def fill(runtime: Runtime, first: int = 0) -> None:
    for side in SIDES:
        values = [*rows(*({"ind": n, "index": n} for n in range(first, first + 4))), b"broken"]
        post(runtime, topic(side, "pin"), values)


def busy(_request: Request, _forward: Forward) -> Answer:
    return Answer(503, {"Content-Type": "application/xml"}, b"<Error><Code>SlowDown</Code></Error>")


def lost(request: Request, forward: Forward) -> Answer:
    forward(request)
    raise Dropped


def failed_after(request: Request, forward: Forward) -> Answer:
    forward(request)
    return Answer(500, {}, b"<Error><Code>InternalError</Code></Error>")


def cut(request: Request, forward: Forward) -> Answer:
    raise Cut(forward(request))


def unheard(_request: Request, _forward: Forward) -> Answer:
    raise Dropped


class Weather:
    """Faults of all kinds by chance, some for more requests in a row than the client tries by itself."""

    def __init__(self, seed: int, share: float) -> None:
        self._chance = random.Random(seed)
        self._share = share
        self._lock = threading.Lock()
        self._left = 0
        self._fault: Fault = busy
        self.failures = 0

    def __call__(self, request: Request, forward: Forward) -> Answer:
        with self._lock:
            if not self._left and self._chance.random() < self._share:
                self._fault = self._chance.choice((busy, unheard, lost, failed_after, cut))
                self._left = 1 if self._fault is cut else self._chance.choice((1, 2, 6))
            if not self._left:
                fault = None
            else:
                fault = self._fault
                self._left -= 1
                self.failures += 1
        return fault(request, forward) if fault is not None else forward(request)


def test_a_lake_with_faults_now_and_then_loses_nothing(
    runtime: Runtime, settings: Settings, faults: Faults, tmp_path: Path
) -> None:
    seed = random.SystemRandom().randrange(1 << 30)
    print(f"seed {seed}")  # shown when the test fails
    weather = Weather(seed, 0.03)
    faults.fault = weather
    fill(runtime)
    for name in JOBS:
        said = tmp_path / name
        assert run(job, settings, name, says=str(said)) == 0, said.read_text()
    assert weather.failures
    faults.fault = None
    assert verify(runtime, {}) == 10


def test_a_lake_that_stays_away_stops_the_job_after_a_bound_and_it_goes_on_later(
    runtime: Runtime, settings: Settings, faults: Faults, tmp_path: Path
) -> None:
    fill(runtime)
    said = tmp_path / "said"
    faults.fault = busy
    assert run(job, settings, "stream", 10.0, says=str(said)) == FAILED
    assert "the store asks to slow down (503 SlowDown)" in said.read_text()
    assert 5 < faults.requests < 100  # five are one call's own: the worker tries again after it
    faults.fault = None
    assert verify(runtime, {}) == 10


@pytest.mark.parametrize("fault", [lost, failed_after])
def test_a_write_whose_answer_is_lost_counts_once_and_nobody_is_fenced(
    runtime: Runtime, settings: Settings, faults: Faults, fault: Fault
) -> None:
    fill(runtime)
    seen: set[str] = set()

    def first_of_each(request: Request, forward: Forward) -> Answer:
        """Of every kind of object that is put the first answer is lost: plans, receipts, objects, commits, files."""
        kind = re.sub(r"[0-9a-f]{4,}|[0-9]", "", request.path)
        if request.method != "PUT" or kind in seen:
            return forward(request)
        seen.add(kind)
        return fault(request, forward)

    faults.fault = first_of_each
    for name in JOBS:
        assert run(job, settings, name) == 0
    assert {"plans", "topics", "tables"} <= {kind.split("/")[3] for kind in seen}
    for name in ("land/{0}", "batch/{0}", "land/streaming-{0}", "stream/streaming-{0}"):
        dash = "-" if "streaming" in name else "."
        assert _steps(runtime, f"{name.format(ID)}{dash}pin") == 1
    faults.fault = None
    assert verify(runtime, {}) == 10


def _steps(runtime: Runtime, name: str) -> int:
    from pinflow.jobs.pipelines import pipelines

    tables = {pipeline.job: pipeline.open_table(runtime.tables) for pipeline in pipelines(runtime.config.id)}
    plan = read_standing(runtime.store, name, tables.get(name, runtime.landing.manifest)).plan
    return plan.step if plan is not None else 0


def test_a_slow_lake_only_takes_longer(runtime: Runtime, settings: Settings, faults: Faults) -> None:
    def slow(request: Request, forward: Forward) -> Answer:
        time.sleep(0.02)  # the fault itself
        return forward(request)

    fill(runtime)
    faults.fault = slow
    assert run(job, settings, "stream") == 0
    faults.fault = None
    assert verify(runtime, {}) == 10


def test_a_job_waits_for_a_lake_that_comes_back(runtime: Runtime, settings: Settings, faults: Faults) -> None:
    from tests.children import start

    fill(runtime)
    faults.fault = busy
    process = start(job, settings, "stream")
    until(lambda: faults.requests > 12)
    faults.fault = None
    process.join(60)
    assert process.exitcode == 0
    assert verify(runtime, {}) == 10


def until(condition: Callable[[], bool]) -> None:
    from tests.servers.ports import wait_until

    wait_until(condition, "the job tries again and again")
