"""Free ports on the loopback, and waiting for what starts on them."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["ROOT", "SEARCHED", "free_port", "listens", "serving", "wait_until"]

ROOT = Path(__file__).parents[2]
"""Where servers are started: they may be modules of these tests."""

SEARCHED = os.pathsep.join(
    [os.environ.get("PATH", ""), "/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/libexec"]
)
"""Where programs are looked for: an ordinary user's PATH has no place where servers are."""

START_S = 60.0
"""A JVM or a database on a busy machine."""


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def serving(command: list[str], port: int, talk: Path, **env: str) -> Iterator[str]:
    """A server that is given its port, from when it listens until it is ended; its URL. What it says goes to `talk`."""
    with talk.open("wb") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out, cwd=ROOT, env=os.environ | env)
        try:
            wait_until(lambda: listens(port) or server.poll() is not None, f"{command[0]} listens")
            assert server.poll() is None, talk.read_text()
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait()


def wait_until(ready: Callable[[], bool], what: str, seconds: float = START_S) -> None:
    """Wait for a condition.

    Raises:
        TimeoutError: It did not come to be.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} not within {seconds:g} s")
        time.sleep(0.05)
