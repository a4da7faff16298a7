"""Free SQL in a process of its own, which can take no more memory and no more time than a query may.

The engine bounds what it allocates for rows, but a single value can be larger than that, and a single function call
longer than its interrupt. The system's bounds hold for both.

The process is not one of `multiprocessing`, which imports the caller's main script again, and looks for its own modules
in the working folder first.
"""

from __future__ import annotations

import os
import pickle
import resource
import subprocess
import sys
import threading
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pinflow.ask.ask import run_sql
from pinflow.engine import Result
from pinflow.errors import LimitError, PinflowError
from pinflow.jobs.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinflow.config import Settings

__all__ = ["run_sandboxed"]

OUTSIDE_THE_ENGINE_BYTES = 1 << 30
"""What Python, the libraries and the answer in transit may take on top of the engine's own memory."""

START_S = 15.0
"""The time that the process has to start and to load the tables, on top of the query's own."""


def run_sandboxed(settings: Settings, sql: str) -> Result:
    """Run one SELECT as `ask.ask.run_sql` does, in a process that ends with it.

    Raises:
        UsageError: It is not one SELECT, or reaches for anything but the tables.
        LimitError: It takes too long or too much.
    """
    seconds = settings.config.query.timeout_seconds
    with _child() as process:
        try:
            sent, _ = process.communicate(pickle.dumps((settings, sql)), seconds + START_S)
        except subprocess.TimeoutExpired:
            raise _too_long(seconds) from None
        finally:
            process.kill()
    if process.returncode > 0:
        raise RuntimeError(f"the process of free SQL ended with code {process.returncode}")
    if process.returncode < 0:  # what cannot be allocated deep in the engine ends it
        raise _too_much(settings)
    answer = pickle.loads(sent)  # noqa: S301 - of our own child
    if isinstance(answer, Result):
        return answer
    raise answer


@contextmanager
def _child() -> Iterator[subprocess.Popen[bytes]]:
    """The process. Ctrl-C reaches its parent alone, and it ends when its parent does, however that ends."""
    watched, held = os.pipe()
    command = [sys.executable, "-P", "-m", "pinflow.ask.sandbox", str(watched)]
    try:
        with subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[watched],
            process_group=0,
        ) as process:
            yield process
    finally:
        os.close(watched)
        os.close(held)


def _end_with_parent(watched: int) -> None:
    os.read(watched, 1)  # nothing is ever written
    os._exit(1)


def _main() -> None:
    """The body of the process: one answer, or one error, on standard output, which nothing else may write to."""
    threading.Thread(target=_end_with_parent, args=[int(sys.argv[1])], daemon=True).start()
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)
        settings, sql = pickle.load(sys.stdin.buffer)  # noqa: S301 - of our own parent
        answer = _answer(settings, sql)
        try:
            data = pickle.dumps(answer)
        except MemoryError:
            data = pickle.dumps(_too_much(settings))
        out.write(data)


def _answer(settings: Settings, sql: str) -> Result | Exception:
    most = (settings.config.query.memory_mb << 20) + OUTSIDE_THE_ENGINE_BYTES
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    try:
        with Runtime(settings, read_only=True) as runtime:
            return run_sql(runtime, sql)
    except PinflowError as error:
        return error
    except MemoryError:
        return _too_much(settings)
    except Exception as error:  # noqa: BLE001 - a bug, which the caller shows as one
        return RuntimeError(f"{type(error).__name__}: {error}\n{traceback.format_exc()}")


def _too_long(seconds: float) -> LimitError:
    return LimitError(
        f"the query was stopped after {seconds:g} s",
        where="query.timeout_seconds",
        hint="ask for less, or raise it",
    )


def _too_much(settings: Settings) -> LimitError:
    return LimitError(
        f"the query needs more than its {settings.config.query.memory_mb} MiB",
        where="query.memory_mb",
        hint="ask for less, or raise it",
    )


if __name__ == "__main__":
    _main()
