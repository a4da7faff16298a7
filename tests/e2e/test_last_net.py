"""An error that nobody expected becomes three lines and a file with the traceback, which holds no secret."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pinflow.config import load
from pinflow.jobs.runtime import Runtime
from tests.e2e.command import BOUND_S, command, environment, until
from tests.pipeline import drain, post, rows, topic
from tests.second_user import as_reader, write_protected

if TYPE_CHECKING:
    from collections.abc import Sequence

FAILING = """
import sys
import pinflow.jobs.reports.status

class Panic(BaseException):
    pass

def fail(parts):
    raise {error}

pinflow.jobs.reports.status.status = fail
sys.argv[0] = "pinflow"
from pinflow.__main__ import main
main()
"""

PASSWORD, API_KEY, AWS = "hunter2/@horse", "pf_0123456789abcdef", "wJalrXUtnFEMI"
URL = f"mysql+pymysql://me:{PASSWORD.replace('/', '%2F').replace('@', '%40')}@db.example.com/pinterest_data"


def status(
    error: str, home: Path, *args: str, before: Sequence[str] = (), **env: str
) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-P", "-c", FAILING.format(error=error), "status", "--home", str(home), *args]
    return subprocess.run(
        [*before, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=BOUND_S,
        env=environment(**env),
    )


def file_of(done: subprocess.CompletedProcess[str]) -> Path:
    found = re.search(r"the traceback is in (\S+);", done.stderr)
    assert found is not None, done.stderr
    return Path(found[1])


@pytest.mark.parametrize(
    "error",
    [
        "ZeroDivisionError('no\\nlonger')",
        "Panic('no')",
        "MemoryError()",
        "EOFError('no')",
        "RecursionError()",
    ],
)
def test_an_unexpected_error_is_three_lines_and_a_file_in_the_home(tmp_path: Path, error: str) -> None:
    done = status(error, tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    what, where, following = done.stderr.splitlines()
    name = error.partition("(")[0]
    assert re.fullmatch(rf"pinflow: an unexpected error: {name}(: no)?", what)
    assert re.fullmatch(r"  where: tasks/reports.py, line \d+, in status", where)
    assert following.startswith("  next:  the traceback is in ")
    file = file_of(done)
    assert file.parent == tmp_path / "logs"
    assert file.stat().st_mode & 0o077 == 0
    text = file.read_text()
    assert "Traceback (most recent call last)" in text
    assert text.startswith("pinflow ")
    assert f"command: status --home {tmp_path}\n" in text


def test_without_a_home_the_file_is_in_the_temporary_folder_and_no_home_is_made(tmp_path: Path) -> None:
    done = status("ValueError('no')", tmp_path / "home", TMPDIR=str(tmp_path))
    assert file_of(done).parent == tmp_path
    assert not (tmp_path / "home").exists()


def test_where_the_home_cannot_be_written_the_file_is_in_the_temporary_folder(tmp_path: Path) -> None:
    home, other = tmp_path / "home", tmp_path / "other"
    home.mkdir()
    other.mkdir()
    with write_protected(home):
        done = status("ValueError('no')", home, before=as_reader(), TMPDIR=str(other))
    assert file_of(done).parent == other


def test_where_no_file_can_be_written_there_is_still_debug(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file")
    nowhere = {"TMPDIR": "/proc", "TMP": "/proc", "TEMP": "/proc"}
    script = "import tempfile; tempfile.tempdir = '/proc'; "
    done = subprocess.run(
        [
            sys.executable,
            "-P",
            "-c",
            script + FAILING.format(error="ValueError('no')"),
            "status",
            "--home",
            str(tmp_path),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=BOUND_S,
        env=environment(**nowhere),
    )
    assert done.returncode == 1
    assert "run it again with --debug" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("debug", [[], ["--debug"]])
def test_no_secret_is_in_the_lines_or_the_file(tmp_path: Path, debug: list[str]) -> None:
    env = {
        "PINFLOW__SOURCE__URL": URL,
        "PINFLOW__EMULATOR__API_KEY": API_KEY,
        "AWS_SECRET_ACCESS_KEY": AWS,
        "MYSQL_PWD": "another password",
    }
    error = f"ValueError({f'{URL} {PASSWORD} {API_KEY} {AWS} another password'!r})"
    done = status(error, tmp_path, *debug, **env)
    reported = done.stderr + file_of(done).read_text()
    assert "ValueError" in reported
    assert ("Traceback" in done.stderr) is bool(debug)
    for secret in (PASSWORD, "hunter2", API_KEY, AWS, "another password"):
        assert secret not in reported


def test_an_error_of_the_configuration_itself_is_caught_too(tmp_path: Path) -> None:
    script = """
import sys
import pinflow.config
def fail(*args, **kwargs):
    raise KeyError("settings")
pinflow.config.settings = fail
from pinflow.__main__ import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, "status", "--home", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=BOUND_S,
        env=environment(),
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 3
    assert "KeyError: 'settings'" in done.stderr


ENDLESS = "SELECT count(*) FROM range(100000000000) a, range(100000) b"


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGKILL])
def test_free_sql_ends_with_its_command_however_that_ends(tmp_path: Path, by: signal.Signals) -> None:
    home = tmp_path / "home"
    with Runtime(load(home, env={})) as runtime:
        post(runtime, topic("batch", "user"), rows({"ind": 1}))
        drain(runtime)
    words = command("query", "--sql", ENDLESS, home=home)
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment()) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        until(lambda: children.read_text().strip())
        child = int(children.read_text().split()[0])
        process.send_signal(by)
        _, said = process.communicate(timeout=BOUND_S)
    assert process.returncode == (130 if by is signal.SIGINT else -by)
    assert said.split() == (["stopped"] if by is signal.SIGINT else [])
    until(lambda: not is_running(child))


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
