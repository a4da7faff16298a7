"""Every crash point of maintain and replay: the process ends there, is run again, and nothing is lost or doubled."""

from __future__ import annotations

import shutil
import signal
from functools import cache
from typing import TYPE_CHECKING

import msgspec
import psutil
import pytest

from pinflow.config import load
from pinflow.errors import FencedError
from pinflow.failpoints import POINTS, SIGNAL_VARIABLE, VARIABLE
from pinflow.jobs.clean.clean import CleanJob, pipeline_reader
from pinflow.jobs.maintain.maintain import maintain
from pinflow.jobs.pipelines import side_pipelines
from pinflow.jobs.replay.abandon import abandon
from pinflow.jobs.replay.quarantine import retry_quarantine
from pinflow.jobs.replay.replay import replay
from pinflow.jobs.reports.audit import audit
from pinflow.jobs.reports.status import status
from pinflow.jobs.runtime import Runtime
from pinflow.steps.steps import Steps
from tests.children import abandoning, maintenance, replaying, retrying, run
from tests.e2e.command import pinflow, running, until
from tests.pipeline import drain, post, rows, select, table, topic

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pinflow.config import Settings
    from pinflow.jobs.pipelines import Pipeline, Side

SIDES: tuple[Side, ...] = ("batch", "stream")
AT_ONCE = {
    "PINFLOW__MAINTAIN__RETENTION_HOURS": "0",
    "PINFLOW__MAINTAIN__KEEP_STEPS": "1",
    "PINFLOW__LOG__RETENTION_BYTES": "1",
}


