"""Group commit: one thread appends what all requests brought since its last append.

The order, for each group:

1. Take what waits, up to `MAX_COMMIT_BYTES`.
2. Append it to the log in one call, which returns when it is durable.
3. Only then tell the requests, in one call on their event loop.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from pinflow.errors import PinflowError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pinflow.gateway.metrics import Metrics
    from pinflow.log import EventLog, Produce

__all__ = ["FAILURE_MEMORY_S", "STALL_S", "Committer"]

MAX_COMMIT_BYTES = 16 << 20
"""Half a second of a slow disk, so that a small request never waits long behind large ones."""

STALL_S = 10.0
"""An append that takes longer counts as a log that is away: five times the log's own wait for a lock."""

WATCH_S = 0.5
"""How often the age of the running append is looked at."""

FAILURE_MEMORY_S = 10.0
"""How long one failed append makes the log count as unavailable when nothing has been appended since."""

JOIN_S = 1.0
"""How long a stop waits for the running append; the thread is a daemon and does not hold the process."""


class _Waiting(NamedTuple):
    batches: Sequence[Produce]
    size: int
    future: asyncio.Future[list[int]]


_Outcome = tuple[_Waiting, list[int] | Exception]


class Committer:
    """Appends for many requests at once.

    Args:
        log: What to append to. Its `append` is called from one thread only.
        metrics: Is told of every append.
        stall_s: After how many seconds a running append counts as a log that is away.
    """

    def __init__(self, log: EventLog, metrics: Metrics, *, stall_s: float = STALL_S) -> None:
        self._log = log
        self._metrics = metrics
        self._stall_s = stall_s
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._taken: list[_Waiting] = []
        self._began: float | None = None
        self._failed: float | None = None
        self._stalled = False
        self._running = False

    @property
    def available(self) -> bool:
        """Whether the log took the last append, as far as is known."""
        failed = self._failed
        return not self._stalled and (failed is None or time.monotonic() - failed > FAILURE_MEMORY_S)

    def start(self) -> None:
        """Start the thread. Call on the event loop that the requests run on."""
        self._loop = asyncio.get_running_loop()
        self._queue = queue.SimpleQueue()
        self._running = True
        self._thread = threading.Thread(target=self._run, name="pinflow-commit", daemon=True)
        self._thread.start()
        self._watch = self._loop.create_task(self._watching())

    async def stop(self) -> None:
        """Append what waits and end the thread; give up on it after `JOIN_S`."""
        self._running = False
        self._watch.cancel()
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join, JOIN_S)
        self._fail_all("the gateway is stopping")

    async def append(self, batches: Sequence[Produce], size: int) -> list[int]:
        """Append and return the first offset of each batch, in order, once they are durable.

        Args:
            batches: Records, at most one batch a partition.
            size: About how many bytes they are.

        Raises:
            UnavailableError: The log cannot be written now, or does not answer in time.
            UnknownTopicError: A topic does not exist (any more). Nothing was appended.
            UnknownPartitionError: A partition does not exist (any more). Nothing was appended.
        """
        if self._stalled or not self._running:
            raise UnavailableError("the log does not answer; nothing was appended")
        future = self._loop.create_future()
        self._queue.put(_Waiting(batches, size, future))
        offsets: list[int] = await future
        return offsets

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            group = self._taken = self._group(first)  # 1
            self._began = time.monotonic()
            outcomes = self._append(group)  # 2
            self._began = None
            with suppress(RuntimeError):  # the loop is closed: a stop gave up on this thread
                self._loop.call_soon_threadsafe(self._resolve, outcomes)  # 3

    def _group(self, first: _Waiting) -> list[_Waiting]:
        group = [first]
        size = first.size
        while size < MAX_COMMIT_BYTES:
            try:
                waiting = self._queue.get_nowait()
            except queue.Empty:
                break
            if waiting is None:
                self._queue.put(None)
                break
            group.append(waiting)
            size += waiting.size
        return group

    def _append(self, group: list[_Waiting]) -> list[_Outcome]:
        try:
            return self._appended(group)
        except UnavailableError as error:
            self._failed = time.monotonic()
            self._metrics.commit_failed()
            return [(waiting, error) for waiting in group]
        except PinflowError as error:
            if len(group) == 1:
                return [(group[0], error)]
        except Exception as error:  # noqa: BLE001 - the thread must live; the request logs it
            self._metrics.commit_failed()
            return [(waiting, error) for waiting in group]
        return self._one_by_one(group)

    def _appended(self, group: list[_Waiting]) -> list[_Outcome]:
        batches = [batch for waiting in group for batch in waiting.batches]
        began = time.perf_counter()
        offsets = self._log.append(batches)
        self._failed = None
        self._metrics.committed(sum(map(_count, batches)), time.perf_counter() - began)
        outcomes: list[_Outcome] = []
        start = 0
        for waiting in group:
            stop = start + len(waiting.batches)
            outcomes.append((waiting, offsets[start:stop]))
            start = stop
        return outcomes

    def _one_by_one(self, group: list[_Waiting]) -> list[_Outcome]:
        """One request of the group named a topic that is gone, and took the others with it: find it."""
        outcomes: list[_Outcome] = []
        for index, waiting in enumerate(group):
            outcomes += self._append([waiting])
            last = outcomes[-1][1]
            if isinstance(last, UnavailableError):  # the others would each wait for the same lock
                return outcomes + [(rest, last) for rest in group[index + 1 :]]
        return outcomes

    def _resolve(self, outcomes: list[_Outcome]) -> None:
        self._stalled = False
        for waiting, outcome in outcomes:
            if waiting.future.done():
                continue
            if isinstance(outcome, Exception):
                waiting.future.set_exception(outcome)
            else:
                waiting.future.set_result(outcome)

    async def _watching(self) -> None:
        while True:
            await asyncio.sleep(min(WATCH_S, self._stall_s))
            began = self._began
            if began is not None and time.monotonic() - began > self._stall_s and not self._stalled:
                self._stalled = True
                self._metrics.commit_failed()
                self._fail_all("the log does not answer; whether the records were appended is not known")

    def _fail_all(self, what: str) -> None:
        waiting: list[_Waiting | None] = [*self._taken]
        with suppress(queue.Empty):
            while True:
                waiting.append(self._queue.get_nowait())
        for item in waiting:
            if item is not None and not item.future.done():
                item.future.set_exception(UnavailableError(what))


def _count(batch: Produce) -> int:
    return len(batch.records)
