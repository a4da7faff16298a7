"""Putting records into streams so that those of one route stay in order.

`PutRecords` takes some records of a request and refuses others that stand before them. So of one route only one record
is under way at a time, and the next follows when it is there. Routes do not wait for each other: each request carries
the foremost records of up to 500 of them, and several requests are under way at once. With `order=request` a request
carries as many of a route as fit, and one that is refused may come to stand behind those that followed it.

A record that Kinesis says it did not take is tried again, after a pause, for nearly as long as the log's `timeout`. A
request without an answer is not: its records may be there, or come to be there late. They, and what follows them on
their routes, are refused.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from pinflow.errors import OverloadedError, PinflowError, UnavailableError, UnsupportedRecordError
from pinflow.log.kinesis.errors import GONE, INVALID, THROTTLED, Failure
from pinflow.log.kinesis.place import shard_number
from pinflow.log.kinesis.requests import REQUEST_RECORDS, Request, Route, Run, packed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pinflow.log.kinesis.client import Client
    from pinflow.log.kinesis.records import Outgoing
    from pinflow.log.kinesis.url import KinesisSettings

__all__ = ["Put"]

APPEND_SHARE = 0.9
"""Of `timeout`: how long an append tries again what was refused, and waits for a shard's rate. The last try may take
`timeout` more, and with one second for it a gateway's client has its answer within two."""


class _Append:
    """One append: until when requests may begin, and why no more of them shall."""

    __slots__ = ("lost", "until")

    def __init__(self, seconds: float) -> None:
        self.until = time.monotonic() + seconds
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
        address: KinesisSettings,
        paced: Callable[[Outgoing], float],
        missing: Callable[[str], PinflowError],
    ) -> None:
        self._client = client
        self._address = address
        self._seconds = APPEND_SHARE * address.timeout
        self._paced = paced
        self._missing = missing
        self._pool = ThreadPoolExecutor(address.puts, "pinflow-put")

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()

    def put(self, records: Iterable[Outgoing]) -> None:
        """Put records; each then has its sequence number or its error."""
        routes: dict[tuple[str, bytes], Route] = {}
        for record in records:
            route = routes.setdefault((record.topic, record.route), Route())
            route.records.append(record)
        left, append = list(routes.values()), _Append(self._seconds)
        while left and not append.over:
            runs, wait = self._ready(left)
            if runs:
                self._send_all(append, packed(runs))
                left = [route for route in left if route.records]
            elif time.monotonic() + wait < append.until:
                time.sleep(wait)
            else:
                break
        for route in left:
            route.refuse(route.records[0].error or append.lost or _TOO_MUCH)

    def _ready(self, routes: list[Route]) -> tuple[list[Run], float]:
        """What may go now; or for how long to wait until something may."""
        runs: list[Run] = []
        least = self._seconds
        for route in routes:
            taken, wait = self._taken(route)
            if taken:
                runs.append(Run(route, taken))
            else:
                least = min(least, wait)
        return runs, least

    def _taken(self, route: Route) -> tuple[list[Outgoing], float]:
        wait = route.due - time.monotonic()
        taken: list[Outgoing] = []
        most = 1 if self._address.by_key else REQUEST_RECORDS
        while wait <= 0 and route.records and len(taken) < most:
            if taken and (taken[-1].alone or route.records[0].alone):
                break
            wait = self._paced(route.records[0])
            if not wait:
                taken.append(route.records.popleft())
        return taken, wait

    def _send_all(self, append: _Append, requests: list[Request]) -> None:
        if len(requests) == 1:
            self._send(append, requests[0])
        else:
            list(self._pool.map(lambda request: self._send(append, request), requests))

    def _send(self, append: _Append, request: Request) -> None:
        if append.over:
            for run in request.runs:
                run.give_back(run.records)
            return
        entries = [record.entry() for record in request.records]
        try:
            answer = self._client.put(StreamName=self._address.stream(request.topic), Records=entries)
        except Failure as failure:
            for run in request.runs:
                run.give_back(run.records)
            self._failed(append, request, failure)
            return
        told = iter(answer["Records"])
        for run in request.runs:
            _settle(run, [next(told) for _ in run.records])

    def _failed(self, append: _Append, request: Request, failure: Failure) -> None:
        """A request failed as a whole."""
        if failure.code in THROTTLED:
            for route, records in request.runs:
                records[0].error = _refusal(failure.code, request.topic)
                route.put_off()
            return
        if failure.code in INVALID and len(request.records) > 1:
            for record in request.records:  # nothing was done, and one of them is to blame
                record.alone = True
            return
        error: PinflowError
        if failure.code in GONE:
            error = self._missing(request.topic)
        elif failure.code in INVALID:
            error = UnsupportedRecordError(
                f"Kinesis does not take the record: {failure.code}", where=request.topic
            )
        else:
            append.lost = error = failure.told("take records", request.topic, request.topic)
        for route, _ in request.runs:
            if isinstance(error, UnsupportedRecordError):
                route.records.popleft().error = error
            else:
                route.refuse(error)


def _settle(run: Run, told: list[dict[str, Any]]) -> None:
    """Take from an answer where records are, and give back to their route those that were refused."""
    left: list[Outgoing] = []
    for record, entry in zip(run.records, told, strict=True):
        if entry.get("ErrorCode"):
            record.error = _refusal(entry["ErrorCode"], record.topic)
            left.append(record)
        else:
            record.error = None
            record.shard = shard_number(entry["ShardId"])
            record.sequence = int(entry["SequenceNumber"])
    run.give_back(left)
    if left:
        run.route.put_off()
    else:
        run.route.start_over()


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
