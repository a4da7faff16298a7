"""Records on their way, by routes, and how they are packed into requests."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from pinflow.retrying import Backoff

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pinflow.errors import PinflowError
    from pinflow.log.kinesis.records import Outgoing

__all__ = ["REQUEST_RECORDS", "PutRequest", "Route", "RouteSegment", "pack"]

REQUEST_RECORDS = 500
"""Records of one `PutRecords`, Kinesis' own limit."""

REQUEST_BYTES = 5 << 20
"""Bytes of one `PutRecords`, keys counted. Kinesis takes 10 MiB; older servers, and stand-ins, half of it."""

BACKOFF = Backoff(first=0.05, most=0.4, jitter=(0.5, 1.5))
"""Between two tries at a record."""


class Route:
    """The records of one route that are still to be put, in order."""

    __slots__ = ("due", "failures", "records")

    def __init__(self) -> None:
        self.records: deque[Outgoing] = deque()
        self.due = 0.0
        self.failures = 0

    def refuse(self, error: PinflowError) -> None:
        """Refuse all that is left: what comes later must not overtake."""
        for record in self.records:
            record.error = error
        self.records.clear()

    def put_off(self) -> None:
        """Try again later what is foremost."""
        self.due = time.monotonic() + BACKOFF.wait(self.failures)
        self.failures += 1

    def start_over(self) -> None:
        """Nothing was refused: the next pause is a short one again."""
        self.failures = 0


class RouteSegment(NamedTuple):
    """Records that left their route to be put, in order."""

    route: Route
    records: list[Outgoing]

    def give_back(self, left: Sequence[Outgoing]) -> None:
        """Return records to the front of their route."""
        self.route.records.extendleft(reversed(left))


class PutRequest(NamedTuple):
    """What one `PutRecords` carries: segments of different routes of one topic."""

    topic: str
    segments: list[RouteSegment]

    @property
    def records(self) -> list[Outgoing]:
        """All of its records, in order."""
        return [record for segment in self.segments for record in segment.records]


def pack(segments: Sequence[RouteSegment]) -> list[PutRequest]:
    """Pack segments into as few requests as possible; what does not fit goes back to the front of its route."""
    requests: list[PutRequest] = []
    filling: dict[str, _Filling] = {}
    for route, records in segments:
        topic = records[0].topic
        if records[0].alone:
            requests.append(PutRequest(topic, [RouteSegment(route, records)]))
            continue
        at = filling.get(topic)
        if at is None or not at.takes(records[0]):
            at = filling[topic] = _Filling(PutRequest(topic, []))
            requests.append(at.request)
        fitting = 1
        at.add(records[0])
        while fitting < len(records) and at.takes(records[fitting]):
            at.add(records[fitting])
            fitting += 1
        at.request.segments.append(RouteSegment(route, records[:fitting]))
        RouteSegment(route, records).give_back(records[fitting:])
    return requests


class _Filling:
    """A request that is being filled."""

    __slots__ = ("_bytes", "_records", "request")

    def __init__(self, request: PutRequest) -> None:
        self.request = request
        self._records = 0
        self._bytes = 0

    def takes(self, record: Outgoing) -> bool:
        return self._records < REQUEST_RECORDS and self._bytes + record.size <= REQUEST_BYTES

    def add(self, record: Outgoing) -> None:
        self._records += 1
        self._bytes += record.size
