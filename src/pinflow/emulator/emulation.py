"""One emulation: posts are taken as they are due, sent through every endpoint, and reported."""

from __future__ import annotations

import ssl
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING, Literal

from urllib3 import Timeout, connection_from_url
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from pinflow.config import mask
from pinflow.emulator.delivery import MESSAGES, Delivery
from pinflow.emulator.draw import Supply, drawn_picks, every_pick, require_drawable
from pinflow.emulator.endpoints import BatchEndpoint, StreamEndpoint
from pinflow.emulator.pace import Drawn, Steady, SystemClock, Unpaced
from pinflow.emulator.report import EmulatorReport, TopicReport
from pinflow.errors import ConfigError, UsageError
from pinflow.progress import Silent
from pinflow.source import open_posts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from urllib3 import HTTPConnectionPool

    from pinflow.emulator.endpoints import Endpoint
    from pinflow.emulator.pace import Clock, Pace
    from pinflow.progress import Progress

__all__ = ["EndpointChoice", "Rate", "emulate"]

EndpointChoice = Literal["batch", "stream", "both"]
Rate = float | Literal["max"] | None

ENDPOINTS: dict[str, tuple[type[BatchEndpoint | StreamEndpoint], ...]] = {
    "batch": (BatchEndpoint,),
    "stream": (StreamEndpoint,),
    "both": (BatchEndpoint, StreamEndpoint),
}

TIMEOUT = Timeout(connect=5.0, read=60.0)
"""Seconds. A gateway answers within a bounded time; a silence of a minute is a lost connection."""

SILENT = Silent()
CLOCK = SystemClock()


def emulate(
    source_url: str,
    gateway_url: str,
    user_id: str,
    *,
    to: EndpointChoice = "both",
    posts: int | None = None,
    each_once: bool = False,
    rate: Rate = None,
    seed: int = 100,
    batch_posts: int = 100,
    headers: Mapping[str, str] | None = None,
    api_key: str = "",
    ca_file: str = "",
    stop: Event | None = None,
    progress: Progress = SILENT,
    clock: Clock = CLOCK,
) -> EmulatorReport:
    """Send posts of the source through the gateway, pin, geo and user of each in this order.

    Posts are drawn with replacement, always in the same order for a seed; 100 gives the published one.
    A request whose answer is lost is sent again under the same `Idempotency-Key`, which the gateway appends once.
    Blocks until all are sent; when `stop` is set, the posts in flight are settled and the report returned.

    Args:
        source_url: The source database.
        gateway_url: Where the gateway listens, `http://host:port`.
        user_id: The user id in the names of topics and streams.
        to: The side whose endpoint gets the posts; with `both` every post goes to each, at the same time.
        posts: How many to send; None without end, or with `each_once` all.
        each_once: Every post of the source once, in the order of the numbers, instead of a draw.
        rate: Posts a second; `"max"` for as many as the gateway takes; None for the traditional pauses.
        seed: Of the draw.
        batch_posts: Posts in a request, at most, when they come faster than one by one.
        headers: Further headers of every request.
        api_key: Sent with every request, unless it is empty.
        ca_file: A PEM file with the authority that the gateway's certificate rests on, besides the system's.
        stop: Set it, from another thread or a signal handler, to end.
        progress: Shows how many posts are sent.
        clock: Paces and delays.

    Raises:
        UsageError: An argument is out of range.
        ConfigError: The gateway's URL cannot be used, or `ca_file` cannot be loaded.
        AbsentError: There is no source, or no post in it that could be drawn.
        UnavailableError: The gateway, or the source, cannot be reached.
        UnknownTopicError: The gateway does not know the topics.
        TerminalError: The gateway refuses all records of the first posts, or the answer is not a gateway's.
    """
    _check_arguments(to, posts, rate, batch_posts)
    _check_url(gateway_url)
    stop = Event() if stop is None else stop
    with (
        open_posts(source_url, stop.wait) as source,
        _connections(gateway_url, _headers(headers, api_key), ca_file) as http,
    ):
        total = posts
        if each_once:
            picks, total = every_pick(source, seed), min(posts or sys.maxsize, source.count())
        else:
            require_drawable(source, mask(source_url))
            picks = drawn_picks(seed)
        supply = Supply(source, picks, limit=posts, at_once=batch_posts, stop=stop)
        endpoints: list[Endpoint] = [endpoint(user_id) for endpoint in ENDPOINTS[to]]
        deliveries = [Delivery(endpoint, http, gateway_url, clock=clock, stop=stop) for endpoint in endpoints]
        emulation = Emulation(supply, _pace(rate, batch_posts, clock), deliveries, stop)
        started = clock.now()
        progress.start(total, "posts")
        try:
            emulation.run(progress)
        finally:
            progress.stop()
        return emulation.report(clock.now() - started)


