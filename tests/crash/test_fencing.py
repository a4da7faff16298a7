"""A second worker of a job, or one that slept through its successor, cannot commit, and says who holds the job."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from pinflow.config import load
from pinflow.failpoints import SIGNAL_VARIABLE, VARIABLE
from pinflow.jobs.runtime import Runtime
from tests.crash.load import verify
from tests.e2e.command import pinflow, running, until
from tests.pipeline import drain, post, rows, topic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOBS = ("land", "stream", "batch")


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    with Runtime(load(tmp_path / "home", env={})) as runtime:
        for side in ("batch", "stream"):
            post(runtime, topic(side, "user"), [*rows({"ind": 1}, {"ind": 2}), b"broken"])
        yield runtime


def is_paused(pid: int) -> bool:
    return psutil.Process(pid).status() == psutil.STATUS_STOPPED


@pytest.mark.parametrize("point", ["planned", "prepared", "receipted"])
@pytest.mark.parametrize("job", JOBS)
def test_a_worker_paused_past_its_successor_is_fenced_and_says_so(
    runtime: Runtime, tmp_path: Path, job: str, point: str
) -> None:
    home = tmp_path / "home"
    if job == "batch":
        drain(runtime, "land")
    with running(
        job, "--drain", home=home, **{VARIABLE: f"{job}.{point}", SIGNAL_VARIABLE: "STOP"}
    ) as paused:
        until(lambda: paused.poll() is not None or is_paused(paused.pid))
        assert paused.poll() is None
        pinflow(job, "--drain", home=home)
        os.kill(paused.pid, signal.SIGCONT)
        talk, _ = paused.communicate(timeout=30)
    assert paused.returncode == 1
    assert "another worker of" in talk
    assert verify(runtime, {}) == 6


@pytest.mark.parametrize("job", JOBS)
def test_a_worker_that_is_to_wait_goes_on_when_the_other_has_stopped(
    runtime: Runtime, tmp_path: Path, job: str
) -> None:
    home = tmp_path / "home"
    if job == "batch":
        drain(runtime, "land")
    env = {
        VARIABLE: f"{job}.prepared",
        SIGNAL_VARIABLE: "STOP",
        "PINFLOW__WORKER__FENCED": "wait",
        "PINFLOW__WORKER__TAKEOVER_SECONDS": "0.2",
    }
    with running(job, "--drain", home=home, **env) as paused:
        until(lambda: paused.poll() is not None or is_paused(paused.pid))
        pinflow(job, "--drain", home=home)
        os.kill(paused.pid, signal.SIGCONT)
        talk, _ = paused.communicate(timeout=30)
    assert paused.returncode == 0
    assert "waiting: another worker of" in talk
    assert verify(runtime, {}) == 6


@pytest.mark.parametrize("job", JOBS)
def test_of_two_workers_that_run_at_once_one_ends_fenced_and_the_other_does_all(
    runtime: Runtime, tmp_path: Path, job: str
) -> None:
    home = tmp_path / "home"
    drain(runtime)
    env = {"PINFLOW__LAND__FLUSH_SECONDS": "0", "PINFLOW__BATCH__EVERY_SECONDS": "0.1"}
    with running(job, home=home, **env) as first, running(job, home=home, **env) as second:
        ind, deadline = 10, time.monotonic() + 60
        while first.poll() is None and second.poll() is None:
            post(runtime, topic("stream" if job == "stream" else "batch", "user"), rows({"ind": ind}))
            if job == "batch":
                drain(runtime, "land")
            ind += 1
            assert time.monotonic() < deadline, "neither was fenced"
            time.sleep(0.02)  # the workers take a moment to start: a post now and then until they have met
        fenced, other = (first, second) if first.poll() is not None else (second, first)
        talk, _ = fenced.communicate(timeout=10)
        assert fenced.returncode == 1
        assert f"another worker of '{job}/" in talk
        assert other.poll() is None
        other.terminate()
        assert other.wait(20) == 0
    assert verify(runtime, {}) == 6 + (ind - 10)
