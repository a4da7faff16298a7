"""A second user, who may not write to a home, reads what is there now, or is shown why it cannot be read."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pinflow import source
from pinflow.config import load
from pinflow.jobs.runtime import Runtime
from pinflow.log import open_log
from tests.e2e.command import pinflow
from tests.pipeline import drain, post, rows, topic
from tests.second_user import as_reader, run_as_reader, write_protected

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pinflow.jobs.pipelines import Side

SIDES: tuple[Side, ...] = ("batch", "stream")

RECORDS = 8


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home whose log is still open: its last records are in the files beside it, and wait for the jobs."""
    home = tmp_path_factory.mktemp("written") / "home"
    settings = load(home, env={})
    source.create(settings.config.source.url, posts=3)
    with Runtime(settings) as runtime:
        for side in SIDES:
            post(runtime, topic(side, "user"), rows({"ind": 1}, {"ind": 2}, {"ind": 1}))
        drain(runtime)
        for side in SIDES:
            post(runtime, topic(side, "user"), rows({"ind": 3}))
        assert (home / "log.db-wal").stat().st_size > 0
        yield home


@pytest.fixture
def home(written: Path, tmp_path: Path) -> Path:
    """The same as a killed writer leaves it."""
    return shutil.copytree(written, tmp_path / "home")


def accepted(home: Path) -> int:
    done = run_as_reader("status", "--json", home=home)
    assert done.returncode == 0, done.stderr
    return sum(each["accepted"] for each in json.loads(done.stdout))


def test_what_a_running_writer_has_written_is_read(written: Path) -> None:
    with write_protected(written):
        assert accepted(written) == RECORDS


def test_what_a_killed_writer_has_written_is_read(home: Path) -> None:
    with write_protected(home):
        assert accepted(home) == RECORDS
    assert (home / "log.db-wal").stat().st_size > 0


def test_what_a_writer_that_has_ended_has_written_is_read(home: Path) -> None:
    end(home)
    with write_protected(home):
        assert accepted(home) == RECORDS
        assert not (home / "log.db-shm").exists()


def test_an_audit_of_a_second_user_finds_no_difference_that_is_not_there(home: Path) -> None:
    with write_protected(home):
        done = run_as_reader("audit", "--deep", "--json", home=home)
        assert done.returncode == 0, done.stdout + done.stderr
        assert sum(line["accepted"] for line in json.loads(done.stdout)["lines"]) == RECORDS


def test_where_the_last_records_cannot_be_read_that_is_said_and_what_to_do(home: Path) -> None:
    (home / "log.db-shm").unlink()
    with write_protected(home):
        done = run_as_reader("status", home=home)
    assert done.returncode == 1
    assert "cannot be read by this user" in done.stderr
    assert "log.db-shm" in done.stderr
    assert "run pinflow status as the user who writes the log" in done.stderr
    pinflow("status", home=home)
    with write_protected(home):
        assert accepted(home) == RECORDS


@pytest.mark.parametrize("which", ["log.db", "source.db", "lake", "pinflow.toml", "."])
def test_what_a_user_may_not_read_is_named(home: Path, which: str) -> None:
    (home / "pinflow.toml").touch()
    path = home / which
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        done = run_as_reader(*(["source", "show"] if which == "source.db" else ["status"]), home=home)
    finally:
        path.chmod(mode)
    assert done.returncode in {1, 2}
    assert "Traceback" not in done.stderr
    assert str(path) in done.stderr
    assert "next:" in done.stderr


@pytest.mark.parametrize(
    "args",
    [
        ["land", "--drain"],
        ["stream", "--drain"],
        ["source", "create", "--replace"],
        ["init"],
        ["up"],
        ["demo"],
        ["gateway", "topics", "create", "x"],
        ["gateway", "keys", "create", "--name", "x"],
    ],
    ids=" ".join,
)
def test_what_a_user_may_not_write_is_named(home: Path, args: list[str]) -> None:
    with write_protected(home):
        done = run_as_reader(*args, home=home)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert str(home) in done.stderr
    assert "next:" in done.stderr


READ_TWICE = """
import sys
from pinflow.log import open_log

log = open_log(sys.argv[1], read_only=True)
print(log.topics.list(), flush=True)
sys.stdin.readline()
print(log.topics.list(), flush=True)
"""

READ_ACROSS_A_WRITE = """
import sys
from pinflow.errors import UnavailableError
from pinflow.log import open_log

log = open_log(sys.argv[1], read_only=True)
try:
    with log.reading() as db:
        print(db.execute("SELECT name FROM topic").fetchall(), flush=True)
        sys.stdin.readline()
        db.execute("SELECT count(*) FROM topic").fetchall()
except UnavailableError as error:
    print(error.what, flush=True)
"""


@pytest.mark.parametrize(
    ("script", "first", "second"),
    [
        (READ_TWICE, "{'a': 1}", "{'a': 1, 'b': 1}"),
        (READ_ACROSS_A_WRITE, "[('a',)]", "the log began to be written while it was read"),
    ],
    ids=["between two reads", "within a read"],
)
def test_a_writer_that_begins_beside_a_reader_without_locks_is_noticed(
    tmp_path: Path, script: str, first: str, second: str
) -> None:
    home = tmp_path / "home"
    url = f"sqlite:///{home / 'log.db'}"
    create(url, "a")
    with write_protected(home):
        command = as_reader(sys.executable, "-c", script, url)
        reader: Any = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        with reader:
            assert reader.stdout.readline().strip() == first
            home.chmod(0o755)
            (home / "log.db").chmod(0o644)
            create(url, "b")
            reader.stdin.write("\n")
            reader.stdin.flush()
            assert reader.stdout.readline().strip() == second


def create(url: str, name: str) -> None:
    log = open_log(url)
    log.topics.create(name, 1)
    log.close()


def end(home: Path) -> None:
    """Open the log and close it, as the last writer does."""
    log = open_log(f"sqlite:///{home / 'log.db'}")
    assert log.topics.list()
    log.close()
    assert not (home / "log.db-wal").exists()
