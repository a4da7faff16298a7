"""`pinflow replay` as a user runs it: rebuilt, tried again from quarantine, given up."""

from __future__ import annotations

import json
import shlex
import signal
from typing import TYPE_CHECKING

import pytest

from pinflow.config import load
from pinflow.failpoints import VARIABLE
from pinflow.jobs.runtime import Runtime
from tests.e2e.command import pinflow, pinflow_json, run
from tests.pipeline import drain, post, rows, topic

if TYPE_CHECKING:
    import subprocess
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


def test_tables_are_rebuilt_and_what_differs_is_reported(home: Path) -> None:
    (done,) = pinflow_json("replay", "run", "batch", "user", home=home)
    assert (done["table"], done["swapped"]) == ("user", True)
    shown = pinflow("replay", "run", "stream", "user", "--dry-run", home=home)
    assert "0a6a638f5991_user_table" in shown
    (tried,) = pinflow_json("replay", "quarantine", "batch", "user", home=home)
    assert (tried["tried"], tried["moved"]) == (1, 0)
    assert "tried" in pinflow("replay", "quarantine", "stream", "user", home=home)
    assert pinflow_json("audit", "--deep", home=home)["ok"] is True


def killed_at_its_fence(home: Path) -> None:
    killed = run("replay", "run", "batch", "user", home=home, **{VARIABLE: "replay.fenced"})
    assert killed.returncode == -signal.SIGKILL


def hint_of(command: subprocess.CompletedProcess[str]) -> str:
    return next(line for line in command.stderr.splitlines() if line.startswith("  next:  "))


NEXT = "  next:  run pinflow replay run batch user to finish it, or pinflow replay abandon batch user to give it up"


def test_a_replay_that_holds_the_side_is_given_up(home: Path) -> None:
    killed_at_its_fence(home)
    held = run("batch", "--drain", home=home)
    assert held.returncode == 1
    assert hint_of(held) == NEXT
    assert "Traceback" not in held.stderr
    (done,) = pinflow_json("replay", "abandon", "batch", "user", home=home)
    assert (done["table"], done["abandoned"]) == ("user", True)
    assert "no replay holds the job" in pinflow("replay", "abandon", "batch", "user", home=home)
    pinflow("batch", "--drain", home=home)
    assert pinflow_json("audit", "--deep", home=home)["ok"] is True


@pytest.mark.parametrize("finisher", ["run", "abandon"])
def test_a_replay_that_an_earlier_version_began_is_named_as_it_is_written_now_and_finished(
    home: Path, finisher: str
) -> None:
    killed_at_its_fence(home)
    plan = max((home / "lake" / "plans" / "batch" / topic("batch", "user")).glob("*[0-9].json"))
    text = plan.read_text()
    assert "pinflow replay run batch user" in text
    plan.write_text(text.replace("pinflow replay run batch user", "pinflow replay batch user"))
    held = run("batch", "--drain", home=home)
    assert (held.returncode, hint_of(held)) == (1, NEXT)
    pinflow("replay", finisher, "batch", "user", home=home)
    pinflow("batch", "--drain", home=home)
    assert pinflow_json("audit", "--deep", home=home)["ok"] is True


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (["batch", "user"], ["run", "batch", "user"]),
        (["--from", "log", "batch", "user"], ["run", "--from", "log", "batch", "user"]),
        (["stream", "--dry-run"], ["run", "stream", "--dry-run"]),
        (["stream", "--quarantine", "user"], ["quarantine", "stream", "user"]),
        (["--quarantine", "--from=log", "batch"], ["quarantine", "batch"]),
        (["batch", "--abandon"], ["abandon", "batch"]),
    ],
    ids=" ".join,
)
def test_what_was_written_before_replay_had_commands_still_works_and_says_how_it_is_written_now(
    home: Path, before: list[str], now: list[str]
) -> None:
    old = run("replay", *before, "--json", home=home)
    assert old.returncode == 0, old.stderr
    assert f"this is: pinflow replay {shlex.join([*now, '--json', '--home', str(home)])}" in old.stderr
    kind = {"run": "difference", "quarantine": "tried", "abandon": "abandoned"}[now[0]]
    assert all(kind in each for each in json.loads(old.stdout))
