"""`pinflow replay` as a user runs it: rebuilt, tried again from quarantine, given up."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from pinflow.config import load
from pinflow.failpoints import VARIABLE
from pinflow.jobs.runtime import Runtime
from tests.e2e.command import pinflow, pinflow_json, run
from tests.pipeline import drain, post, rows, topic

if TYPE_CHECKING:
    from pathlib import Path

    from pinflow.jobs.pipelines import Side

SIDES: tuple[Side, ...] = ("batch", "stream")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with Runtime(load(tmp_path / "home", env={})) as runtime:
        for side in SIDES:
            post(runtime, topic(side, "user"), [*rows({"ind": 1, "age": 20}, {"ind": 2, "age": 30}), b"x"])
        drain(runtime)
    return tmp_path / "home"


def test_tables_are_rebuilt_and_what_differs_is_told(home: Path) -> None:
    (told,) = pinflow_json("replay", "batch", "user", home=home)
    assert (told["table"], told["swapped"]) == ("user", True)
    shown = pinflow("replay", "stream", "user", "--dry-run", home=home)
    assert "0a6a638f5991_user_table" in shown
    (tried,) = pinflow_json("replay", "batch", "user", "--quarantine", home=home)
    assert (tried["tried"], tried["moved"]) == (1, 0)
    assert "tried" in pinflow("replay", "stream", "user", "--quarantine", home=home)
    assert pinflow_json("audit", "--deep", home=home)["ok"] is True


def test_a_replay_that_holds_the_side_is_given_up(home: Path) -> None:
    killed = run("replay", "batch", "user", home=home, **{VARIABLE: "replay.fenced"})
    assert killed.returncode == -signal.SIGKILL
    held = run("batch", "--drain", home=home)
    assert held.returncode == 1
    assert "--abandon" in held.stderr
    assert "Traceback" not in held.stderr
    (told,) = pinflow_json("replay", "batch", "user", "--abandon", home=home)
    assert (told["table"], told["abandoned"]) == ("user", True)
    assert "none holds the job" in pinflow("replay", "batch", "user", "--abandon", home=home)
    pinflow("batch", "--drain", home=home)
    assert pinflow_json("audit", "--deep", home=home)["ok"] is True
