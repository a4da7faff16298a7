"""Free SQL in a process of its own, which can take no more memory and no more time than a query may.

The engine bounds what it allocates for rows, but a single value can be larger than that, and a single function call
longer than its interrupt. The system's bounds hold for both.
"""

from __future__ import annotations

import multiprocessing
import resource
from typing import TYPE_CHECKING

from pinflow.engine import Result
from pinflow.errors import PinflowError
from pinflow.jobs.ask import run_sql
from pinflow.jobs.parts import Parts

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from pinflow.config import Settings

__all__ = ["run_fenced"]

BESIDE_THE_ENGINE_BYTES = 1 << 30
"""What Python, the libraries and the answer on its way may take beside the engine's own memory."""

START_S = 15.0
"""Given to the process to start and to load the tables, on top of the query's time."""


def run_fenced(settings: Settings, sql: str) -> Result:
    """Run one SELECT as `jobs.ask.run_sql` does, in a process that ends with it.

    Raises:
        UsageError: It is not one SELECT, or reaches for anything but the tables.
        PinflowError: It takes too long or too much.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(settings, sql, theirs), daemon=True)
    process.start()
    theirs.close()
    seconds = settings.config.query.timeout_seconds
    try:
        answer = ours.recv() if ours.poll(seconds + START_S) else _too_long(seconds)
    except EOFError:
        answer = _too_much(settings)
    finally:
        process.kill()
        process.join()
        ours.close()
    if isinstance(answer, Result):
        return answer
    raise answer


def _answer(settings: Settings, sql: str, pipe: Connection) -> None:
    """The body of the process: one answer, or one error, into the pipe."""
    most = (settings.config.query.memory_mb << 20) + BESIDE_THE_ENGINE_BYTES
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    try:
        with Parts(settings, read_only=True) as parts:
            pipe.send(run_sql(parts, sql))
    except PinflowError as error:
        pipe.send(error)
    except MemoryError:
        pipe.send(_too_much(settings))


def _too_long(seconds: float) -> PinflowError:
    return PinflowError(
        f"the query was stopped after {seconds:g} s",
        where="query.timeout_seconds",
        hint="ask for less, or raise it",
    )


def _too_much(settings: Settings) -> PinflowError:
    return PinflowError(
        f"the query needs more than its {settings.config.query.memory_mb} MiB",
        where="query.memory_mb",
        hint="ask for less, or raise it",
    )
