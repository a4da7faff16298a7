"""The functions of `pinflow`: each returns what its command prints, and the examples of their page run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

import pinflow
from pinflow.jobs.runtime import Runtime
from tests.e2e.command import BOUND_S, environment, gateway, run
from tests.pipeline import drain, post, rows, topic

if TYPE_CHECKING:
    from collections.abc import Callable

    from pinflow.jobs.pipelines import Side

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)

SIDES: tuple[Side, ...] = ("batch", "stream")


def test_every_example_of_the_page_runs_in_the_order_of_the_page(tmp_path: Path) -> None:
    examples = EXAMPLE.findall(PAGE.read_text(encoding="utf-8"))
    assert len(examples) > 10
    script = tmp_path / "page.py"
    script.write_text("\n".join(examples).replace("/tmp/elsewhere", str(tmp_path / "elsewhere")))
    with gateway(tmp_path / ".pinflow") as url:
        done = subprocess.run(
            [sys.executable, str(script)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=BOUND_S,
            check=False,
            env=environment(PINFLOW__EMULATOR__URL=url),
        )
    assert done.returncode == 0, done.stderr
    assert "JobResult(job='land', records=0)" in done.stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("python") / "home"
    pinflow.create_source(pinflow.settings(home), posts=20)
    with Runtime(pinflow.settings(home)) as runtime:
        for side in SIDES:
            post(runtime, topic(side, "user"), [*rows({"ind": 1, "age": 20}, {"ind": 2, "age": "x"}), b"x"])
        drain(runtime)
    return home


REPORTS: dict[str, Callable[[pinflow.Settings], object]] = {
    "land --drain --json": pinflow.land,
    "batch --drain --json": pinflow.batch,
    "stream --drain --json": pinflow.stream,
    "status --json": pinflow.status,
    "audit --json": pinflow.audit,
    "audit --deep --json": lambda settings: pinflow.audit(settings, deep=True),
    "maintain --dry-run --json": lambda settings: pinflow.maintain(settings, dry_run=True),
    "query --format json": lambda _: pinflow.questions(),
    "query users_joined_by_year --side stream --format json": lambda settings: pinflow.query(
        "users_joined_by_year", settings, side="stream"
    ),
    "query all --format json": pinflow.query_all,
    "query --format json --sql 'SELECT ind, age, date_joined FROM user'": lambda settings: pinflow.query(
        settings=settings, sql="SELECT ind, age, date_joined FROM user"
    ),
    "replay run stream user --dry-run --json": lambda settings: pinflow.replay(
        "stream", "user", settings, dry_run=True
    ),
    "replay quarantine batch --json": lambda settings: pinflow.retry_quarantine("batch", settings=settings),
    "replay abandon batch --json": lambda settings: pinflow.abandon_replay("batch", settings=settings),
    "source show --json": pinflow.show_source,
    "gateway topics list --json": pinflow.list_topics,
}


@pytest.mark.parametrize("words", REPORTS)
def test_a_function_returns_what_its_command_prints(home: Path, words: str) -> None:
    printed = run(*shlex.split(words), home=home)
    assert printed.returncode == 0, printed.stderr
    result = REPORTS[words](pinflow.settings(home))
    assert msgspec.json.format(msgspec.json.encode(result), indent=2).decode() == printed.stdout.rstrip("\n")


def test_the_demo_and_the_source_too(tmp_path: Path) -> None:
    made = pinflow.create_source(pinflow.settings(tmp_path / "a"), posts=5)
    printed = run("source", "create", "--posts", "5", "--json", home=tmp_path / "b").stdout
    assert msgspec.json.decode(printed, type=pinflow.SourceResult).posts == made.posts
    lines: list[str] = []
    report = pinflow.demo(pinflow.settings(tmp_path / "a"), say=lines.append)
    assert report.ok
    assert report.posts == 5
    assert any("answering ten questions" in line for line in lines)
    shown = msgspec.json.decode(run("demo", "--json", home=tmp_path / "a").stdout)
    assert shown.keys() == msgspec.json.decode(msgspec.json.encode(report)).keys()
    assert shown["answers"] == report.answers


def test_an_override_reaches_the_processes_that_the_demo_starts(tmp_path: Path) -> None:
    settings = pinflow.settings(tmp_path / "home", overrides={"id": "someone", "log.partitions": 2})
    report = pinflow.demo(settings, posts=5)
    assert report.ok
    assert {line.topic for line in report.audit.lines if line.accepted} >= {"someone.pin"}
    assert set(pinflow.list_topics(settings).values()) == {2}


def test_what_a_command_would_load_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert pinflow.settings().home == tmp_path / ".pinflow"
    monkeypatch.setenv("PINFLOW_HOME", "elsewhere")
    monkeypatch.setenv("PINFLOW__LAND__FLUSH_SECONDS", "2")
    assert pinflow.create_source(posts=3).source.endswith("elsewhere/source.db")
    assert pinflow.show_source().posts == 3
    assert pinflow.settings().config.land.flush_seconds == 2
    assert pinflow.settings(overrides={"land.flush_seconds": 7}).config.land.flush_seconds == 7
    (tmp_path / "own.toml").write_text("[land]\nflush_records = 3\n")
    monkeypatch.setenv("PINFLOW_CONFIG", "own.toml")
    assert pinflow.settings().config.land.flush_records == 3
    with pytest.raises(pinflow.ConfigError, match=r"unknown setting 'land\.flush_second'"):
        pinflow.settings(overrides={"land.flush_second": 7})
