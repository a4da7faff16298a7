"""The failing jobs that `pinflow status` shows: the lake has an object for each as long as the job fails.

The objects are in the lake, not in the home, since the workers of a lake may run on several machines. A failure that
cannot be written there is still in the worker's log and in its exit code. A worker that died leaves its objects behind;
the next success of the job, by any worker, removes them.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal

import msgspec

from pinflow.errors import PinflowError
from pinflow.steps.steps import this_worker

if TYPE_CHECKING:
    from pinflow.lake.store.objects import Store

__all__ = ["Failing", "FailureReports", "State", "failing_jobs"]

FOLDER = "failing"

_log = logging.getLogger(__name__)

State = Literal["retrying", "set aside", "unreadable"]
"""`retrying`: tried again within seconds. `set aside`: tried again once in a while, or by the next worker.
`unreadable`: not a job, but a table that cannot be read."""


class Failing(msgspec.Struct, frozen=True, omit_defaults=True):
    """A failing job: the error that the worker raised, and since when (milliseconds since 1970 UTC)."""

    job: str
    state: State
    what: str
    since: int
    tried_at: int
    worker: str
    """The host and the process that tried it last."""
    where: str = ""
    next: str = ""


class FailureReports:
    """The failures that one worker reports. Not safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._worker = this_worker()
        self._known: dict[str, set[str]] = {}

    def report(self, job: str, state: State, error: Exception, *, since: int, now: int) -> None:
        """Record in the lake that a job fails. If the lake cannot be written, that is only logged."""
        what, where, hint = _describe(error)
        try:
            before = self._store.get(_path(job))
            if before is not None:  # there was no success since: keep the older time
                since = min(since, msgspec.json.decode(before, type=Failing).since)
            failing = Failing(job, state, what, since, now, self._worker, where, hint)
            self._store.put(_path(job), msgspec.json.encode(failing))
            self._jobs_on_record(job).add(job)
        except PinflowError as unwritten:
            _log.debug("%s: pinflow status cannot show that it fails: %s", job, unwritten.what)

    def clear(self, job: str) -> None:
        """Remove the record of a job's failure, if there is one, whichever worker wrote it."""
        try:
            known = self._jobs_on_record(job)
            if job in known:
                self._store.delete(_path(job))
                known.discard(job)
        except PinflowError as error:
            _log.debug("%s: pinflow status still shows it as failing: %s", job, error.what)

    def _jobs_on_record(self, job: str) -> set[str]:
        """The recorded jobs of the same kind, listed once; workers of other kinds take care of the others."""
        kind = job.partition("/")[0]
        if kind not in self._known:
            self._known[kind] = {_job_at(path) for path in self._store.list(f"{FOLDER}/{kind}")}
        return self._known[kind]


def failing_jobs(store: Store) -> dict[str, list[Failing]]:
    """Topic → its jobs that fail, by their names.

    Raises:
        UnavailableError: The lake cannot be read.
    """
    found: dict[str, list[Failing]] = {}
    for path in sorted(store.list(FOLDER)):
        data = store.get(path)
        if data is not None:
            failing = msgspec.json.decode(data, type=Failing)
            found.setdefault(failing.job.partition("/")[2], []).append(failing)
    return found


def _describe(error: Exception) -> tuple[str, str, str]:
    if isinstance(error, PinflowError):
        return error.what, error.where, error.hint
    return f"unexpected {type(error).__name__}", "", "the worker's log shows where it was raised"


def _path(job: str) -> str:
    return f"{FOLDER}/{job}/state.json"


def _job_at(path: str) -> str:
    return path.removeprefix(f"{FOLDER}/").removesuffix("/state.json")
