"""Putting records into streams that refuse some, fail, or do not answer."""

from __future__ import annotations

import base64
import threading
from typing import TYPE_CHECKING, Any

import pytest
from tests.servers.kinesis import url_of
from tests.servers.kinesis_faults import (
    body_of,
    describing,
    drop_after,
    failed,
    failing,
    on,
    operation_of,
    refusing_at_random,
    refusing_some,
)
from tests.servers.ports import free_port

from pinflow.errors import (
    OverloadedError,
    TooLargeError,
    UnavailableError,
    UnknownPartitionError,
    UnknownTopicError,
    UnsupportedRecordError,
)
from pinflow.log import AppendResult, EventLog, ProduceBatch, Records, open_log
from pinflow.log.kinesis.log import KinesisLog
from pinflow.log.kinesis.pacing import RateLimiter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.faults import Answer, Faults, Forward, Request

THROTTLED = "ProvisionedThroughputExceededException"


pytestmark = pytest.mark.usefixtures("aws_credentials")


@pytest.fixture
def log(faults: Faults, prefix: str) -> Iterator[EventLog]:
    log = open_log(url_of(faults.url, prefix))
    log.topics.create("t", 2)
    yield log
    faults.fault = None
    log.close()


def produce(log: EventLog, values: list[bytes], routes: list[bytes]) -> AppendResult:
    (appended,) = log.append([ProduceBatch("t", None, Records(list(values)), routes)])
    return appended


def produce_all(log: EventLog, values: list[bytes], routes: list[bytes]) -> None:
    """Send again what was too much, as a client does."""
    left = list(range(len(values)))
    while left:
        appended = produce(log, [values[n] for n in left], [routes[n] for n in left])
        assert {type(error) for error in appended.refused.values()} <= {OverloadedError}
        left = [left[n] for n in sorted(appended.refused)]


def stored(log: EventLog) -> list[bytes]:
    found: list[bytes] = []
    for partition in log.describe("t"):
        chunk = log.read("t", partition.number, None, max_records=1 << 20, max_bytes=1 << 30)
        found += [value or b"" for value in chunk.records.values]
    return found


def numbered(count: int, routes: int) -> tuple[list[bytes], list[bytes]]:
    """Values `<route>-<n>`, with their routes."""
    names = [b"%d" % (n % routes) for n in range(count)]
    return [b"%b-%06d" % (name, n) for n, name in enumerate(names)], names


def of_route(values: list[bytes], name: bytes) -> list[bytes]:
    return [value for value in values if value.startswith(name + b"-")]


def test_records_that_are_refused_are_put_again_and_none_of_their_route_overtakes(
    log: EventLog, faults: Faults
) -> None:
    values, routes = numbered(200, 40)
    faults.fault = refusing_at_random(0.2, seed=3)
    produce_all(log, values, routes)
    seen = stored(log)
    assert sorted(seen) == sorted(values)
    for name in set(routes):
        assert of_route(seen, name) == of_route(values, name)


def test_in_the_order_of_requests_many_records_of_one_key_are_put_at_once(
    faults: Faults, prefix: str, log: EventLog
) -> None:
    puts: list[int] = []

    def watch(request: Request, forward: Forward) -> Answer:
        puts.append(len(body_of(request)["Records"]))
        return forward(request)

    faults.fault = on("PutRecords", watch)
    values, routes = numbered(700, 1)
    at_once = open_log(url_of(faults.url, prefix, order="request"))
    (appended,) = at_once.append([ProduceBatch("t", None, Records(list(values)), routes)])
    at_once.close()
    assert not appended.refused
    assert puts == [500, 200]
    assert stored(log) == values


def test_what_is_throttled_for_too_long_is_refused_with_all_that_follows_it(
    log: EventLog, faults: Faults, prefix: str
) -> None:
    hasty = open_log(url_of(faults.url, prefix, timeout=3))
    values, routes = numbered(20, 4)
    hit = base64.b64encode(values[5]).decode()
    faults.fault = refusing_some(lambda record: THROTTLED if record["Data"] == hit else None)
    appended = produce(hasty, values, routes)
    hasty.close()
    assert set(appended.refused) == {index for index in range(5, 20) if routes[index] == routes[5]}
    assert {type(error) for error in appended.refused.values()} == {OverloadedError}
    taken = [value for index, value in enumerate(values) if index not in appended.refused]
    assert sorted(stored(log)) == sorted(taken)