@pytest.fixture
def at_once(tmp_path: Path) -> Settings:
    """The settings of the home by which maintain waits for nothing."""
    return load(tmp_path / "home", env=AT_ONCE)


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Homes that were filled so many times, each made once."""

    @cache
    def home(times: int) -> Path:
        made = tmp_path_factory.mktemp("filled") / "home"
        with Runtime(load(made, env={})) as runtime:
            fill(runtime, times)
        return made

    return home


@pytest.fixture
def filled(homes: Callable[[int], Path], settings: Settings) -> Callable[[int], None]:
    """Makes the home of the test one that was filled so many times."""

    def fill(times: int) -> None:
        shutil.copytree(homes(times), settings.home)

    return fill


def fill(runtime: Runtime, times: int, first: int = 0) -> None:
    for turn in range(first, first + times):
        for side in SIDES:
            for partition in range(2):
                values = rows({"ind": partition, "age": turn}, {"ind": 10 + partition + 2 * turn, "age": "x"})
                post(runtime, topic(side, "user"), [*values, b"x"], partition=partition)
        drain(runtime)


def answers(runtime: Runtime) -> list[tuple[object, ...]]:
    """The rows of all tables as texts, by one question, as each opens all tables anew."""
    names = [f"{table(side, 'user')}{suffix}" for side in SIDES for suffix in ("", "_quarantine", "_nulled")]
    lists = (
        f'(SELECT list(CAST(each AS VARCHAR) ORDER BY CAST(each AS VARCHAR)) FROM "{name}" AS each)'
        for name in names
    )
    return select(runtime, f"SELECT {', '.join(lists)}")


def user(runtime: Runtime, side: Side) -> Pipeline:
    return next(each for each in side_pipelines(side, runtime.config.id) if each.dataset.name == "user")


def maintained(at_once: Settings) -> None:
    with Runtime(at_once) as runtime:
        assert maintain(runtime).problems == []


def verify(runtime: Runtime) -> None:
    for deep in (False, True):
        assert audit(runtime, deep=deep).problems == []


@pytest.mark.parametrize("point", [point for point in POINTS if point.startswith("maintain.")])
def test_a_maintain_killed_at_a_point_is_run_again(
    filled: Callable[[int], None], runtime: Runtime, at_once: Settings, point: str
) -> None:
    filled(4)
    before = answers(runtime)
    if point == "maintain.generation-removed":
        assert replay(runtime, user(runtime, "batch")).swapped
    assert run(maintenance, at_once, at=point) == -signal.SIGKILL
    assert answers(runtime) == before
    maintained(at_once)
    assert answers(runtime) == before
    verify(runtime)
    fill(runtime, 2, first=4)
    maintained(at_once)
    verify(runtime)


REPLAY_POINTS = [
    point
    for point in POINTS
    if point.startswith("replay.") and point not in ("replay.moved", "replay.settled")
]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("point", REPLAY_POINTS)
def test_a_replay_killed_at_a_point_is_run_again(
    filled: Callable[[int], None], runtime: Runtime, at_once: Settings, side: Side, point: str
) -> None:
    filled(3)
    before = answers(runtime)
    assert run(replaying, runtime.settings, table(side, "user"), at=point) == -signal.SIGKILL
    assert answers(runtime) == before
    verify(runtime)
    assert replay(runtime, user(runtime, side)).swapped
    assert answers(runtime) == before
    verify(runtime)
    fill(runtime, 2, first=3)
    verify(runtime)
    maintained(at_once)
    verify(runtime)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("fence", ["replay.fenced", "replay.stamped"])
@pytest.mark.parametrize("point", ["", *(point for point in POINTS if point.startswith("abandon."))])
def test_a_replay_that_holds_the_job_is_given_up(
    filled: Callable[[int], None], runtime: Runtime, at_once: Settings, side: Side, fence: str, point: str
) -> None:
    filled(2)
    pipeline = user(runtime, side)
    before = answers(runtime)
    assert run(replaying, runtime.settings, pipeline.table, at=fence) == -signal.SIGKILL
    with pytest.raises(FencedError, match="begun by another command") as fenced:
        drain(runtime, side)
    assert "pinflow replay abandon" in fenced.value.hint
    if point:
        assert run(abandoning, runtime.settings, pipeline.table, at=point) == -signal.SIGKILL
    assert abandon(runtime, pipeline).abandoned is (point != "abandon.stamped")
    assert answers(runtime) == before
    fill(runtime, 1, first=2)
    verify(runtime)
    now = answers(runtime)
    maintained(at_once)
    verify(runtime)
    assert replay(runtime, pipeline).swapped
    maintained(at_once)
    assert answers(runtime) == now
    verify(runtime)


def test_a_replay_that_was_given_up_cannot_swap_any_more(
    filled: Callable[[int], None], runtime: Runtime, settings: Settings
) -> None:
    filled(2)
    paused = {VARIABLE: "replay.stamped", SIGNAL_VARIABLE: "STOP"}
    with running("replay", "run", "batch", "user", home=settings.home, **paused) as late:
        try:
            until(lambda: psutil.Process(late.pid).status() == psutil.STATUS_STOPPED)
            pinflow("replay", "abandon", "batch", "user", home=settings.home)
            fill(runtime, 1, first=2)
            before = answers(runtime)
        finally:
            late.send_signal(signal.SIGCONT)
        assert late.wait(60) == 1
        assert late.stdout is not None
        assert "this one was given up" in late.stdout.read()
    assert answers(runtime) == before
    verify(runtime)


def spoil(runtime: Runtime, side: Side) -> None:
    """Records that the rules of today accept, in quarantine as if an older rule had rejected them."""
    pipeline = user(runtime, side)
    reject = "SELECT *, 'an older rule' AS _reason FROM parsed"
    older = msgspec.structs.replace(pipeline.dataset, reject_sql=reject)
    job = CleanJob(
        pipeline._replace(dataset=older), pipeline_reader(runtime, pipeline), runtime.tables, runtime.engine
    )
    runtime.engine._translated.clear()  # type: ignore[attr-defined]
    while Steps(runtime.store, job).advance():
        continue
    runtime.engine._translated.clear()  # type: ignore[attr-defined]


@pytest.mark.parametrize("finisher", ["replay", "worker"])
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(
    "point", ["planned", "prepared", "receipted", "half-committed", "committed", "moved", "settled"]
)
def test_a_move_out_of_quarantine_killed_at_a_point_is_finished_once(
    runtime: Runtime, side: Side, point: str, finisher: str
) -> None:
    name = topic(side, "user")
    for partition in range(2):
        values = rows({"ind": partition, "age": 1}, {"ind": 5, "age": "x"})
        post(runtime, name, [*values, b"x"], partition=partition)
    drain(runtime, "land")
    spoil(runtime, side)
    assert select(runtime, f'SELECT count(*) FROM "{table(side, "user")}"') == [(0,)]
    verify(runtime)
    post(runtime, name, rows({"ind": 0, "age": 2}))  # later than the record in quarantine: it wins
    drain(runtime)
    room = "replay" if point in ("moved", "settled") else side
    assert run(retrying, runtime.settings, table(side, "user"), at=f"{room}.{point}") == -signal.SIGKILL
    if finisher == "replay":
        retry_quarantine(runtime, user(runtime, side))
    else:
        drain(runtime, side)
    assert select(runtime, f'SELECT ind, age FROM "{table(side, "user")}" ORDER BY ind') == [
        (0, 2),
        (1, 1),
        (5, None),
    ]
    assert select(runtime, f'SELECT count(*) FROM "{table(side, "user")}_quarantine"') == [(2,)]
    samples = f'SELECT ind, field, text, _partition FROM "{table(side, "user")}_nulled" ORDER BY _partition'
    assert select(runtime, samples) == [(5, "age", "x", 0), (5, "age", "x", 1)]
    assert [each.nulled for each in status(runtime) if each.topic == name] == [{"age": 2}]
    verify(runtime)
