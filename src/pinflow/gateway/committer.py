"""Group commit: one thread appends at once what all requests brought while it made the last append.

The order, for each group:

1. On the event loop: take what waits, up to `MAX_COMMIT_BYTES`, and hand it to the thread.
2. In the thread: look up which of its requests were answered before; append the others in one call of the log, which
   returns when they, and what answers them again, are durable.
3. On the event loop again: hand over the next group, and only now answer the requests of this one.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from pinflow.errors import PinflowError, RepeatedError, UnavailableError
from pinflow.failpoints import hit
from pinflow.log import AppendResult, IdempotencyKey, ProduceBatch, StoredResponse, is_idempotent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pinflow.gateway.idempotency import IdempotentRequest
    from pinflow.gateway.metrics import Metrics
    from pinflow.log import EventLog

__all__ = ["FAILURE_MEMORY_S", "PATIENCE_S", "STALL_S", "TURN_S", "WATCH_S", "Committer"]

MAX_COMMIT_BYTES = 16 << 20
"""Half a second of a slow disk, so that a small request never waits long behind large ones."""

STALL_S = 1.5
"""An append that takes longer counts as a log that is away: twice the log's own wait for a lock."""

TURN_S = 1.0
"""How long a request may look its topic up and wait for its turn; then it is refused, and nothing of it is appended."""

PATIENCE_S = 1.75
"""How long after its arrival a request may be without an answer, its append included. With `WATCH_S` a client has its
503 within two seconds."""

WATCH_S = 0.1
"""How often the ages of the running append and of the requests are looked at."""

IDEMPOTENCY_S = 86_400.0
"""How long the response to a request is stored, unless the configuration says otherwise."""

FAILURE_MEMORY_S = 10.0
"""How long one failed append makes the log count as unavailable when nothing has been appended since."""

STOP_S = 0.4
"""How long a stop waits, twice, for the append under way. The server has waited before, and has 3 s in all."""


Outcome = list[AppendResult] | StoredResponse
"""What became of each batch of a request; or, if it was answered before, its stored response."""


class _Waiting(NamedTuple):
    batches: Sequence[ProduceBatch]
    size: int
    idempotent: IdempotentRequest | None
    arrived: float
    future: asyncio.Future[Outcome]


_Group = list[_Waiting]
_Outcomes = list[tuple[_Waiting, Outcome | Exception]]


