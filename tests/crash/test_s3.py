"""The promises of the crash suite with the lake in a bucket: every point, random kills, a worker that slept."""

from __future__ import annotations

import os
import random
import signal
from typing import TYPE_CHECKING

import msgspec
import psutil
import pytest

from pinflow.config import Log, Maintain, load
from pinflow.datasets import LINEAGE
from pinflow.engine import View
from pinflow.failpoints import POINTS
from pinflow.jobs.pipelines import pipelines
from pinflow.jobs.reports.audit import audit
from tests.children import FAILED, job, maintenance, replaying, run, start
from tests.crash.load import verify
from tests.crash.soak import soak
from tests.pipeline import post, rows, table, topic
from tests.servers.ports import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from pinflow.config import Settings
    from pinflow.jobs.pipelines import Side
    from pinflow.jobs.runtime import Runtime

USERS = table("stream", "user")
KILLED = -signal.SIGKILL
KILLS = 20
LIFE_S = (0.2, 1.5)
"""A step in a bucket takes longer than one on a disk."""


@pytest.fixture
def settings(tmp_path: Path, bucket: str) -> Settings:
    """A pipeline whose lake is a bucket, named in its configuration file; past every retention at once."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "pinflow.toml").write_text(f'[lake]\nurl = "{bucket}"\n')
    settings = load(home, env={})
    config = msgspec.structs.replace(
        settings.config,
        maintain=Maintain(retention_hours=0, keep_steps=1),
        log=Log(url=settings.config.log.url, retention_bytes=1),
    )
    return msgspec.structs.replace(settings, config=config)


def points(room: str, *without: str) -> list[str]:
    return [point for point in POINTS if point.startswith(f"{room}.") and point not in without]


@pytest.mark.parametrize("name", ["land", "stream", "batch"])
def test_a_job_killed_at_every_point_in_turn_goes_on_where_it_was(
    runtime: Runtime, settings: Settings, name: str
) -> None:
    side: Side = "stream" if name == "stream" else "batch"
    for turn, point in enumerate(points(name)):
        post(runtime, topic(side, "user"), [*rows({"ind": turn}), b"broken"])
        if name == "batch":
            assert run(job, settings, "land") == 0
        assert run(job, settings, name, at=point) == KILLED
    assert verify(runtime, {}) == 2 * len(points(name))


def fill(runtime: Runtime, settings: Settings) -> None:
    for turn in range(3):
        post(runtime, topic("stream", "user"), [*rows({"ind": 1, "age": turn}, {"ind": 10 + turn}), b"x"])
        assert run(job, settings, "stream") == 0


def answers(runtime: Runtime) -> list[tuple[object, ...]]:
    """The latest rows of the one table that has some."""
    pipeline = next(pipeline for pipeline in pipelines(runtime.config.id) if pipeline.table == USERS)
    files = pipeline.open_table(runtime.tables).snapshot()
    session = runtime.engine.session(
        [
            View(
                "found",
                files,
                pipeline.dataset.clean | LINEAGE,
                pipeline.dataset.latest(pipeline.dataset.clean),
            )
        ]
    )
    try:
        return session.ask("SELECT ind, age FROM found ORDER BY ind", where="test").rows
    finally:
        session.close()


def test_a_maintain_killed_at_every_point_in_turn_changes_no_answer(
    runtime: Runtime, settings: Settings
) -> None:
    fill(runtime, settings)
    assert run(replaying, settings, USERS) == 0
    before = answers(runtime)
    for point in points("maintain"):
        assert run(maintenance, settings, at=point) == KILLED
        assert answers(runtime) == before
    assert run(maintenance, settings) == 0
    assert answers(runtime) == before
    assert audit(runtime, deep=True).problems == []


def test_a_replay_killed_at_every_point_in_turn_changes_no_answer(
    runtime: Runtime, settings: Settings
) -> None:
    fill(runtime, settings)
    assert run(job, settings, "land") == 0
    before = answers(runtime)
    for point in points("replay", "replay.moved", "replay.settled"):
        if run(replaying, settings, USERS, at=point) == 0:  # it has only finished what the one before it left
            assert run(replaying, settings, USERS, at=point) == KILLED
        assert answers(runtime) == before
    assert run(replaying, settings, USERS) == 0
    assert answers(runtime) == before
    assert audit(runtime, deep=True).problems == []


def test_random_kills_lose_nothing_and_double_nothing(settings: Settings) -> None:
    seed = random.SystemRandom().randrange(1 << 30)
    print(f"seed {seed}")  # shown when the test fails
    outcome = soak(settings.home, KILLS, seed=seed, life_s=LIFE_S)
    assert outcome.kills >= KILLS
    assert 0 < outcome.acknowledged <= outcome.records


@pytest.mark.parametrize("point", ["planned", "prepared", "receipted"])
def test_a_worker_paused_past_its_successor_is_fenced_and_says_so(
    runtime: Runtime, settings: Settings, tmp_path: Path, point: str
) -> None:
    post(runtime, topic("stream", "user"), [*rows({"ind": 1}, {"ind": 2}), b"broken"])
    said = tmp_path / "said"
    paused = start(job, settings, "stream", at=f"stream.{point}", by="STOP", says=str(said))
    assert paused.pid is not None
    process = psutil.Process(paused.pid)
    wait_until(lambda: process.status() == psutil.STATUS_STOPPED, "the worker pauses")
    assert run(job, settings, "stream") == 0
    os.kill(paused.pid, signal.SIGCONT)
    paused.join(30)
    assert paused.exitcode == FAILED
    assert "another worker of 'stream/" in said.read_text()
    assert verify(runtime, {}) == 3
