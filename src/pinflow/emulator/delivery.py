"""Sending through one endpoint until every record is acknowledged or refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

import msgspec
from urllib3.exceptions import HTTPError, InvalidHeader
from urllib3.util import Retry, parse_url

from pinflow.emulator.endpoints import Item, Rejection, read_rejection
from pinflow.errors import TerminalError, UnavailableError, UnknownTopicError
from pinflow.retrying import Attempts, Backoff

if TYPE_CHECKING:
    from collections.abc import Sequence
    from threading import Event

    from urllib3 import BaseHTTPResponse, HTTPConnectionPool

    from pinflow.emulator.endpoints import Endpoint, EndpointRequest
    from pinflow.emulator.pace import Clock
    from pinflow.source import Post

__all__ = ["MESSAGES", "Delivery", "TopicCounts"]

ATTEMPTS = 8
"""Attempts in a row that settle no record: about ten seconds, as long as a gateway takes to restart."""

ATTEMPTS_AT_FIRST = 4
"""The same before the gateway ever answered: under a second, because then it most likely does not run at all."""

BACKOFF = Backoff(first=0.1, most=5.0, jitter=(0.5, 1.0))

LONGEST_RETRY_AFTER_S = 30.0
"""The most that a `Retry-After` is followed."""

RETRIED_STATUSES = frozenset({408, 409, 425, 429})
"""Besides all from 500 on. 409 means that the same request is under way."""

MESSAGES = 5
"""How many reasons of refusals are kept: most are alike."""


@dataclass
class TopicCounts:
    """Records of one topic so far."""

    sent: int = 0
    acknowledged: int = 0
    refused: int = 0


class _Trouble(NamedTuple):
    """Why records have to be sent again, after how many seconds at least, and whether there was an answer."""

    reason: str
    retry_after: float = 0.0
    answered: bool = False


class Delivery:
    """Sends posts through one endpoint. One thread at a time.

    A record counts as acknowledged when the answer says so of that record. When no answer comes, or one that
    says "later", the request is sent again under the same `Idempotency-Key`. Of a request that succeeded in part
    only the rest is sent again. A gateway that cannot answer from what it stored may append a record twice:
    delivery is at-least-once, and a post that arrives twice is one row downstream, since its latest record counts.

    Attributes:
        counts: What became of the records, by topic.
        retries: Requests sent again so far.
        messages: The first few reasons of refusals.
    """

    def __init__(
        self, endpoint: Endpoint, http: HTTPConnectionPool, url: str, *, clock: Clock, stop: Event
    ) -> None:
        self.counts = {topic: TopicCounts() for topic in endpoint.topics}
        self.retries = 0
        self.messages: list[str] = []
        self._endpoint = endpoint
        self._http = http
        self._url = url.rstrip("/")
        self._prefix = parse_url(self._url).path or ""
        self._clock = clock
        self._stop = stop
        self._answered = False
        self._first_rejection: tuple[Rejection, str] | None = None

    def send(self, posts: Sequence[Post]) -> None:
        """Send pin, geo and user of these posts, in this order, and block until every record has its verdict.

        After a stop an attempt that fails is not repeated, and its records stay without a verdict.

        Raises:
            UnavailableError: The attempts ended without an answer that settles it.
            UnknownTopicError: Nothing was ever acknowledged, as the gateway does not know the topics.
            TerminalError: All records were refused and none was ever acknowledged, or the answer is not a gateway's.
        """
        pin, geo, user = self._endpoint.topics
        self._send(pin, [Item(post.number, post.pin) for post in posts])
        self._send(geo, [Item(post.number, post.geo) for post in posts])
        self._send(user, [Item(post.number, post.user) for post in posts])
        if not self._count_acknowledged() and not self._stop.is_set():
            self._give_up_rejected()

    def _send(self, topic: str, items: list[Item]) -> None:
        most = self._endpoint.most_records
        for start in range(0, len(items), most):
            portion = items[start : start + most]
            self.counts[topic].sent += len(portion)
            self._settle(topic, portion)

    def _settle(self, topic: str, items: list[Item]) -> None:
        attempts = Attempts(BACKOFF)
        key = _new_key()
        while True:
            before = len(items)
            items, trouble = self._attempt(topic, items, key)
            if not items:
                return
            if trouble.answered:
                key = _new_key()
            if len(items) < before:
                attempts.start_over()
            if self._stop.is_set():
                return
            if attempts.failures + 1 >= (ATTEMPTS if self._answered else ATTEMPTS_AT_FIRST):
                raise self._unavailable(topic, trouble, attempts.failures + 1)
            self.retries += 1
            self._clock.wait(max(attempts.next_wait(), trouble.retry_after), self._stop)

    def _attempt(self, topic: str, items: list[Item], key: str) -> tuple[list[Item], _Trouble]:
        """Send once and count; return the items that have to be sent again, and why."""
        request = self._endpoint.request(topic, items)
        try:
            answer = self._request(request, key)
        except HTTPError as error:
            return items, _Trouble(str(error))
        self._answered = True
        if answer.status >= 500 or answer.status in RETRIED_STATUSES:
            return items, _Trouble(read_rejection(answer.status, answer.data).message, _retry_after(answer))
        if not 200 <= answer.status < 300:
            self._count_rejected(topic, items, read_rejection(answer.status, answer.data))
            return [], _Trouble("")
        again = self._count(topic, items, answer.data)
        return again, _Trouble("the gateway asks to send some records again", answered=True)

    def _request(self, request: EndpointRequest, key: str) -> BaseHTTPResponse:
        return self._http.request(
            request.method,
            self._prefix + request.path,
            body=request.body,
            headers={
                **self._http.headers,
                "Content-Type": request.content_type,
                "Idempotency-Key": f'"{key}"',
            },
        )

    def _count(self, topic: str, items: list[Item], body: bytes) -> list[Item]:
        try:
            verdicts = self._endpoint.verdicts(body, len(items))
        except (ValueError, msgspec.DecodeError) as error:
            raise TerminalError(
                f"the answer is not one of a gateway: {error}",
                where=f"{self._url}, topic {topic}",
                hint="check emulator.url with pinflow config show",
            ) from error
        counted = self.counts[topic]
        counted.acknowledged += verdicts.acknowledged
        self._note(counted, verdicts.refused)
        return [items[index] for index in verdicts.again]

    def _count_rejected(self, topic: str, items: list[Item], refused: Rejection) -> None:
        self._note(self.counts[topic], [refused.message] * len(items))
        self._first_rejection = self._first_rejection or (refused, topic)

    def _note(self, counted: TopicCounts, reasons: list[str]) -> None:
        counted.refused += len(reasons)
        for reason in reasons:
            if len(self.messages) >= MESSAGES:
                return
            if reason not in self.messages:
                self.messages.append(reason)

    def _count_acknowledged(self) -> int:
        return sum(counted.acknowledged for counted in self.counts.values())

    def _unavailable(self, topic: str, trouble: _Trouble, attempts: int) -> UnavailableError:
        return UnavailableError(
            f"the gateway did not take the records in {attempts} attempts ({trouble.reason}); "
            f"{self._count_acknowledged():,} records were acknowledged before",
            where=f"{self._url}, topic {topic}",
            hint="pinflow gateway",
        )

    def _give_up_rejected(self) -> None:
        if self._first_rejection is None:
            refused, topic = Rejection(200, self.messages[0], unknown_topic=False), self._endpoint.topics[0]
        else:
            refused, topic = self._first_rejection
        kind = UnknownTopicError if refused.unknown_topic else TerminalError
        raise kind(
            f"the gateway refused all records of the first posts: {refused.message}",
            where=f"{self._url}, topic {topic}",
            hint=_hint(refused),
        )


def _hint(refused: Rejection) -> str:
    if refused.unknown_topic:
        return "set gateway.create_topics, or check id and emulator.url with pinflow config show"
    if refused.status in {401, 403}:
        return "set PINFLOW__EMULATOR__API_KEY to a key of pinflow gateway keys create"
    return "check emulator.url and emulator.batch_posts with pinflow config show"


def _new_key() -> str:
    """A key that no other request has, in this emulation or another: it is not drawn with the seed."""
    return str(uuid4())


def _retry_after(answer: BaseHTTPResponse) -> float:
    value = answer.headers.get("Retry-After")
    if value is None:
        return 0.0
    try:
        asked = float(Retry().parse_retry_after(value))
    except InvalidHeader:
        return 0.0
    return min(asked, LONGEST_RETRY_AFTER_S)
