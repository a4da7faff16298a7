"""Nothing in the working folder is imported, whatever it is called, by a command or by what it starts."""

from __future__ import annotations

import signal
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.e2e.command import BOUND_S, environment, pinflow_json, until

IMPORTED_BY_PYTHON = {"collections", "contextlib", "functools", "importlib", "io", "keyword"}
IMPORTED_BY_PYTHON |= {"operator", "os", "reprlib", "runpy", "types", "warnings"}
"""What `python -m` itself may import from the working folder before the first line of the module it is to run."""

TRAP = """
with open({mark!r}, "a") as mark:
    mark.write({name!r} + "\\n")
raise ImportError("a file of the working folder")
"""


class Folder:
    """A working folder with a file for every module that is installed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.mark = path / "imported.txt"
        names = {*sys.stdlib_module_names, *packages_distributions(), "pinflow", "sitecustomize"}
        for name in sorted(names):
            if name.isidentifier():
                self.trap(name).write_text(TRAP.format(mark=str(self.mark), name=name))

    def trap(self, name: str) -> Path:
        return self.path / f"{name}.py"

    def run(self, *command: str, code: int = 0) -> str:
        done = subprocess.run(
            command,
            cwd=self.path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=BOUND_S,
            check=False,
        )
        assert self.imported == []
        assert done.returncode == code, done.stderr
        return done.stdout

    @property
    def imported(self) -> list[str]:
        return self.mark.read_text().split() if self.mark.exists() else []


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "work").mkdir()
    return Folder(tmp_path / "work")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("pipeline") / "home"
    Folder(home.parent).run(INSTALLED, "demo", "--posts", "12", "--home", str(home))
    return home


INSTALLED = str(Path(sys.executable).parent / "pinflow")

COMMANDS = [
    ["--version"],
    ["query", "--sql", "SELECT count(*) FROM pin"],
    ["query", "all"],
    ["status"],
    ["audit", "--deep"],
    ["land", "--drain"],
    ["batch", "--drain"],
    ["stream", "--drain"],
    ["maintain"],
    ["replay", "run", "batch"],
    ["source", "show"],
    ["config", "show"],
    ["gateway", "topics", "list"],
    ["gateway", "keys", "list"],
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_command_imports_nothing_of_the_working_folder(
    folder: Folder, home: Path, words: list[str]
) -> None:
    folder.run(INSTALLED, *words, *([] if words == ["--version"] else ["--home", str(home)]))


@pytest.mark.parametrize("words", COMMANDS[:3], ids=" ".join)
def test_python_m_imports_nothing_of_it_once_python_has_found_the_module(
    folder: Folder, home: Path, words: list[str]
) -> None:
    for name in IMPORTED_BY_PYTHON | {"pinflow"}:
        folder.trap(name).unlink()
    command = [sys.executable, "-m", "pinflow", *words]
    folder.run(*command, *([] if words == ["--version"] else ["--home", str(home)]))


def test_the_stations_of_up_import_nothing_of_it(folder: Folder, home: Path) -> None:
    before = cleaned(home)
    env = environment(PINFLOW__GATEWAY__PORT="0", PINFLOW__BATCH__EVERY_SECONDS="0.2")
    command = [INSTALLED, "up", "--rate", "max", "--home", str(home)]
    with subprocess.Popen(command, cwd=folder.path, env=env, stderr=subprocess.DEVNULL) as process:
        try:
            until(
                lambda: folder.imported or all(rows > before[table] for table, rows in cleaned(home).items())
            )
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(BOUND_S) == 0
    assert folder.imported == []


def cleaned(home: Path) -> dict[str, int]:
    return {each["table"]: each["rows"] for each in pinflow_json("status", home=home)}
