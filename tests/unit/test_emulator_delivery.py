from __future__ import annotations

import json
import threading
from collections import Counter
from email.utils import formatdate
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import msgspec
import pytest
from tests.gateway_stand_in import Fault, StandIn, stand_in

from pinflow import source
from pinflow.emulator import EmulatorReport, TopicReport, emulate
from pinflow.emulator.draw import drawn_picks
from pinflow.errors import (
    AbsentError,
    ConfigError,
    TerminalError,
    UnavailableError,
    UnknownTopicError,
    UsageError,
)
from pinflow.source.synthetic.synthetic import synthetic_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinflow.emulator.emulation import EndpointChoice

ID = "0a6a638f5991"
BATCH = tuple(f"{ID}.{kind}" for kind in ("pin", "geo", "user"))
STREAM = tuple(f"streaming-{ID}-{kind}" for kind in ("pin", "geo", "user"))
NOT_NOW = Fault(status=503)
LOST = Fault(status=0, keeps=True)
BROKEN = Fault(status=0)
POSTS = 12_000
"""Every number of the draw is there."""


class FakeClock:
    """Time passes by waiting only; may stop the emulation at a wait."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.time = 0.0
        self.waits: list[float] = []
        self._stop_at = stop_at
        self._lock = threading.Lock()

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float, stop: threading.Event) -> None:
        with self._lock:
            self.waits.append(seconds)
            if len(self.waits) == self._stop_at:
                stop.set()
            self.time += seconds


class Watcher:
    def __init__(self) -> None:
        self.total: int | None = None
        self.done = 0
        self.stopped = False

    def start(self, total: int | None, what: str) -> None:
        assert what == "posts"
        self.total = total

    def advance(self, n: int) -> None:
        self.done += n

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def gateway() -> Iterator[StandIn]:
    with stand_in() as state:
        yield state


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('source')}/source.db"
    source.create(url, POSTS)
    return url


def run(
    url: str,
    gateway: StandIn,
    *,
    to: EndpointChoice = "batch",
    rate: float | Literal["max"] | None = "max",
    **options: Any,
) -> EmulatorReport:
    options.setdefault("clock", FakeClock())
    return emulate(url, gateway.url, ID, to=to, rate=rate, **options)


def numbers(values: list[dict[str, Any]]) -> list[int]:
    return [value["index"] if "index" in value else value["ind"] for value in values]


def published(count: int) -> list[int]:
    return [pick.number for pick in islice(drawn_picks(100), count)]


@pytest.mark.parametrize(("to", "topics"), [("batch", BATCH), ("stream", STREAM), ("both", BATCH + STREAM)])
@pytest.mark.parametrize("batch_posts", [1, 7, 100])
def test_every_door_gets_the_published_posts_as_rows_of_the_source(
    url: str, gateway: StandIn, to: EndpointChoice, topics: tuple[str, ...], batch_posts: int
) -> None:
    report = run(url, gateway, to=to, posts=20, batch_posts=batch_posts)
    assert set(gateway.kept) == set(topics)
    assert all(numbers(gateway.kept[topic]) == published(20) for topic in topics)
    (first, *_) = synthetic_blocks(POSTS, 100)
    assert tuple(gateway.kept[topics[0]][0].values()) == first.pins[7528]
    assert report.topics == {topic: TopicReport(20, 20, 0) for topic in topics}
    assert (report.posts, report.sent, report.acknowledged) == (20, 20 * len(topics), 20 * len(topics))
    assert (report.refused, report.unsettled, report.retries, report.skipped) == (0, 0, 0, 0)
    assert not report.stopped


def test_the_batch_door_is_spoken_to_in_the_rest_proxys_dialect(url: str, gateway: StandIn) -> None:
    run(url, gateway, posts=4, batch_posts=2)
    assert [(seen.method, seen.path) for seen in gateway.seen] == [
        ("POST", f"/topics/{t}") for t in BATCH
    ] * 2
    for seen in gateway.seen:
        assert seen.headers["Content-Type"] == "application/vnd.kafka.json.v2+json"
        assert [list(record) for record in seen.body["records"]] == [["value"], ["value"]]


def test_the_stream_door_is_spoken_to_in_the_kinesis_dialect(url: str, gateway: StandIn) -> None:
    run(url, gateway, to="stream", posts=3, batch_posts=2)
    several, one = gateway.seen[0], gateway.seen[3]
    assert [(seen.method, seen.path) for seen in gateway.seen] == [
        *(("PUT", f"/streams/{topic}/records") for topic in STREAM),
        *(("PUT", f"/streams/{topic}/record") for topic in STREAM),
    ]
    assert several.headers["Content-Type"] == "application/json"
    assert [record["partition-key"] for record in several.body["records"]] == ["7528", "2863"]
    assert (one.body["StreamName"], one.body["PartitionKey"]) == (STREAM[0], "5730")
    assert one.body["Data"]["index"] == 5730


def test_a_stream_request_holds_no_more_records_than_kinesis_takes(url: str, gateway: StandIn) -> None:
    run(url, gateway, to="stream", posts=1_200, batch_posts=1_200)
    sizes = [len(seen.body["records"]) for seen in gateway.seen]
    assert sizes == [500, 500, 200] * 3


def test_each_once_sends_every_post_in_order(url: str, gateway: StandIn) -> None:
    report = run(url, gateway, to="both", each_once=True, batch_posts=1_000)
    assert report.posts == POSTS
    assert all(numbers(gateway.kept[topic]) == list(range(POSTS)) for topic in BATCH + STREAM)


def test_each_once_ends_at_the_number_of_posts_asked_for(url: str, gateway: StandIn) -> None:
    watcher = Watcher()
    run(url, gateway, each_once=True, posts=5, progress=watcher)
    assert numbers(gateway.kept[BATCH[0]]) == [0, 1, 2, 3, 4]
    assert (watcher.total, watcher.done, watcher.stopped) == (5, 5, True)


def test_a_small_source_is_drawn_from_and_what_it_does_not_hold_counted(
    gateway: StandIn, tmp_path_factory: pytest.TempPathFactory
) -> None:
    small = f"sqlite:///{tmp_path_factory.mktemp('small')}/source.db"
    source.create(small, 3_000)
    report = run(small, gateway, posts=5)
    assert numbers(gateway.kept[BATCH[0]]) == [2863, 1313, 2923, 2959, 2418]
    assert report.skipped == 15


def test_connections_are_reused(url: str, gateway: StandIn) -> None:
    run(url, gateway, to="both", posts=50, batch_posts=1)
    assert len(gateway.seen) == 300
    assert gateway.connections <= 2


def test_headers_go_with_every_request(url: str, gateway: StandIn) -> None:
    run(url, gateway, posts=2, headers={"X-API-Key": "k"})
    assert {seen.headers["X-API-Key"] for seen in gateway.seen} == {"k"}


@pytest.mark.parametrize("to", ["batch", "stream"])
@pytest.mark.parametrize(
    "fault",
    [NOT_NOW, Fault(status=500), Fault(status=429), Fault(status=408), BROKEN],
    ids=lambda f: f.status,
)
def test_a_request_that_fails_for_now_is_sent_again(
    url: str, gateway: StandIn, to: EndpointChoice, fault: Fault
) -> None:
    gateway.faults = [Fault(), fault, fault]
    report = run(url, gateway, to=to, posts=6, batch_posts=3)
    assert (report.acknowledged, report.retries, report.unsettled) == (18, 2, 0)
    assert all(numbers(values) == published(6) for values in gateway.kept.values())


@pytest.mark.parametrize("to", ["batch", "stream"])
def test_a_request_whose_answer_is_lost_is_sent_again_and_counted_once(
    url: str, gateway: StandIn, to: EndpointChoice
) -> None:
    gateway.faults = [LOST]
    report = run(url, gateway, to=to, posts=3)
    first, *others = gateway.kept.values()
    assert numbers(first) == published(3) * 2
    assert all(numbers(values) == published(3) for values in others)
    assert (report.sent, report.acknowledged, report.retries) == (9, 9, 1)


@pytest.mark.parametrize("to", ["batch", "stream"])
def test_a_request_keeps_its_key_when_it_is_sent_again_and_no_other_has_it(
    url: str, gateway: StandIn, to: EndpointChoice
) -> None:
    gateway.faults = [LOST, NOT_NOW, Fault(status=409)]
    run(url, gateway, to=to, posts=3)
    keys = [seen.headers["Idempotency-Key"] for seen in gateway.seen]
    assert len(keys) == 6
    assert len(set(keys[:4])) == 1
    assert len(set(keys)) == 3
    assert all(UUID(key.strip('"')).version == 4 for key in keys)
    run(url, gateway, to=to, posts=3)
    assert len({seen.headers["Idempotency-Key"] for seen in gateway.seen}) == 6


def test_the_rest_of_a_request_is_a_request_of_its_own(url: str, gateway: StandIn) -> None:
    gateway.faults = [Fault(entries=(0, 3), code=50003), NOT_NOW, Fault(entries=(0, 1), code=50003)]
    run(url, gateway, to="batch", posts=5)
    keys = [seen.headers["Idempotency-Key"] for seen in gateway.seen]
    assert keys[1] == keys[2]
    assert len({keys[0], keys[1], keys[3]}) == 3


@pytest.mark.parametrize(
    ("to", "code"),
    [
        ("batch", 50003),
        ("batch", 2),
        ("stream", "ProvisionedThroughputExceededException"),
        ("stream", "InternalFailure"),
    ],
)
def test_only_the_records_that_failed_for_now_are_sent_again(
    url: str, gateway: StandIn, to: EndpointChoice, code: object
) -> None:
    gateway.faults = [Fault(entries=(0, 3), code=code), Fault(entries=(1,), code=code)]
    report = run(url, gateway, to=to, posts=5)
    want = published(5)
    first, *others = gateway.kept.values()
    assert numbers(first) == [want[1], want[2], want[4], want[0], want[3]]
    assert all(numbers(values) == want for values in others)
    assert (report.sent, report.acknowledged, report.refused, report.retries) == (15, 15, 0, 2)


@pytest.mark.parametrize(
    ("to", "code"), [("batch", 50002), ("batch", 40402), ("stream", "ValidationException")]
)
def test_records_that_are_refused_for_good_are_counted_and_the_others_kept(
    url: str, gateway: StandIn, to: EndpointChoice, code: object
) -> None:
    gateway.faults = [Fault(entries=(1, 2), code=code)]
    report = run(url, gateway, to=to, posts=5)
    first, *_ = report.topics.values()
    assert first == TopicReport(sent=5, acknowledged=3, refused=2)
    assert (report.acknowledged, report.refused, report.retries) == (13, 2, 0)
    assert report.messages == [f"{code}: this one not"]


def test_counts_stay_exact_under_many_faults(url: str, gateway: StandIn) -> None:
    gateway.faults = [
        Fault(), NOT_NOW, Fault(entries=(0, 1), code=50003), BROKEN, Fault(entries=(0,), code=50002), Fault(),
        Fault(status=429), Fault(), Fault(status=413, body=b'{"error_code": 413, "message": "too large"}'), NOT_NOW,
    ]  # fmt: skip
    report = run(url, gateway, posts=40, batch_posts=4)
    kept = {topic: len(values) for topic, values in gateway.kept.items()}
    assert {topic: each.acknowledged for topic, each in report.topics.items()} == kept
    assert all(each.sent == 40 == each.acknowledged + each.refused for each in report.topics.values())
    assert report.refused == 5
    assert report.messages == ["50002: this one not", "413: too large"]


def test_a_request_refused_later_on_is_counted_and_the_rest_goes_on(url: str, gateway: StandIn) -> None:
    gateway.faults = [
        Fault(),
        Fault(status=404, body=b'{"error_code": 40401, "message": "Topic not found."}'),
    ]
    report = run(url, gateway, posts=4, batch_posts=2)
    assert report.topics[BATCH[1]] == TopicReport(sent=4, acknowledged=2, refused=2)
    assert report.messages == ["404: Topic not found."]


@pytest.mark.parametrize(
    ("to", "status", "body"),
    [
        ("batch", 404, b'{"error_code": 40401, "message": "Topic not found."}'),
        ("stream", 400, b'{"__type": "ResourceNotFoundException", "message": "Topic not found."}'),
    ],
)
def test_unknown_topics_end_it_at_the_first_posts(
    url: str, gateway: StandIn, to: EndpointChoice, status: int, body: bytes
) -> None:
    gateway.always = Fault(status=status, body=body)
    with pytest.raises(UnknownTopicError, match=r"Topic not found\.") as raised:
        run(url, gateway, to=to, posts=100, batch_posts=10)
    assert gateway.url in raised.value.where
    assert len(gateway.seen) == 3


@pytest.mark.parametrize("fault", [Fault(status=401, body=b"no key"), Fault(entries=(0, 1), code=50002)])
def test_a_gateway_that_refuses_everything_ends_it_at_the_first_posts(
    url: str, gateway: StandIn, fault: Fault
) -> None:
    gateway.always = fault
    with pytest.raises(TerminalError, match=r"refused all records of the first posts: (401: no key|50002)"):
        run(url, gateway, posts=100, batch_posts=2)
    assert len(gateway.seen) == 3


@pytest.mark.parametrize("body", [b"<html>hello</html>", b'{"offsets": []}', b"[]", b"\xff"])
def test_an_answer_that_is_none_of_a_gateway_ends_it(url: str, gateway: StandIn, body: bytes) -> None:
    gateway.always = Fault(status=201, body=body)
    with pytest.raises(TerminalError, match="not one of a gateway"):
        run(url, gateway, posts=2)


def test_a_gateway_that_stays_away_ends_it_after_bounded_attempts(url: str, gateway: StandIn) -> None:
    gateway.faults = [Fault()] * 3
    gateway.always = NOT_NOW
    clock = FakeClock()
    with pytest.raises(UnavailableError, match=r"8 attempts \(503: not now\); 9 records") as raised:
        run(url, gateway, posts=100, batch_posts=3, clock=clock)
    assert raised.value.hint == "pinflow gateway"
    assert len(gateway.seen) == 3 + 8
    assert len(clock.waits) == 7
    for attempt, waited in enumerate(clock.waits):
        longest = min(0.1 * 2**attempt, 5.0)
        assert longest / 2 <= waited <= longest


def test_a_gateway_that_never_ran_ends_it_sooner(url: str) -> None:
    with stand_in() as gone:
        pass
    clock = FakeClock()
    with pytest.raises(UnavailableError, match="4 attempts"):
        run(url, gone, posts=1, clock=clock)
    assert len(clock.waits) == 3


def test_attempts_count_anew_when_some_records_were_taken(url: str, gateway: StandIn) -> None:
    gateway.faults = [Fault(entries=tuple(range(1, 30 - taken)), code=50003) for taken in range(29)]
    report = run(url, gateway, posts=30)
    assert (report.acknowledged, report.retries) == (90, 29)


@pytest.mark.parametrize(
    ("asked", "waited"), [("3", 3.0), ("9999", 30.0), ("soon", 0.1), (formatdate(0, usegmt=True), 0.1)]
)
def test_the_server_says_how_long_to_wait_within_bounds(
    url: str, gateway: StandIn, asked: str, waited: float
) -> None:
    gateway.faults = [Fault(status=503, retry_after=asked)]
    clock = FakeClock()
    run(url, gateway, posts=1, clock=clock)
    assert len(clock.waits) == 1
    assert waited / 2 <= clock.waits[0] <= waited


def test_a_stop_settles_the_posts_in_flight_and_reports(url: str, gateway: StandIn) -> None:
    stop = threading.Event()

    class Stopper(Watcher):
        def advance(self, n: int) -> None:
            super().advance(n)
            if self.done >= 30:
                stop.set()

    watcher = Stopper()
    report = run(url, gateway, to="both", batch_posts=10, stop=stop, progress=watcher)
    assert report.stopped
    assert watcher.stopped
    assert (report.posts, report.acknowledged, report.unsettled) == (30, 180, 0)
    assert all(numbers(values) == published(30) for values in gateway.kept.values())


def test_a_stop_while_the_gateway_is_away_reports_what_is_not_settled(url: str, gateway: StandIn) -> None:
    gateway.faults = [Fault()] * 4
    gateway.always = NOT_NOW
    report = run(url, gateway, batch_posts=10, clock=FakeClock(stop_at=2))
    assert report.stopped
    assert report.acknowledged == 40
    assert report.unsettled > 0
    assert report.sent == report.acknowledged + report.unsettled


def test_a_stop_before_the_first_post_sends_nothing(url: str, gateway: StandIn) -> None:
    stop = threading.Event()
    stop.set()
    report = run(url, gateway, stop=stop)
    assert (report.posts, report.sent, report.stopped) == (0, 0, True)
    assert gateway.seen == []


def test_a_rate_is_kept_on_the_clock(url: str, gateway: StandIn) -> None:
    report = run(url, gateway, posts=21, rate=4.0)
    assert report.seconds == pytest.approx(5.0)
    assert report.records_per_second == pytest.approx(63 / 5)
    assert Counter(len(seen.body["records"]) for seen in gateway.seen) == {1: 63}


def test_without_a_rate_the_drawn_pauses_are_made(url: str, gateway: StandIn) -> None:
    clock = FakeClock()
    run(url, gateway, posts=10, rate=None, clock=clock)
    assert clock.waits == [pick.pause for pick in islice(drawn_picks(100), 10)]


@pytest.mark.parametrize(
    "options",
    [
        {"posts": 0},
        {"rate": 0.0},
        {"rate": float("nan")},
        {"rate": "fast"},
        {"to": "window"},
        {"batch_posts": 0},
    ],
)
def test_numbers_that_make_no_sense_are_refused(url: str, gateway: StandIn, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        run(url, gateway, **options)


@pytest.mark.parametrize("bad", ["", "localhost:8082", "ftp://x", "http://", "http://[x"])
def test_a_gateway_url_that_is_none_is_refused(url: str, bad: str) -> None:
    with pytest.raises(ConfigError, match="gateway's URL"):
        emulate(url, bad, ID, posts=1)


def test_a_missing_source_is_said(gateway: StandIn, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(AbsentError) as raised:
        run(f"sqlite:///{tmp_path_factory.mktemp('none')}/source.db", gateway, posts=1)
    assert raised.value.hint == "pinflow source create"


def test_a_report_is_json(url: str, gateway: StandIn) -> None:
    report = json.loads(msgspec.json.encode(run(url, gateway, posts=1)))
    assert report["topics"][BATCH[0]] == {"sent": 1, "acknowledged": 1, "refused": 0}
