"""Every crash point of maintain and replay: the process ends there, is run again, and nothing is lost or doubled."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING

import msgspec
import psutil
import pytest

from pinflow.config import load
from pinflow.crash import POINTS, SIGNAL_VARIABLE, VARIABLE
from pinflow.errors import FencedError
from pinflow.jobs.abandoning import abandon
from pinflow.jobs.audit import audit
from pinflow.jobs.clean import CleanJob, road_reader
from pinflow.jobs.maintain import maintain
from pinflow.jobs.parts import Parts
from pinflow.jobs.replay import replay
from pinflow.jobs.sides import side_roads
from pinflow.lake.plans import Steps
from tests.e2e.command import command, environment, until
from tests.road import drain, post, rows, select, table, topic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pinflow.jobs.sides import Side

SIDES: tuple[Side, ...] = ("batch", "stream")
AT_ONCE = {
    "PINFLOW__MAINTAIN__RETENTION_HOURS": "0",
    "PINFLOW__MAINTAIN__KEEP_STEPS": "1",
    "PINFLOW__LOG__RETENTION_BYTES": "1",
}


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    with Parts(load(tmp_path / "home", env={})) as parts:
        yield parts


def fill(parts: Parts, times: int, first: int = 0) -> None:
    for turn in range(first, first + times):
        for side in SIDES:
            for partition in range(2):
                values = rows({"ind": partition, "age": turn}, {"ind": 10 + partition + 2 * turn})
                post(parts, topic(side, "user"), [*values, b"x"], partition=partition)
        drain(parts)


def run(home: Path, *args: str, **env: str) -> int:
    done = subprocess.run(
        command(*args, home=home), env=environment(**env), capture_output=True, timeout=60, check=False
    )
    assert b"Traceback" not in done.stderr, done.stderr
    return done.returncode


def answers(parts: Parts) -> list[list[tuple[object, ...]]]:
    return [
        select(parts, f'SELECT * FROM "{table(side, "user")}{suffix}" ORDER BY ALL')
        for side in SIDES
        for suffix in ("", "_quarantine")
    ]


def verify(parts: Parts) -> None:
    for deep in (False, True):
        assert audit(parts, deep=deep).problems == []


@pytest.mark.parametrize("point", [point for point in POINTS if point.startswith("maintain.")])
def test_a_maintain_killed_at_a_point_is_run_again(parts: Parts, tmp_path: Path, point: str) -> None:
    fill(parts, 10)
    home = tmp_path / "home"
    before = answers(parts)
    if point == "maintain.generation-removed":
        assert run(home, "replay", "batch", "user") == 0
    assert run(home, "maintain", **AT_ONCE, **{VARIABLE: point}) == -signal.SIGKILL
    assert answers(parts) == before
    assert run(home, "maintain", **AT_ONCE) == 0
    assert answers(parts) == before
    verify(parts)
    fill(parts, 2, first=10)
    assert run(home, "maintain", **AT_ONCE) == 0
    verify(parts)


REPLAY_POINTS = [
    point
    for point in POINTS
    if point.startswith("replay.") and point not in ("replay.moved", "replay.settled")
]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("point", REPLAY_POINTS)
def test_a_replay_killed_at_a_point_is_run_again(
    parts: Parts, tmp_path: Path, side: Side, point: str
) -> None:
    fill(parts, 3)
    home = tmp_path / "home"
    before = answers(parts)
    assert run(home, "replay", side, "user", **{VARIABLE: point}) == -signal.SIGKILL
    assert answers(parts) == before
    verify(parts)
    assert run(home, "replay", side, "user") == 0
    assert answers(parts) == before
    verify(parts)
    fill(parts, 2, first=3)
    verify(parts)
    assert run(home, "maintain", **AT_ONCE) == 0
    verify(parts)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("fence", ["replay.fenced", "replay.stamped"])
@pytest.mark.parametrize("point", ["", *(point for point in POINTS if point.startswith("abandon."))])
def test_a_replay_that_holds_the_job_is_given_up(
    parts: Parts, tmp_path: Path, side: Side, fence: str, point: str
) -> None:
    fill(parts, 2)
    home = tmp_path / "home"
    road = next(each for each in side_roads(side, parts.config.id) if each.dataset.name == "user")
    before = answers(parts)
    assert run(home, "replay", side, "user", **{VARIABLE: fence}) == -signal.SIGKILL
    with pytest.raises(FencedError, match="begun by another command") as fenced:
        drain(parts, side)
    assert "--abandon" in fenced.value.hint
    if point:
        assert run(home, "replay", side, "user", "--abandon", **{VARIABLE: point}) == -signal.SIGKILL
    assert abandon(parts, road).abandoned is (point != "abandon.stamped")
    assert answers(parts) == before
    fill(parts, 1, first=2)
    verify(parts)
    now = answers(parts)
    with Parts(load(home, env=AT_ONCE)) as at_once:
        assert maintain(at_once).problems == []
        verify(parts)
        assert replay(at_once, road).swapped
        assert maintain(at_once).problems == []
    assert answers(parts) == now
    verify(parts)


def test_a_replay_that_was_given_up_cannot_swap_any_more(parts: Parts, tmp_path: Path) -> None:
    fill(parts, 2)
    home = tmp_path / "home"
    paused = {VARIABLE: "replay.stamped", SIGNAL_VARIABLE: "STOP"}
    with subprocess.Popen(
        command("replay", "batch", "user", home=home), env=environment(**paused), stderr=subprocess.PIPE
    ) as late:
        try:
            until(lambda: psutil.Process(late.pid).status() == psutil.STATUS_STOPPED)
            assert run(home, "replay", "batch", "user", "--abandon") == 0
            fill(parts, 1, first=2)
            before = answers(parts)
        finally:
            late.send_signal(signal.SIGCONT)
        assert late.wait(60) == 1
        assert late.stderr is not None
        assert b"this one was given up" in late.stderr.read()
    assert answers(parts) == before
    verify(parts)


def spoil(parts: Parts, side: Side) -> None:
    """Records that the rules of today accept, in quarantine as if an older rule had rejected them."""
    road = next(each for each in side_roads(side, parts.config.id) if each.dataset.name == "user")
    reject = "SELECT *, 'an older rule' AS _reason FROM parsed"
    older = msgspec.structs.replace(road.dataset, reject_sql=reject)
    job = CleanJob(road._replace(dataset=older), road_reader(parts, road), parts.store, parts.engine)
    parts.engine._translated.clear()  # type: ignore[attr-defined]
    while Steps(parts.store, job).advance():
        continue
    parts.engine._translated.clear()  # type: ignore[attr-defined]


@pytest.mark.parametrize("finisher", ["replay", "worker"])
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("point", ["planned", "prepared", "receipted", "committed", "moved", "settled"])
def test_a_move_out_of_quarantine_killed_at_a_point_is_finished_once(
    parts: Parts, tmp_path: Path, side: Side, point: str, finisher: str
) -> None:
    name, home = topic(side, "user"), tmp_path / "home"
    for partition in range(2):
        post(parts, name, [*rows({"ind": partition, "age": 1}, {"ind": 5}), b"x"], partition=partition)
    drain(parts, "land")
    spoil(parts, side)
    assert select(parts, f'SELECT count(*) FROM "{table(side, "user")}"') == [(0,)]
    verify(parts)
    post(parts, name, rows({"ind": 0, "age": 2}))  # later than the record in quarantine: it wins
    drain(parts)
    room = "replay" if point in ("moved", "settled") else side
    killed = run(home, "replay", side, "user", "--quarantine", **{VARIABLE: f"{room}.{point}"})
    assert killed == -signal.SIGKILL
    assert (
        run(home, *(["replay", side, "user", "--quarantine"] if finisher == "replay" else [side, "--drain"]))
        == 0
    )
    assert select(parts, f'SELECT ind, age FROM "{table(side, "user")}" ORDER BY ind') == [
        (0, 2),
        (1, 1),
        (5, None),
    ]
    assert select(parts, f'SELECT count(*) FROM "{table(side, "user")}_quarantine"') == [(2,)]
    verify(parts)