class Emulation:
    """Takes posts as they are due and sends them through every endpoint at once."""

    def __init__(self, supply: Supply, pace: Pace, deliveries: list[Delivery], stop: Event) -> None:
        self._supply = supply
        self._pace = pace
        self._deliveries = deliveries
        self._stop = stop
        self._posts = 0
        self._ended = False

    def run(self, progress: Progress) -> None:
        """Send until the posts end or a stop is asked for."""
        with ThreadPoolExecutor(len(self._deliveries), "pinflow-emulator") as pool:
            due = self._pace.next(self._supply, self._stop)
            while due and not self._stop.is_set():
                sending = [pool.submit(delivery.send, due) for delivery in self._deliveries]
                following = self._pace.next(self._supply, self._stop) if self._pace.eager else None
                wait(sending)
                for sent in sending:
                    sent.result()
                self._posts += len(due)
                progress.advance(len(due))
                due = self._pace.next(self._supply, self._stop) if following is None else following
            self._ended = not due and not self._stop.is_set()

    def report(self, seconds: float) -> EmulatorReport:
        """Sum up what was done."""
        topics = {
            topic: TopicReport(counted.sent, counted.acknowledged, counted.refused)
            for delivery in self._deliveries
            for topic, counted in delivery.counts.items()
        }
        sent = sum(topic.sent for topic in topics.values())
        acknowledged = sum(topic.acknowledged for topic in topics.values())
        refused = sum(topic.refused for topic in topics.values())
        return EmulatorReport(
            posts=self._posts,
            skipped=self._supply.skipped,
            sent=sent,
            acknowledged=acknowledged,
            refused=refused,
            unsettled=sent - acknowledged - refused,
            topics=topics,
            messages=[message for delivery in self._deliveries for message in delivery.messages][:MESSAGES],
            retries=sum(delivery.retries for delivery in self._deliveries),
            seconds=seconds,
            records_per_second=acknowledged / seconds if seconds > 0 else 0.0,
            stopped=not self._ended,
        )


def _headers(headers: Mapping[str, str] | None, api_key: str) -> dict[str, str]:
    authorization = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    return {"User-Agent": "pinflow-emulator", **authorization, **(headers or {})}


@contextmanager
def _connections(url: str, headers: Mapping[str, str], ca_file: str) -> Iterator[HTTPConnectionPool]:
    """Kept connections, one an endpoint. urllib3's own retries are off, as they know nothing of records."""
    trust = {"ssl_context": _trust(ca_file)} if url.startswith("https:") else {}
    http = connection_from_url(
        url, maxsize=len(ENDPOINTS["both"]), retries=False, timeout=TIMEOUT, headers=headers, **trust
    )
    try:
        yield http
    finally:
        http.close()


def _trust(ca_file: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"the authority's certificate cannot be loaded: {getattr(error, 'strerror', None) or error}",
                where=f"emulator.ca_file = {ca_file}",
            ) from error
    return context


def _pace(rate: Rate, batch_posts: int, clock: Clock) -> Pace:
    if rate is None:
        return Drawn(clock)
    if rate == "max":
        return Unpaced(batch_posts)
    return Steady(rate, batch_posts, clock)


def _check_arguments(to: str, posts: int | None, rate: Rate, batch_posts: int) -> None:
    if to not in ENDPOINTS:
        raise UsageError(
            f"{to!r} is not a side that posts can go to", hint=f"use one of: {', '.join(ENDPOINTS)}"
        )
    if posts is not None and posts < 1:
        raise UsageError(
            f"the number of posts is at least 1, not {posts}", hint="pinflow emulate --posts 100"
        )
    if isinstance(rate, str) and rate != "max":
        raise UsageError(f"{rate!r} is not a rate", hint="pinflow emulate --rate max")
    if isinstance(rate, (int, float)) and not 0 < rate < float("inf"):
        raise UsageError(
            f"a rate is a positive number of posts a second, not {rate}", hint="pinflow emulate --rate 50/s"
        )
    if batch_posts < 1:
        raise UsageError(
            f"a request holds at least one post, not {batch_posts}", where="emulator.batch_posts"
        )


def _check_url(url: str) -> None:
    try:
        parsed = parse_url(url)
    except LocationParseError:
        parsed = None
    if parsed is None or parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ConfigError(
            "the gateway's URL cannot be used",
            where=f"emulator.url = {mask(url)}",
            hint="use http://<host>:<port>, as pinflow gateway prints it",
        )
    if parsed.auth:
        raise ConfigError(
            "the gateway's URL has a user and a password, which are not sent",
            where=f"emulator.url = {mask(url)}",
            hint="leave them out, and set emulator.api_key",
        )
