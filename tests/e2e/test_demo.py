"""The main job, by the installed command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

POSTS = 300


def pinflow(*args: str, home: Path, code: int = 0) -> str:
    """Run a command to its end, and return its stdout."""
    done = subprocess.run(
        [sys.executable, "-m", "pinflow", *args, "--home", str(home)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith("PINFLOW")},
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def pinflow_json(*args: str, home: Path, code: int = 0) -> Any:
    """Run a command that reports as JSON."""
    return json.loads(pinflow(*args, "--json", home=home, code=code))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "home"


@pytest.fixture(scope="module")
def first(home: Path) -> Any:
    return pinflow_json("demo", "--posts", str(POSTS), home=home)


@pytest.fixture(scope="module")
def second(home: Path, first: Any) -> Any:
    return pinflow_json("demo", "--posts", str(POSTS), home=home)


def test_the_demo_posts_all_answers_all_and_adds_up(first: Any) -> None:
    assert first["ok"] is True
    assert first["acknowledged"] == (POSTS + POSTS // 10) * 3 * 2
    assert len(first["answers"]) == 10
    assert all(first["answers"].values())
    assert first["differing"] == []
    assert sum(line["accepted"] for line in first["audit"]["lines"]) == first["acknowledged"]
    assert all(line["waiting"] == line["difference"] == 0 for line in first["audit"]["lines"])


def test_run_again_it_goes_on_and_the_answers_stay(first: Any, second: Any) -> None:
    assert second["ok"] is True
    assert second["answers"] == first["answers"]
    accepted = sum(line["accepted"] for line in second["audit"]["lines"])
    assert accepted == 2 * first["acknowledged"]


def test_the_rows_themselves_add_up(home: Path, second: Any) -> None:
    found = pinflow_json("audit", "--deep", home=home)
    assert found["ok"] is True
    standing: dict[str, int] = {}
    for line in found["lines"]:
        standing[line["table"]] = standing.get(line["table"], 0) + line["cleaned"]
        assert line["accepted"] == line["cleaned"] + line["superseded"] + line["quarantined"]
        assert line["landed"] == line["accepted"]
    assert set(standing.values()) == {POSTS}
    assert len(standing) == 6


def test_free_sql_sees_one_row_a_post_in_every_table(home: Path, second: Any) -> None:
    tables = ["pin", "geo", "user"] + [f"0a6a638f5991_{name}_table" for name in ("pin", "geo", "user")]
    sql = " UNION ALL ".join(f'SELECT count(*) AS n, count(DISTINCT ind) AS inds FROM "{name}"' for name in tables)
    rows = json.loads(pinflow("query", "--sql", sql, "--format", "json", home=home))
    assert rows == [{"n": POSTS, "inds": POSTS}] * 6


def test_status_shows_nothing_waiting(home: Path, second: Any) -> None:
    topics = pinflow_json("status", home=home)
    assert len(topics) == 6
    assert {(each["to_land"], each["to_clean"]) for each in topics} == {(0, 0)}


def test_doctor_finds_every_part_well(home: Path, second: Any) -> None:
    states = {each["part"]: each["state"] for each in pinflow_json("doctor", home=home)}
    assert states == dict.fromkeys(("home", "source", "log", "lake", "engine"), "ok") | {"gateway": "absent"}
