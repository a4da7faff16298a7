"""Putting records into streams so that those of one route stay in order.

`PutRecords` takes some records of a request and refuses others that stand before them. So of one route only one record
is under way at a time, and the next follows when it is there. Routes do not wait for each other: each request carries
the foremost records of up to 500 of them, and several requests are under way at once. With `order=request` a request
carries as many of a route as fit, and one that is refused may come to stand behind those that followed it.

A record that Kinesis reports as not taken is tried again, after a pause, for nearly as long as the log's `timeout`. A
request without an answer is not: its records may be there, or arrive late. They, and what follows them on
their routes, are refused.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from pinflow.errors import OverloadedError, PinflowError, UnavailableError, UnsupportedRecordError
from pinflow.log.kinesis.errors import GONE, INVALID, THROTTLED, Failure
from pinflow.log.kinesis.positions import shard_number
from pinflow.log.kinesis.requests import REQUEST_RECORDS, PutRequest, Route, RouteSegment, pack

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
    """One append: until when requests may begin, and the error that ended it."""

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
        settings: The log's options.
        pace: Takes a record's share of its shard's rate and returns 0, or returns how many seconds to wait.
        missing: The error for a topic whose stream Kinesis does not know.
    """

    def __init__(
        self,
        client: Client,
        settings: KinesisSettings,
        pace: Callable[[Outgoing], float],
        missing: Callable[[str], PinflowError],
    ) -> None:
        self._client = client
        self._settings = settings
        self._seconds = APPEND_SHARE * settings.timeout
        self._pace = pace
        self._missing = missing
        self._pool = ThreadPoolExecutor(settings.puts, "pinflow-put")

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
            segments, wait = self._take_ready(left)
            if segments:
                self._send_all(append, pack(segments))
                left = [route for route in left if route.records]
            elif time.monotonic() + wait < append.until:
                time.sleep(wait)
            else:
                break
        for route in left:
            route.refuse(route.records[0].error or append.lost or _OVERLOADED)

    def _take_ready(self, routes: list[Route]) -> tuple[list[RouteSegment], float]:
        """The records that may be sent now; or how many seconds to wait until some may."""
        segments: list[RouteSegment] = []
        least = self._seconds
        for route in routes:
            taken, wait = self._take(route)
            if taken:
                segments.append(RouteSegment(route, taken))
            else:
                least = min(least, wait)
        return segments, least

    def _take(self, route: Route) -> tuple[list[Outgoing], float]:
        wait = route.due - time.monotonic()
        taken: list[Outgoing] = []
        most = 1 if self._settings.by_key else REQUEST_RECORDS
        while wait <= 0 and route.records and len(taken) < most:
            if taken and (taken[-1].alone or route.records[0].alone):
                break
            wait = self._pace(route.records[0])
            if not wait:
                taken.append(route.records.popleft())
        return taken, wait

    def _send_all(self, append: _Append, requests: list[PutRequest]) -> None:
        if len(requests) == 1:
            self._send(append, requests[0])
        else:
            list(self._pool.map(lambda request: self._send(append, request), requests))

    def _send(self, append: _Append, request: PutRequest) -> None:
        if append.over:
            for segment in request.segments:
                segment.give_back(segment.records)
            return
        entries = [record.entry() for record in request.records]
        try:
            answer = self._client.put(StreamName=self._settings.stream(request.topic), Records=entries)
        except Failure as failure:
            for segment in request.segments:
                segment.give_back(segment.records)
            self._fail(append, request, failure)
            return
        results = iter(answer["Records"])
        for segment in request.segments:
            _settle(segment, [next(results) for _ in segment.records])

    def _fail(self, append: _Append, request: PutRequest, failure: Failure) -> None:
        """Record that a request failed as a whole."""
        if failure.code in THROTTLED:
            for route, records in request.segments:
                records[0].error = _refusal(failure.code, request.topic)
                route.put_off()
            return
        if failure.code in INVALID and len(request.records) > 1:
            for record in request.records:  # nothing was done, and one of them is the cause
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
            append.lost = error = failure.translate("take records", request.topic, request.topic)
        for route, _ in request.segments:
            if isinstance(error, UnsupportedRecordError):
                route.records.popleft().error = error
            else:
                route.refuse(error)


def _settle(segment: RouteSegment, results: list[dict[str, Any]]) -> None:
    """Take the records' shards and numbers from an answer, and give those that were refused back to their route."""
    left: list[Outgoing] = []
    for record, result in zip(segment.records, results, strict=True):
        if result.get("ErrorCode"):
            record.error = _refusal(result["ErrorCode"], record.topic)
            left.append(record)
        else:
            record.error = None
            record.shard = shard_number(result["ShardId"])
            record.sequence = int(result["SequenceNumber"])
    segment.give_back(left)
    if left:
        segment.route.put_off()
    else:
        segment.route.start_over()


_OVERLOADED = OverloadedError(
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
