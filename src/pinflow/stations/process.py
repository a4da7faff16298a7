"""One station: a pinflow command as a process of its own."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pinflow.config import environment_of
from pinflow.errors import StationError, UnavailableError
from pinflow.tasks.jobs import METRICS_FILE

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pinflow.config import Settings

__all__ = ["STDIN_ENDS_IT", "Station", "end_all", "last_lines", "only_one", "wait_for_file"]

STDIN_ENDS_IT = "PINFLOW_STDIN_ENDS_IT"
"""Set, it makes a station end when its standard input closes, so that none outlives its supervisor."""

POLL_S = 0.02


class Station:
    """A command that runs until it is ended; its output goes to a log file in the home folder.

    With `metrics` the command serves metrics on a free port, and writes their address to a file.
    """

    def __init__(
        self,
        name: str,
        args: Sequence[str],
        settings: Settings,
        env: Mapping[str, str] | None = None,
        *,
        metrics: bool = False,
    ) -> None:
        self.name = name
        self.log_file = settings.home / "logs" / f"{name}.log"
        self.starts = 0
        self._command = [sys.executable, "-P", "-m", "pinflow", *args, "--home", str(settings.home)]
        if settings.file is not None:
            self._command += ["--config", str(settings.file)]
        self._env = os.environ | dict(env or {}) | environment_of(settings) | {STDIN_ENDS_IT: "1"}
        self._metrics_file = settings.home / "run" / f"{name}.metrics" if metrics else None
        if self._metrics_file is not None:
            self._command += ["--metrics-port", "0"]
            self._env[METRICS_FILE] = str(self._metrics_file)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process's number while it runs."""
        return self._process.pid if self._process is not None and self.running else None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.poll() if self._process is not None else None

    @property
    def metrics_address(self) -> str | None:
        """Where it serves its metrics; None where it does not, or not yet."""
        path = self._metrics_file
        return path.read_text(encoding="utf-8") if path is not None and path.exists() else None

    def start(self) -> None:
        """Start it, in a process group of its own, so that Ctrl-C reaches the supervisor alone."""
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        if self._metrics_file is not None:
            self._metrics_file.parent.mkdir(parents=True, exist_ok=True)
            self._metrics_file.unlink(missing_ok=True)
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603
                self._command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self._env,
                start_new_session=True,
            )
        self.starts += 1

    def ask_to_end(self) -> None:
        """Send SIGTERM, if it runs."""
        if self._process is not None and self.running:
            self._process.send_signal(signal.SIGTERM)

    def end(self, seconds: float) -> None:
        """Wait this many seconds for it to end, then kill it."""
        if self._process is None:
            return
        try:
            self._process.wait(max(seconds, 0))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def must_run(self) -> None:
        """Check that it runs.

        Raises:
            StationError: It has ended; the error shows the last lines of its log.
        """
        if not self.running:
            raise StationError(
                f"the {self.name} process ended with code {self.exit_code}: {last_lines(self.log_file)}",
                where=str(self.log_file),
                hint="pinflow doctor",
            )


def end_all(stations: Sequence[Station], seconds: float) -> None:
    """Ask all to end, and kill those that still run after this many seconds."""
    for station in stations:
        station.ask_to_end()
    deadline = time.monotonic() + seconds
    for station in stations:
        station.end(deadline - time.monotonic())


def wait_for_file(path: Path, station: Station, seconds: float, stop: threading.Event) -> str | None:
    """Wait until a station has written a file, and return its text; None when `stop` is set before.

    Raises:
        StationError: The station ended, or did not write it in time.
    """
    deadline = time.monotonic() + seconds
    while not stop.is_set():
        if path.exists() and (text := path.read_text(encoding="utf-8").strip()):
            return text
        station.must_run()
        if time.monotonic() > deadline:
            raise StationError(
                f"the {station.name} process was not ready within {seconds:g} s",
                where=str(station.log_file),
                hint="read that log; or: pinflow doctor",
            )
        stop.wait(POLL_S)
    return None


@contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Hold the home against a second supervisor, by a lock that the system releases when the process ends.

    Raises:
        UnavailableError: Another `up` or `demo` runs in this home.
    """
    path = home / "run" / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UnavailableError(
                "another pinflow up or demo runs in this home",
                where=str(home),
                hint="end it, or choose another --home",
            ) from error
        yield


def last_lines(path: Path, lines: int = 5) -> str:
    """The end of a text file."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    return "\n".join(text.splitlines()[-lines:])
