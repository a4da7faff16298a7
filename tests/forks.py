"""Processes forked from a server that has imported everything, so that a start costs milliseconds of CPU."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from multiprocessing.context import ForkServerContext
    from multiprocessing.process import BaseProcess

__all__ = ["Forked", "arm", "context", "run_command", "start_command"]

PRELOADED = [
    "tests.children",
    "tests.crash.soak",
    "pinflow.cli.main",
    *(
        f"pinflow.cli.{name}"
        for name in ("audit", "config", "emulate", "gateway", "jobs", "maintain", "query")
    ),
    *(f"pinflow.cli.{name}" for name in ("demo", "doctor", "replay", "show", "source", "topics", "up")),
    "pinflow.engine.duckdb.engine",
    "pinflow.gateway",
    "pinflow.jobs.clean.clean",
    "pinflow.jobs.land.adopt",
    "pinflow.jobs.land.land",
    "pinflow.jobs.maintain.maintain",
    "pinflow.jobs.replay.abandon",
    "pinflow.jobs.replay.quarantine",
    "pinflow.jobs.replay.replay",
    "pinflow.jobs.reports.audit",
    "pinflow.lake.store.s3",
    "pinflow.log.kafka.log",
    "pinflow.log.kinesis.log",
    "pinflow.log.sqlite.log",
    "pinflow.query.ask",
    "pinflow.source.mysql",
    "pinflow.source.sqlite",
    "pinflow.stations.demo",
    "pinflow.steps.worker",
]
"""What one of these processes may need. Python starts one server a process, by the first list that it is given."""


def context() -> ForkServerContext:
    """Where such processes are made; the server starts with the first."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(PRELOADED)
    return made


def arm(point: str, signal_name: str = "KILL") -> None:
    """Have this process end at a failpoint, `land.planned:3` the third time; at none if it is empty."""
    from pinflow import failpoints

    os.environ[failpoints.SIGNAL_VARIABLE] = signal_name
    failpoints._armed, _, count = point.partition(":")
    failpoints._left = int(count or 1)


def run_command(
    args: Sequence[str], env: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run `pinflow` to its end in a forked process, as `subprocess.run` would in a new one."""
    with tempfile.TemporaryDirectory(prefix="pinflow-command-") as name:
        out, err = Path(name, "out"), Path(name, "err")
        with out.open("wb") as to_out, err.open("wb") as to_err:
            process = _start(args, env, to_out.fileno(), to_err.fileno())
        try:
            process.join(timeout)
            if process.exitcode is None:
                raise subprocess.TimeoutExpired(
                    ["pinflow", *args], timeout, out.read_bytes(), err.read_bytes()
                )
        finally:
            if process.exitcode is None:
                process.kill()
                process.join()
        return subprocess.CompletedProcess(
            ["pinflow", *args], process.exitcode, out.read_text(), err.read_text()
        )


class Forked:
    """A command that runs in a forked process, and is handled as a `subprocess.Popen` is; stdout has stderr too."""

    def __init__(self, process: BaseProcess, stdout: TextIO) -> None:
        self._process = process
        self.stdout = stdout

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self.poll()

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("pinflow", timeout or 0)
        return self._process.exitcode

    def communicate(self, timeout: float | None = None) -> tuple[str, None]:
        """What it still says until it ends; the end itself is waited for no longer than `timeout`."""
        said = "" if self.stdout.closed else self.stdout.read()
        self.wait(timeout)
        self.stdout.close()
        return said, None

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start_command(args: Sequence[str], env: Mapping[str, str]) -> Forked:
    """Start `pinflow` in a forked process."""
    ours, its = os.pipe()
    try:
        process = _start(args, env, its, its)
    finally:
        os.close(its)
    return Forked(process, os.fdopen(ours))


def _start(args: Sequence[str], env: Mapping[str, str], out: int, err: int) -> BaseProcess:
    passed = [_Descriptor(number) for number in (out, err)]
    process = context().Process(target=_command, args=(list(args), dict(env), str(Path.cwd()), passed))
    process.start()
    return process


class _Descriptor:
    """An open file that goes along to a process that is started."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __reduce__(self) -> tuple[object, ...]:
        return _taken, (DupFd(self._number),)


def _taken(passed: Any) -> int:
    number: int = passed.detach()
    return number


def _command(args: list[str], env: dict[str, str], folder: str, passed: list[int]) -> None:
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    for opened, number in zip(passed, (1, 2), strict=True):
        os.dup2(opened, number)
        os.close(opened)
    # Those that Python begins with; the command then puts its own in their place.
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w")  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w")  # type: ignore[misc]
    sys.argv = ["pinflow", *args]
    from pinflow import failpoints
    from pinflow.__main__ import main

    arm(env.get(failpoints.VARIABLE, ""), env.get(failpoints.SIGNAL_VARIABLE, "KILL"))
    main()
