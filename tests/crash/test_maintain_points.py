"""Every crash point of maintain and replay: the process ends there, runs again, and nothing is lost or doubled."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from pinflow.config import load
from pinflow.crash import POINTS, VARIABLE
from pinflow.jobs.audit import audit
from pinflow.jobs.parts import Parts
from tests.e2e.command import command, environment
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
