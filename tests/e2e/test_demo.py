"""The main job, by the installed command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.command import pinflow, pinflow_json, run

if TYPE_CHECKING:
    from pathlib import Path

POSTS = 300


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
    sql = " UNION ALL ".join(
        f'SELECT count(*) AS n, count(DISTINCT ind) AS inds FROM "{name}"' for name in tables
    )
    rows = json.loads(pinflow("query", "--sql", sql, "--format", "json", home=home))
    assert rows == [{"n": POSTS, "inds": POSTS}] * 6


def test_status_shows_nothing_waiting(home: Path, second: Any) -> None:
    topics = pinflow_json("status", home=home)
    assert len(topics) == 6
    assert {(each["to_land"], each["to_clean"]) for each in topics} == {(0, 0)}


def test_status_shows_where_the_jobs_stand(home: Path, second: Any) -> None:
    topics = {each["topic"]: each for each in pinflow_json("status", home=home)}
    heads, *lines = pinflow("status", "--positions", home=home).splitlines()
    assert heads.split() == ["topic", "partition", "landed", "to", "cleaned", "to"]
    shown = [line.split() for line in lines]
    assert {topic for topic, *_ in shown} == topics.keys()
    for topic, partition, landed, cleaned in shown:
        assert landed == cleaned == topics[topic]["landed_to"][partition]
    for topic, reported in topics.items():  # of the embedded log a position is a count
        assert sum(int(landed) for name, _, landed, _ in shown if name == topic) == reported["accepted"]


def test_doctor_finds_every_part_well(home: Path, second: Any) -> None:
    states = {each["part"]: each["state"] for each in pinflow_json("doctor", home=home)}
    assert states == dict.fromkeys(("home", "source", "log", "lake", "records", "engine"), "ok") | {
        "gateway": "absent"
    }


def test_free_sql_is_bounded_by_the_system_in_memory_and_time(home: Path, second: Any) -> None:
    bounds = {"PINFLOW__QUERY__MEMORY_MB": "64", "PINFLOW__QUERY__TIMEOUT_SECONDS": "3"}
    for sql, message in (
        ("SELECT length(repeat('x', 3000000000))", "MiB"),
        ("SELECT repeat(title, 100000) FROM pin", "MiB"),
        ("SELECT count(*) FROM range(100000000000) a, range(100000) b", "stopped after 3 s"),
    ):
        done = run("query", "--sql", sql, home=home, **bounds)
        assert done.returncode in (1, 2), done.stdout[:200]
        assert message in done.stderr
        assert "Traceback" not in done.stderr


def test_a_demo_of_one_post_is_a_demo_too(tmp_path: Path) -> None:
    found = pinflow_json("demo", "--posts", "1", home=tmp_path / "home")
    assert found["ok"] is True
    assert (found["posts"], found["acknowledged"]) == (1, 6)
