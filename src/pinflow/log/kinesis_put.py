"""Putting records into streams so that those of one route stay in order.

`PutRecords` takes some records of a request and refuses others, and does not say in which order it takes them. So of
one route only one record is under way at a time, and the next follows when it is there. Routes do not wait for each
other: each request carries the foremost records of up to 500 of them, and several requests are under way at once.

A record that Kinesis says it did not take is tried again, after a pause, until `APPEND_S` are over. A request without
an answer is not: its records may be there, or come to be there late. They, and what follows them on their routes, are
refused.
"""

from __future__ import annotations

import random
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from pinflow.errors import NotCarriedError, OverloadedError, PinflowError, UnavailableError
from pinflow.log.kinesis_client import PUTS_AT_ONCE
from pinflow.log.kinesis_errors import GONE, INVALID, THROTTLED, Failure
from pinflow.log.kinesis_place import shard_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pinflow.log.kinesis_client import Client
    from pinflow.log.kinesis_records import Outgoing
    from pinflow.log.kinesis_url import Address

__all__ = ["Put"]

REQUEST_RECORDS = 500
"""Records of one `PutRecords`, Kinesis' own limit."""

REQUEST_BYTES = 5 << 20
"""Bytes of one `PutRecords`, keys counted. Kinesis takes 10 MiB; older servers, and stand-ins, half of it."""

APPEND_S = 0.9
"""How long an append tries again what was refused, and waits for a shard's rate. A gateway's client has its answer
within two seconds, and the last try may take one."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 0.4
"""Between two tries at a record, doubling; half as much again is added or taken by chance."""


class _Route:
    """The records of one route that are still to be put, in order."""

    __slots__ = ("due", "pause", "records")

    def __init__(self) -> None:
        self.records: deque[Outgoing] = deque()
        self.due = 0.0
        self.pause = FIRST_PAUSE_S

    def refuse(self, error: PinflowError) -> None:
        """Refuse all that is left: what comes later must not overtake."""
        for record in self.records:
            record.error = error
        self.records.clear()

    def put_off(self, error: PinflowError) -> None:
        """Try the foremost record again later."""
        self.records[0].error = error
        self.due = time.monotonic() + self.pause * random.uniform(0.5, 1.5)
        self.pause = min(self.pause * 2, LONGEST_PAUSE_S)


class _Request(NamedTuple):
    topic: str
    routes: list[_Route]


class _Run:
    """One append: until when requests may begin, and why no more of them shall."""

    __slots__ = ("lost", "until")

    def __init__(self) -> None:
        self.until = time.monotonic() + APPEND_S
        self.lost: PinflowError | None = None

    @property
    def over(self) -> bool:
        return self.lost is not None or time.monotonic() >= self.until


class Put:
    """Puts the records of one append after the other. Safe to use from several threads.

    Args:
        client: Calls Kinesis.
        address: Names the streams.
        paced: Takes a record's share of its shard's rate and returns 0, or says for how long to wait.
        missing: Says why a topic's stream takes nothing, given that Kinesis knows none of its name.
    """

    def __init__(
        self,
        client: Client,
        address: Address,
        paced: Callable[[Outgoing], float],
        missing: Callable[[str], PinflowError],
    ) -> None:
        self._client = client
        self._address = address
        self._paced = paced
        self._missing = missing
        self._pool = ThreadPoolExecutor(PUTS_AT_ONCE, "pinflow-put")

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()

    def put(self, records: Iterable[Outgoing]) -> None:
        """Put records; each then has its sequence number or its error."""
        routes: dict[tuple[str, bytes], _Route] = {}
        for record in records:
            route = routes.setdefault((record.topic, record.route), _Route())
            route.records.append(record)
        left, run = list(routes.values()), _Run()
        while left and not run.over:
            ready, wait = self._ready(left)
            if ready:
                self._send_all(run, _requests(ready))
                left = [route for route in left if route.records]
            elif time.monotonic() + wait < run.until:
                time.sleep(wait)
            else:
                break
        for route in left:
            route.refuse(route.records[0].error or run.lost or _TOO_MUCH)

    def _send_all(self, run: _Run, requests: list[_Request]) -> None:
        if len(requests) == 1:
            self._send(run, requests[0])
        else:
            list(self._pool.map(lambda request: self._send(run, request), requests))

    def _ready(self, routes: list[_Route]) -> tuple[list[_Route], float]:
        """Routes whose foremost record may go now; or for how long to wait until one may."""
        now = time.monotonic()
        ready: list[_Route] = []
        wait = APPEND_S
        for route in routes:
            pause = route.due - now if route.due > now else self._paced(route.records[0])
            if pause:
                wait = min(wait, pause)
            else:
                ready.append(route)
        return ready, wait

    def _send(self, run: _Run, request: _Request) -> None:
        if run.over:
            return
        records = [route.records[0] for route in request.routes]
        try:
            answer = self._client.put(
                StreamName=self._address.stream(request.topic), Records=[record.entry() for record in records]
            )
        except Failure as failure:
            self._failed(run, request, failure)
            return
        for route, record, told in zip(request.routes, records, answer["Records"], strict=True):
            code = told.get("ErrorCode")
            if code:
                route.put_off(_refusal(code, request.topic))
                continue
            record.error = None
            record.shard = shard_number(told["ShardId"])
            record.sequence = int(told["SequenceNumber"])
            route.records.popleft()
            route.pause = FIRST_PAUSE_S

    def _failed(self, run: _Run, request: _Request, failure: Failure) -> None:
        """A request failed as a whole."""
        if failure.code in THROTTLED:
            for route in request.routes:
                route.put_off(_refusal(failure.code, request.topic))
            return
        if failure.code in INVALID and len(request.routes) > 1:
            for route in request.routes:  # nothing was done, and one of them is to blame
                route.records[0].alone = True
            return
        error: PinflowError
        if failure.code in GONE:
            error = self._missing(request.topic)
        elif failure.code in INVALID:
            error = NotCarriedError(f"Kinesis does not take the record: {failure}", where=request.topic)
        else:
            run.lost = error = failure.told("take records", request.topic, request.topic)
        for route in request.routes:
            if isinstance(error, NotCarriedError):
                route.records.popleft().error = error
            else:
                route.refuse(error)


def _requests(routes: Sequence[_Route]) -> list[_Request]:
    """The foremost records of routes in as few requests as may be."""
    requests: list[_Request] = []
    filling: dict[str, tuple[_Request, int]] = {}
    for route in routes:
        record = route.records[0]
        request, size = filling.get(record.topic, (None, 0))
        full = request is None or len(request.routes) >= REQUEST_RECORDS or size + record.size > REQUEST_BYTES
        if request is None or full or record.alone:
            request, size = _Request(record.topic, []), 0
            requests.append(request)
        request.routes.append(route)
        if not record.alone:
            filling[record.topic] = (request, size + record.size)
    return requests


_TOO_MUCH = OverloadedError(
    "the records are more than the stream's shards, or one key, take in a second; these were not appended",
    hint="send them again, slower; or give the stream more shards",
)


def _refusal(code: str, topic: str) -> PinflowError:
    if code in THROTTLED:
        return OverloadedError(
            f"the stream takes no more just now ({code}); the record was not appended",
            where=topic,
            hint="send it again, slower; or give the stream more shards",
        )
    return UnavailableError(f"Kinesis did not take the record: {code}", where=topic, hint="pinflow doctor")
