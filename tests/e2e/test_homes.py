"""Every home that can be named works, or is refused with what to do; nothing is written anywhere else."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pinflow import source
from pinflow.config import load
from pinflow.errors import ConfigError
from pinflow.jobs.reports.audit import audit
from pinflow.jobs.runtime import Runtime
from tests.e2e.command import BOUND_S, environment
from tests.pipeline import drain, post, rows, select, topic

if TYPE_CHECKING:
    from pathlib import Path

WORKING = [
    " ",
    "'",
    '"',
    "é",
    "漢字",
    "😀",
    "~",
    "$HOME",
    "`x`",
    "a:b",
    "+",
    "@",
    "=",
    ",",
    ";",
    "&",
    "!",
    "(x)",
    "-x",
    ".x",
]
REFUSED = [
    "?",
    "#",
    "%20",
    "*",
    "[a]",
    "{home}",
    "^",
    "|",
    "\\",
    "\n",
    "\t",
    "\x1b",
    "\x7f",
    "\u202e",
    "\udcff",
]


@pytest.mark.parametrize("name", WORKING)
def test_a_home_of_any_plain_name_works(tmp_path: Path, name: str) -> None:
    settings = load(tmp_path / name, env={})
    source.create(settings.config.source.url, posts=1)
    with Runtime(settings) as runtime:
        for side in ("batch", "stream"):
            post(runtime, topic(side, "user"), rows({"ind": 1, "age": 20}, {"ind": "x"}))
        drain(runtime)
        assert select(runtime, "SELECT age FROM user") == [(20,)]
    with Runtime(settings, read_only=True) as runtime:
        assert audit(runtime, deep=True).ok
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", REFUSED, ids=ascii)
def test_a_home_that_tables_cannot_be_in_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="characters") as refused:
        load(tmp_path / f"a{name}b", env={})
    assert "--home" in refused.value.hint
    assert refused.value.where.isascii()


@pytest.mark.parametrize("name", [name for name in REFUSED if name != "{home}"], ids=ascii)
def test_so_is_a_lake(tmp_path: Path, name: str) -> None:
    settings = load(tmp_path / "home", env={"PINFLOW__LAKE__URL": str(tmp_path / f"a{name}b")})
    with Runtime(settings) as runtime, pytest.raises(ConfigError, match="characters") as refused:
        assert runtime.store
    assert "lake.url" in refused.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "command", [["init"], ["status"], ["demo", "--posts", "1"], ["gateway", "keys", "list"]]
)
@pytest.mark.parametrize(
    ("args", "env", "why"),
    [
        (["--home", ""], {}, "it is empty"),
        ([], {"PINFLOW_HOME": ""}, "PINFLOW_HOME is empty"),
        (["--home", "~nosuch/x"], {}, "home folder cannot be found"),
        (["--home", "home", "--config", ""], {}, "it is empty"),
    ],
)
def test_a_home_without_a_name_is_wrong_usage_and_nothing_is_written(
    tmp_path: Path, command: list[str], args: list[str], env: dict[str, str], why: str
) -> None:
    done = pinflow_in(tmp_path, *command, *args, **env)
    assert done.returncode == 2, done.stderr
    assert why in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x" * 300, "/".join(["x" * 200] * 30), "file", "file/home"])
def test_a_home_that_cannot_be_made_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    done = pinflow_in(tmp_path, "init", "--home", name)
    assert done.returncode in {1, 2}
    assert name in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_working_folder_that_was_deleted_is_no_hindrance(tmp_path: Path) -> None:
    gone = tmp_path / "gone"

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        gone.mkdir()
        return subprocess.run(
            [sys.executable, "-m", "pinflow", *words],
            cwd=gone,
            preexec_fn=gone.rmdir,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=BOUND_S,
            check=False,
        )

    assert run("init", "--home", str(tmp_path / "home")).returncode == 0
    assert (tmp_path / "home" / "pinflow.toml").exists()
    done = run("status")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "next:" in done.stderr


def pinflow_in(folder: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "pinflow", *args],
        cwd=folder,
        env=environment(**env) | {"HOME": os.fspath(folder)},
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        check=False,
    )