@pytest.mark.parametrize("code", ["InternalFailure", "ProvisionedThroughputExceededException"])
def test_a_record_or_a_whole_request_that_was_not_taken_is_put_again(
    log: EventLog, faults: Faults, code: str
) -> None:
    left = [2]

    def once(_: dict[str, Any]) -> str | None:
        left[0] -= 1
        return code if left[0] >= 0 else None

    faults.fault = refusing_some(once)
    assert not produce(log, [b"a"], [b"1"]).refused
    faults.fault = failing("PutRecords", THROTTLED, times=2)
    assert not produce(log, [b"b"], [b"1"]).refused
    assert stored(log) == [b"a", b"b"]


def test_a_lost_answer_is_told_and_the_request_is_not_made_again(log: EventLog, faults: Faults) -> None:
    faults.fault = drop_after("PutRecords", times=1)
    with pytest.raises(UnavailableError):
        produce(log, [b"a", b"b", b"c"], [b"1", b"2", b"1"])
    assert sorted(stored(log)) == [b"a", b"b"], "what followed on the route of a record in doubt stayed away"


@pytest.mark.parametrize("status", [500, 503])
def test_an_answer_that_says_nothing_of_the_records_is_like_none(
    log: EventLog, faults: Faults, status: int
) -> None:
    seen: list[str] = []

    def fail(request: Request, forward: Forward) -> Answer:
        seen.append(operation_of(request))
        return failed("InternalFailure", status=status)

    faults.fault = on("PutRecords", fail)
    with pytest.raises(UnavailableError, match="InternalFailure"):
        produce(log, [b"a"], [b"1"])
    assert seen == ["PutRecords"]


def test_a_slow_answer_is_waited_for_only_so_long(log: EventLog, faults: Faults, prefix: str) -> None:
    hasty = open_log(url_of(faults.url, prefix, timeout=0.3))
    answer = threading.Event()

    def slow(request: Request, forward: Forward) -> Answer:
        answer.wait(30)
        return forward(request)

    faults.fault = on("PutRecords", slow)
    try:
        with pytest.raises(UnavailableError, match="ReadTimeout"):
            produce(hasty, [b"a"], [b"1"])
    finally:
        answer.set()
        hasty.close()


def test_a_record_that_kinesis_calls_invalid_takes_no_other_with_it(log: EventLog, faults: Faults) -> None:
    bad = base64.b64encode(b"bad").decode()

    def refuse(request: Request, forward: Forward) -> Answer:
        if bad in [record["Data"] for record in body_of(request)["Records"]]:
            return failed("ValidationException", "one of them does not fit")
        return forward(request)

    faults.fault = on("PutRecords", refuse)
    appended = produce(log, [b"a", b"bad", b"c", b"d"], [b"1", b"2", b"3", b"2"])
    assert {index: type(error) for index, error in appended.refused.items()} == {1: UnsupportedRecordError}
    assert sorted(stored(log)) == [b"a", b"c", b"d"]


def test_requests_keep_within_the_limits_that_kinesalite_enforces(log: EventLog) -> None:
    values, routes = numbered(1_200, 1_200)
    large = [bytes([65 + n]) * 1_000_000 for n in range(8)]
    produce_all(log, [*values, *large], [*routes, *(b"l%d" % n for n in range(8))])
    assert sorted(stored(log)) == sorted([*values, *large])


