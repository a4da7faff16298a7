"""The installed command, run as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.forks import Forked, run_command, start_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

BOUND_S = 120.0

Running = subprocess.Popen[str] | Forked
"""A command that was started."""


def environment(**more: str) -> dict[str, str]:
    """The environment without any setting of the machine's."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PINFLOW")} | more


def command(*args: str, home: Path) -> list[str]:
    """The command's words."""
    return [sys.executable, "-m", "pinflow", *args, "--home", str(home)]


def run(*args: str, home: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, however it ends, in a process that has imported what it needs."""
    return run_command([*args, "--home", str(home)], environment(**env), BOUND_S)


def pinflow(*args: str, home: Path, code: int = 0) -> str:
    """Run a command to its end, and return its stdout."""
    done = run(*args, home=home)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def pinflow_json(*args: str, home: Path, code: int = 0) -> Any:
    """Run a command that reports as JSON."""
    return json.loads(pinflow(*args, "--json", home=home, code=code))


@contextmanager
def running(*args: str, home: Path, **env: str) -> Iterator[Running]:
    """A command that runs; it is killed at the end if it still does. `up`, which starts others, is a new process."""
    process: Running
    if args[0] == "up":
        process = subprocess.Popen(
            command(*args, home=home),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment(**env),
        )
    else:
        process = start_command([*args, "--home", str(home)], environment(**env))
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@contextmanager
def gateway(home: Path) -> Iterator[str]:
    """A gateway on a free port; its address."""
    ready = home / "run" / "test.url"
    ready.unlink(missing_ok=True)
    with running("gateway", "--port", "0", "--ready-file", str(ready), home=home) as process:
        until(lambda: ready.exists() or process.poll() is not None)
        yield ready.read_text()
        process.terminate()
        assert process.wait(10) == 0


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for a condition, within a bound."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