class Committer:
    """Appends for many requests at once.

    All state belongs to the event loop; the thread gets a group and gives back its outcomes.

    Attributes:
        turn_s: How long a request may look its topic up and wait for its turn.

    Args:
        log: What to append to. Its `append` is called from one thread only.
        metrics: Counts every append.
        stall_s: After how many seconds a running append counts as a log that is away; the other waits are in
            proportion to it.
        keep_s: How long responses are stored.
    """

    def __init__(
        self,
        log: EventLog,
        metrics: Metrics,
        *,
        stall_s: float = STALL_S,
        keep_s: float = IDEMPOTENCY_S,
    ) -> None:
        self._log = log
        self._answers = log if is_idempotent(log) else None
        self._keep_ms = int(keep_s * 1000)
        self._metrics = metrics
        self._stall_s = stall_s
        self._patience_s = stall_s * PATIENCE_S / STALL_S
        self.turn_s = stall_s * TURN_S / STALL_S
        self._waiting: deque[_Waiting] = deque()
        self._group: _Group = []
        self._began = self._deadline = 0.0
        self._failed_at: float | None = None
        self._scheduled = False
        self._stalled = False
        self._running = False

    @property
    def available(self) -> bool:
        """Whether the log took the last append, as far as is known."""
        failed_at = self._failed_at
        return not self._stalled and (failed_at is None or time.monotonic() - failed_at > FAILURE_MEMORY_S)

    @property
    def answers(self) -> bool:
        """Whether the log stores the responses to requests, so that one that is sent again is not appended again."""
        return self._answers is not None

    def start(self) -> None:
        """Start the thread. Call on the event loop that the requests run on."""
        self._loop = asyncio.get_running_loop()
        self._idle = asyncio.Event()
        self._idle.set()
        self._groups: queue.SimpleQueue[_Group | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="pinflow-commit", daemon=True)
        self._thread.start()
        self._watch = self._loop.create_task(self._watch_ages())
        self._running = True

    async def stop(self) -> None:
        """Append what waits and end the thread; give up on it after `STOP_S`."""
        self._running = False
        self._watch.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await self._idle.wait()
        self._groups.put(None)
        await asyncio.to_thread(self._thread.join, STOP_S)
        self._fail_all("the gateway is stopping")

    async def append(
        self,
        batches: Sequence[ProduceBatch],
        size: int,
        idempotent: IdempotentRequest | None = None,
        *,
        arrived: float | None = None,
    ) -> Outcome:
        """Append and return what became of each batch, in order, once they are durable.

        Args:
            batches: Records, in the order in which those of a post arrived.
            size: About how many bytes they are.
            idempotent: Names the request. If it was appended before, nothing is, and its stored response is returned.
            arrived: When the request was complete, by the monotonic clock; by default now.

        Raises:
            UnavailableError: The log cannot be written now, or does not answer in time.
            UnknownTopicError: A topic does not exist (any more). Nothing was appended.
            UnknownPartitionError: A partition does not exist (any more). Nothing was appended.
            RepeatedError: Another process appends the same request just now. Nothing was appended.
        """
        if self._stalled or not self._running:
            raise UnavailableError("the log does not answer; nothing was appended")
        future: asyncio.Future[Outcome] = self._loop.create_future()
        arrived = time.monotonic() if arrived is None else arrived
        self._waiting.append(_Waiting(batches, size, idempotent, arrived, future))
        if not self._group and not self._scheduled:
            # Not at once: requests that arrive in the same moment shall be of the same group.
            self._scheduled = True
            self._loop.call_soon(self._hand_over)
        return await future

    def _hand_over(self) -> None:
        self._scheduled = False
        if self._group or not self._waiting:
            return
        size = 0
        while self._waiting and size < MAX_COMMIT_BYTES:  # 1
            waiting = self._waiting.popleft()
            if waiting.future.done():  # it waited too long
                continue
            self._group.append(waiting)
            size += waiting.size
        if not self._group:
            return
        self._began = time.monotonic()
        arrived = min(waiting.arrived for waiting in self._group)
        self._deadline = min(self._began + self._stall_s, arrived + self._patience_s)
        self._idle.clear()
        self._groups.put(self._group)

    def _run(self) -> None:
        while (group := self._groups.get()) is not None:
            outcomes = self._append_group(group)  # 2
            with suppress(RuntimeError):  # the loop is closed: a stop gave up on this thread
                self._loop.call_soon_threadsafe(self._finish, outcomes)

    def _finish(self, outcomes: _Outcomes) -> None:
        self._group = []
        self._stalled = False
        self._fail_waiting(outcomes)
        self._hand_over()  # 3
        if not self._group:
            self._idle.set()
        for waiting, outcome in outcomes:
            if waiting.future.done():
                continue
            if isinstance(outcome, Exception):
                waiting.future.set_exception(outcome)
            else:
                waiting.future.set_result(outcome)

    def _fail_waiting(self, outcomes: _Outcomes) -> None:
        """Where the log is away, each of those that wait would wait for it again, longer than a client shall."""
        for _, outcome in outcomes:
            if isinstance(outcome, UnavailableError):
                for waiting in self._waiting:
                    if not waiting.future.done():
                        waiting.future.set_exception(outcome)
                self._waiting.clear()
                return

    def _append_group(self, group: _Group) -> _Outcomes:
        try:
            return self._try_append(group)
        except UnavailableError as error:
            return self._record_failure(group, error)
        except PinflowError as error:
            if len(group) == 1:
                return self._fail_or_restore(group, error)
        except Exception as error:  # noqa: BLE001 - the thread must live on; each request is answered and logs it
            return self._record_failure(group, error)
        return self._append_one_by_one(group)

    def _fail_or_restore(self, group: _Group, error: PinflowError) -> _Outcomes:
        """A request that failed by itself. If another process has just appended it, that one's response answers it."""
        if isinstance(error, RepeatedError):
            try:
                return self._try_append(group)
            except UnavailableError as away:
                return self._record_failure(group, away)
            except PinflowError as still:
                error = still
        return [(group[0], error)]

    def _try_append(self, group: _Group) -> _Outcomes:
        began = time.perf_counter()
        hit("gateway", "queued")
        stored = self._find_stored(group)
        fresh = [
            waiting for waiting in group if waiting.idempotent is None or waiting.idempotent.key not in stored
        ]
        batches = [batch for waiting in fresh for batch in waiting.batches]
        appended = self._write(fresh, batches)
        hit("gateway", "appended")
        seconds = time.perf_counter() - began
        self._failed_at = None
        refused = sum([len(each.refused) for each in appended])
        self._metrics.committed(sum([len(batch.records) for batch in batches]) - refused, seconds)
        outcomes: _Outcomes = [
            (waiting, stored[waiting.idempotent.key])
            for waiting in group
            if waiting.idempotent is not None and waiting.idempotent.key in stored
        ]
        start = 0
        for waiting in fresh:
            stop = start + len(waiting.batches)
            outcomes.append((waiting, appended[start:stop]))
            start = stop
        return outcomes

    def _find_stored(self, group: _Group) -> dict[bytes, StoredResponse]:
        keys = [waiting.idempotent.key for waiting in group if waiting.idempotent is not None]
        return self._answers.stored_responses(keys) if keys and self._answers is not None else {}

    def _write(self, group: _Group, batches: list[ProduceBatch]) -> list[AppendResult]:
        if not batches:
            return []
        keys: list[IdempotencyKey] = []
        expires = time.time_ns() // 1_000_000 + self._keep_ms
        start = 0
        for waiting in group:
            stop = start + len(waiting.batches)
            if waiting.idempotent is not None:
                key, fingerprint, note = waiting.idempotent
                keys.append(IdempotencyKey(key, fingerprint, note, expires, start, stop))
            start = stop
        if keys and self._answers is not None:
            return self._answers.append_idempotent(batches, keys)
        return self._log.append(batches)

    def _record_failure(self, group: _Group, error: Exception) -> _Outcomes:
        self._failed_at = time.monotonic()
        self._metrics.commit_failed()
        return [(waiting, error) for waiting in group]

    def _append_one_by_one(self, group: _Group) -> _Outcomes:
        """One request of the group named a topic that is gone, and took the others with it: find it."""
        outcomes: _Outcomes = []
        for index, waiting in enumerate(group):
            outcomes += self._append_group([waiting])
            last = outcomes[-1][1]
            if isinstance(last, UnavailableError):  # each of the others would wait for the same lock
                return outcomes + [(rest, last) for rest in group[index + 1 :]]
        return outcomes

    async def _watch_ages(self) -> None:
        while True:
            await asyncio.sleep(min(WATCH_S, self._stall_s))
            now = time.monotonic()
            if self._group and not self._stalled and now > self._deadline:
                self._stalled = True
                self._metrics.commit_failed()
                self._fail_all("the log does not answer")
            for waiting in self._waiting:
                if now - waiting.arrived > self.turn_s and not waiting.future.done():
                    waiting.future.set_exception(
                        UnavailableError("the log is too slow; nothing was appended")
                    )

    def _fail_all(self, why: str) -> None:
        unknown = UnavailableError(f"{why}; whether the records were appended is not known")
        nothing = UnavailableError(f"{why}; nothing was appended")
        for error, requests in ((unknown, self._group), (nothing, self._waiting)):
            for waiting in requests:
                if not waiting.future.done():
                    waiting.future.set_exception(error)
        self._waiting.clear()