def test_a_record_larger_than_the_stream_takes_is_refused_alone(
    log: EventLog, faults: Faults, prefix: str
) -> None:
    appended = produce(log, [b"a", b"x" * (1 << 20)], [b"1", b"2"])
    assert {index: type(error) for index, error in appended.refused.items()} == {1: TooLargeError}
    faults.fault = describing(MaxRecordSizeInKiB=2048)
    again = open_log(url_of(faults.url, prefix))
    (appended,) = again.append([ProduceBatch("t", None, Records([b"x" * ((1 << 20) + 1)]), [b"2"])])
    again.close()
    (error,) = appended.refused.values()  # by kinesalite itself, which knows no larger ones
    assert isinstance(error, UnsupportedRecordError)
    assert str(error).startswith("Kinesis does not take the record: ValidationException")


def test_of_several_topics_those_that_are_there_take_their_records(log: EventLog) -> None:
    became = log.append(
        [
            ProduceBatch("t", None, Records([b"a"]), [b"1"]),
            ProduceBatch("nowhere", None, Records([b"b", b"c"]), [b"1", b"2"]),
            ProduceBatch("t", 7, Records([b"d"]), [b"1"]),
        ]
    )
    assert [sorted(each.refused) for each in became] == [[], [0, 1], [0]]
    assert isinstance(became[1].refused[0], UnknownTopicError)
    assert isinstance(became[2].refused[0], UnknownPartitionError)
    assert stored(log) == [b"a"]


def test_a_stream_that_is_being_created_refuses_only_its_own_records(log: EventLog, faults: Faults) -> None:
    log.topics.create("coming", 1)
    missing, coming = failing("PutRecords", "ResourceNotFoundException"), describing(StreamStatus="CREATING")
    faults.fault = lambda request, forward: missing(request, lambda each: coming(each, forward))
    (appended,) = log.append([ProduceBatch("coming", None, Records([b"a"]), [b"1"])])
    assert isinstance(appended.refused[0], UnavailableError)
    assert "being created" in str(appended.refused[0])


def test_an_append_does_not_wait_for_what_is_asked_about_its_stream_again(
    log: EventLog, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(log, KinesisLog)
    produce(log, [b"a"], [b"1"])
    monkeypatch.setattr(log._streams._descriptions, "_seconds", 0.0)
    asked, answer = threading.Event(), threading.Event()

    def slow(request: Request, forward: Forward) -> Answer:
        asked.set()
        answer.wait(30)
        return forward(request)

    faults.fault = on("DescribeStreamSummary", slow)
    try:
        produce(log, [b"b"], [b"1"])
        assert asked.wait(30)
        produce(log, [b"c"], [b"1"])
    finally:
        answer.set()
    assert stored(log) == [b"a", b"b", b"c"]


def test_kinesis_away_is_told(aws_credentials: None) -> None:
    log = open_log(url_of(f"http://127.0.0.1:{free_port()}"))
    for call in (
        lambda: log.append([ProduceBatch("t", None, Records([b"a"]), [b"1"])]),
        log.topics.list,
        lambda: log.describe("t"),
        lambda: log.identity,
    ):
        with pytest.raises(UnavailableError, match="EndpointConnectionError"):
            call()
    log.close()


def test_a_shard_gets_no_more_than_its_rate(faults: Faults, prefix: str) -> None:
    paced = open_log(url_of(faults.url, prefix, pace="on", timeout=2))
    paced.topics.create("one", 1)
    values, routes = numbered(4_000, 4_000)
    (appended,) = paced.append([ProduceBatch("one", None, Records(list(values)), routes)])
    chunk = paced.read("one", 0, None, max_records=1 << 20, max_bytes=1 << 30)
    paced.close()
    assert {type(error) for error in appended.refused.values()} == {OverloadedError}
    taken = [value for index, value in enumerate(values) if index not in appended.refused]
    assert sorted(map(bytes, filter(None, chunk.records.values))) == sorted(taken)
    assert len(taken) < 3_500


def test_a_bucket_lets_through_a_second_s_worth_and_then_one_that_is_larger_than_that() -> None:
    paces = RateLimiter(10, 1_000.0)
    assert [paces.take("s", 0, 1, 1) for _ in range(10)] == [0.0] * 10
    assert paces.take("s", 0, 1, 1) > 0
    assert paces.take("s", 1, 1, 5_000) == 0, "each shard has its own, and a large record passes"
    assert paces.take("s", 1, 1, 1) > 3
