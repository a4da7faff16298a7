"""What the tests need of the system is tried by use, and all that they call is among it."""

from __future__ import annotations

import ast
import os
from itertools import chain
from typing import TYPE_CHECKING

import pytest
from tests.servers.ports import ROOT
from tests.tools.system import NEEDS, Need, UnmetError, ensure, missing_packages

if TYPE_CHECKING:
    from pathlib import Path

PACKAGED = ("dpkg",)
"""Installed wherever there is dpkg, so nothing is installed here."""

OF_THE_MACHINE = {
    "bash",
    "apt-get",
    "apt-config",
    "chroot",
    "dpkg-query",
    "git",
    "rm",
    "setpriv",
    "tar",
    "unshare",
}
"""Called by tests/tools, which look for them themselves or run where a clone was made."""


CALLS = {"subprocess.run", "subprocess.Popen", "shutil.which", "found", "_use", "_output"}


class Tried:
    """A trial that runs a program and counts how often."""

    def __init__(self, program: Path) -> None:
        self.program = program
        self.times = 0

    def run_the_program(self, _: Path) -> None:
        self.times += 1
        assert os.spawnl(os.P_WAIT, self.program, str(self.program)) == 0, f"{self.program} failed"

    def need(self, without: str = "") -> Need:
        return Need("trial", "the program", (str(self.program),), PACKAGED, self.run_the_program, without)


@pytest.fixture
def tried(tmp_path: Path) -> Tried:
    """Of a program that calls another one, `helper`, which is not there yet."""
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\nexec {tmp_path}/helper\n")
    program.chmod(0o755)
    return Tried(program)


def complete(tried: Tried) -> None:
    helper = tried.program.with_name("helper")
    helper.write_text("#!/bin/sh\n")
    helper.chmod(0o755)


def test_a_program_that_is_there_and_does_not_work_is_not_enough(tried: Tried, tmp_path: Path) -> None:
    with pytest.raises(UnmetError, match=r"(?s)program failed.*\n  next:  mend .* dpkg"):
        ensure(tried.need(), stamps=tmp_path / "stamps")
    complete(tried)
    ensure(tried.need(), stamps=tmp_path / "stamps")


def test_what_worked_is_tried_again_only_if_its_program_changed_or_it_is_asked_for(
    tried: Tried, tmp_path: Path
) -> None:
    complete(tried)
    for _ in range(2):
        ensure(tried.need(), stamps=tmp_path / "stamps")
    assert tried.times == 1
    os.utime(tried.program, (1, 1))
    ensure(tried.need(), stamps=tmp_path / "stamps")
    assert tried.times == 2
    ensure(tried.need(), stamps=tmp_path / "stamps", again=True)
    assert tried.times == 3


def test_a_program_that_vanished_is_noticed(tried: Tried, tmp_path: Path) -> None:
    complete(tried)
    ensure(tried.need(), stamps=tmp_path / "stamps")
    tried.program.unlink()
    with pytest.raises(UnmetError, match="program is not installed"):
        ensure(tried.need(), stamps=tmp_path / "stamps")


def test_what_tests_can_do_without_is_only_said_but_fails_in_ci(
    tried: Tried, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    need = tried.need(without="some tests are skipped")
    monkeypatch.delenv("CI", raising=False)
    ensure(need, stamps=tmp_path / "stamps")
    assert "the program cannot be used here, so some tests are skipped: " in capsys.readouterr().out
    monkeypatch.setenv("CI", "1")
    with pytest.raises(UnmetError):
        ensure(need, stamps=tmp_path / "stamps")


def test_packages_that_are_not_installed_are_known_by_dpkg() -> None:
    assert missing_packages(("no-such-package-of-ours", "neither-this-one")) == [
        "no-such-package-of-ours", "neither-this-one",
    ]  # fmt: skip


def test_every_program_that_tests_call_is_tried_before() -> None:
    files = chain((ROOT / "tests").rglob("*.py"), (ROOT / "benchmarks").rglob("*.py"))
    called = {name: file for file in files for name in programs_of(file)}
    assert {"openssl", "mariadbd", "mount", "java", "node", "strace"} <= {*called}, (
        "the search finds too little"
    )
    tried = {program for need in NEEDS.values() for program in need.programs}
    assert {name: file for name, file in called.items() if name not in tried | OF_THE_MACHINE} == {}


def programs_of(file: Path) -> set[str]:
    """The programs that a module names where it calls or looks for one."""
    calls = [
        node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call) and node.args
    ]
    return {name for call in calls if ast.unparse(call.func) in CALLS for name in first_words(call.args[0])}


def first_words(argument: ast.expr) -> list[str]:
    """The program of a command: a text alone, or the first of a list."""
    if isinstance(argument, ast.List | ast.Tuple) and argument.elts:
        argument = argument.elts[0]
    text = argument.value if isinstance(argument, ast.Constant) else None
    return [text] if isinstance(text, str) else []
