"""What every log does, run on each backend."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from pinflow.errors import (
    CorruptError,
    GapError,
    RepeatedError,
    TopicExistsError,
    UnknownPartitionError,
    UnknownTopicError,
    UnsupportedRecordError,
)
from pinflow.log import (
    AppendResult,
    CountedOffsets,
    EventLog,
    IdempotencyKey,
    IdempotentLog,
    ProduceBatch,
    ProgressLog,
    Records,
    ShardRange,
    StoredResponse,
    is_idempotent,
    open_log,
    partition_for,
    shows_progress,
)
from tests.contract.logs import LOGS
from tests.servers.ports import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PLENTY = {"max_records": 1_000, "max_bytes": 1 << 20}


@pytest.fixture(params=sorted(LOGS))
def open_again(request: pytest.FixtureRequest) -> Iterator[Callable[[], EventLog]]:
    """Opens the same log again and again, as several processes would."""
    url = LOGS[request.param](request)
    opened: list[EventLog] = []

    def opener() -> EventLog:
        opened.append(open_log(url))
        return opened[-1]

    yield opener
    for log in opened:
        log.close()


@pytest.fixture
def topic() -> str:
    """A name that no other test has: the logs of servers are shared."""
    return f"posts-{uuid4().hex}"


@pytest.fixture
def log(open_again: Callable[[], EventLog], topic: str) -> EventLog:
    log = open_again()
    log.topics.create(topic, 3)
    return log


def of(log: EventLog, topic: str) -> dict[str, int]:
    """What the log lists of the topics whose names begin so."""
    return {name: count for name, count in log.topics.list().items() if name.startswith(topic)}


def accepted(log: EventLog, topic: str) -> list[int]:
    return [extent.accepted for extent in log.ranges(topic)]


def require(**capabilities: bool) -> None:
    """Skip what a log is not able to."""
    for name, able in capabilities.items():
        if not able:
            pytest.skip(f"this log has no {name!r}")


def values(*texts: str) -> Records:
    return Records([text.encode() for text in texts])


def test_records_come_back_byte_for_byte_in_order(log: EventLog, topic: str) -> None:
    records = Records(
        [b'{"a": 1 }', b"", None, b"\x00\xff\n", "ключ".encode()],
        [b"k", None, b"", b"\xff", None],
        [(("h", b"\x00"), ("h", b"2")), (), (), (), ()],
    )
    if log.capabilities.text_keys_only:
        records = Records(
            [b'{"a": 1 }', b"", b"null", b"\x00\xff\n", "ключ".encode()],
            [b"k", b'"k"', b"\x00", "ключ".encode(), b"x" * 256],
        )
    (appended,) = log.append([ProduceBatch(topic, 1, records)])
    assert len(appended.offsets) == 5
    assert not appended.refused
    chunk = log.read(topic, 1, None, **PLENTY)
    assert chunk.records == records
    assert chunk.offsets == list(range(chunk.offsets[0], chunk.offsets[0] + 5))
    assert chunk.timestamps == sorted(chunk.timestamps)
    assert len(chunk.timestamps) == 5


def test_what_is_appended_later_is_accepted_no_earlier_whatever_its_partition(
    log: EventLog, topic: str
) -> None:
    partitions = [each.partition for each in log.ranges(topic)]
    turns = [partitions[turn % len(partitions)] for turn in (2, 0, 1, 1, 0, 2)]
    for turn, partition in enumerate(turns):
        log.append([ProduceBatch(topic, partition, Records([b"%d" % turn], [b"k"]))])
    found: dict[bytes | None, int] = {}
    for partition in partitions:
        chunk = log.read(topic, partition, None, **PLENTY)
        found |= dict(zip(chunk.records.values, chunk.timestamps, strict=True))
    times = [found[b"%d" % turn] for turn in range(len(turns))]
    assert times == sorted(times)
    assert abs(times[0] / 1_000_000 - time.time()) < 600, "microseconds since 1970"
    if log.exact_from == 0:
        assert len(set(times)) == len(times)


def test_a_bare_log_refuses_singly_what_it_cannot_carry(log: EventLog, topic: str) -> None:
    require(text_keys_only=log.capabilities.text_keys_only)
    records = Records(
        [b"good", None, b"a", b"b", b"c", b"d", b"keyless"],
        [b"k", b"k", b"k", b"", b"\xff", b"x" * 257, None],
        [(), (), (("h", b""),), (), (), (), ()],
    )
    (appended,) = log.append([ProduceBatch(topic, 0, records, [b"7"] * 7)])
    assert sorted(appended.refused) == [1, 2, 3, 4, 5]
    assert {type(error) for error in appended.refused.values()} == {UnsupportedRecordError}
    chunk = log.read(topic, 0, None, **PLENTY)
    assert chunk.records == Records([b"good", b"keyless"], [b"k", b"7"])


def test_a_log_that_places_records_keeps_those_of_a_route_together_and_in_order(
    log: EventLog, topic: str
) -> None:
    require(assigns_partitions=log.capabilities.assigns_partitions)
    texts = [str(n) for n in range(60)]
    routes = [b"%d" % (n % 7) for n in range(60)]
    appended = log.append(
        [
            ProduceBatch(topic, None, values(*texts[:40]), routes[:40]),
            ProduceBatch(topic, None, values(*texts[40:]), routes[40:]),
        ]
    )
    placed = [place for each in appended for place in each.partitions or ()]
    assert {each.number for each in log.describe(topic)} >= set(placed)
    assert len(set(zip(routes, placed, strict=True))) == 7
    for partition in set(placed):
        seen = log.read(topic, partition, None, **PLENTY).records.values
        for route in set(routes):
            kept = [value for value in seen if b"%d" % (int(value or b"") % 7) == route]
            assert kept == sorted(kept, key=lambda value: int(value or b""))
    assert sum(accepted(log, topic)) == 60


def test_offsets_count_on_in_each_partition_alone(log: EventLog, topic: str) -> None:
    batches = [
        ProduceBatch(topic, 0, values("a", "b")),
        ProduceBatch(topic, 2, values("c")),
        ProduceBatch(topic, 0, values("d")),
    ]
    appended = log.append(batches)
    appended += log.append([ProduceBatch(topic, 0, values("e"))])
    assert accepted(log, topic) == [4, 0, 1]
    first, other, second, third = (list(each.offsets) for each in appended)
    assert first + second + third == sorted({*first, *second, *third})
    assert log.read(topic, 0, None, **PLENTY).records.values == [b"a", b"b", b"d", b"e"]
    if not log.capabilities.assigns_partitions:  # one that places records numbers them as it likes
        assert (first, other, second, third) == ([0, 1], [0], [2], [3])


def test_a_partition_says_which_offset_is_next_where_the_log_counts(log: EventLog, topic: str) -> None:
    log.append([ProduceBatch(topic, 1, Records([b"a", b"b"]))])
    numbering = [each.numbering for each in log.describe(topic)]
    if not log.capabilities.assigns_partitions:
        assert numbering[:2] == [CountedOffsets(0, 0), CountedOffsets(0, 2)]
        return
    shards = [each for each in numbering if isinstance(each, ShardRange)]
    assert len(shards) == len(numbering)
    assert [each.low_hash for each in shards] == [0, *(each.high_hash + 1 for each in shards[:-1])]


def test_a_log_keeps_the_protocols_that_its_capabilities_name(log: EventLog) -> None:
    bases = type(log).__mro__
    assert is_idempotent(log) == (IdempotentLog in bases)
    assert shows_progress(log) == (ProgressLog in bases)


def test_a_batch_without_a_partition_goes_only_to_a_log_that_assigns_one(log: EventLog, topic: str) -> None:
    batch = ProduceBatch(topic, None, values("a"), [b"r"])
    if log.capabilities.assigns_partitions:
        (became,) = log.append([batch])
        assert [*(became.partitions or ())] != []
        return
    with pytest.raises(UnknownPartitionError):
        log.append([batch])
    assert accepted(log, topic) == [0, 0, 0]


def test_a_position_that_another_log_made_is_reported_not_read(log: EventLog, topic: str) -> None:
    with pytest.raises(CorruptError, match="position"):
        log.read(topic, 0, "third", **PLENTY)


def test_a_topic_has_settings_under_kafkas_names(log: EventLog, topic: str) -> None:
    configs = log.topics.configs(topic)
    assert configs["cleanup.policy"] == "delete"
    assert int(configs.get("max.message.bytes", "1")) > 0
    assert all(isinstance(value, str) for value in configs.values())


def test_reading_goes_on_at_the_end_of_the_chunk_before(log: EventLog, topic: str) -> None:
    for start in range(0, 30, 3):
        log.append([ProduceBatch(topic, 0, values(*(str(n) for n in range(start, start + 3))))])
    seen: list[bytes | None] = []
    position = None
    while len(chunk := log.read(topic, 0, position, max_records=4, max_bytes=1 << 20)):
        assert len(chunk) <= 4
        assert position is None or chunk.start == position
        seen += chunk.records.values
        position = chunk.end
    assert seen == [str(n).encode() for n in range(30)]
    assert position == log.ranges(topic)[0].end


def test_reading_again_from_a_position_gives_the_same(log: EventLog, topic: str) -> None:
    log.append([ProduceBatch(topic, 0, values("a", "b", "c", "d"))])
    middle = log.read(topic, 0, None, max_records=2, max_bytes=1 << 20).end
    first = log.read(topic, 0, middle, **PLENTY)
    log.append([ProduceBatch(topic, 0, values("e"))])
    assert log.read(topic, 0, middle, max_records=2, max_bytes=1 << 20) == first


def test_a_read_at_the_end_is_empty_and_stays_there(log: EventLog, topic: str) -> None:
    log.append([ProduceBatch(topic, 0, values("a"))])
    end = log.read(topic, 0, None, **PLENTY).end
    empty = log.read(topic, 0, end, **PLENTY)
    assert len(empty) == 0
    assert empty.end == end


def test_a_record_larger_than_the_limit_still_comes_alone(log: EventLog, topic: str) -> None:
    log.append([ProduceBatch(topic, 0, Records([b"x" * 5_000, b"y" * 5_000, b"z"]))])
    chunk = log.read(topic, 0, None, max_records=100, max_bytes=1_000)
    assert chunk.records.values == [b"x" * 5_000]


def test_an_append_to_what_is_not_there_is_told(log: EventLog, topic: str) -> None:
    with pytest.raises(UnknownTopicError):
        log.append([ProduceBatch(f"{topic}-nowhere", 0, values("b"))])
    with pytest.raises(UnknownPartitionError):
        log.append([ProduceBatch(topic, 3, values("b"))])
    assert accepted(log, topic) == [0, 0, 0]


def test_an_append_to_the_embedded_log_is_all_or_nothing(log: EventLog, topic: str) -> None:
    if log.capabilities.managed:
        pytest.skip("a remote log may take single records")
    with pytest.raises(UnknownTopicError):
        log.append([ProduceBatch(topic, 0, values("a")), ProduceBatch("nowhere", 0, values("b"))])
    with pytest.raises(UnknownPartitionError):
        log.append([ProduceBatch(topic, 0, values("a")), ProduceBatch(topic, 3, values("b"))])
    assert accepted(log, topic) == [0, 0, 0]


def test_unknown_topics_and_partitions_are_told(log: EventLog, topic: str) -> None:
    nowhere = f"{topic}-nowhere"
    for call in (
        lambda: log.read(nowhere, 0, None, **PLENTY),
        lambda: log.ranges(nowhere),
        lambda: log.describe(nowhere),
        lambda: log.topics.delete(nowhere),
    ):
        with pytest.raises(UnknownTopicError, match=nowhere):
            call()
    with pytest.raises(UnknownPartitionError):
        log.read(topic, 7, None, **PLENTY)


def test_topics_are_listed_by_name_with_their_partitions(log: EventLog, topic: str) -> None:
    log.topics.create(f"{topic}.first", 1)
    assert of(log, topic) == {topic: 3, f"{topic}.first": 1}
    assert list(log.topics.list()) == sorted(log.topics.list())
    assert {topic, f"{topic}.first"} <= set(log.topics.readable())
    with pytest.raises(TopicExistsError):
        log.topics.create(topic, 3)


def test_a_deleted_topic_takes_nothing_more(log: EventLog, topic: str) -> None:
    log.append([ProduceBatch(topic, 0, values("old"))])
    log.topics.delete(topic)
    assert of(log, topic) == {}
    with pytest.raises(UnknownTopicError):
        log.append([ProduceBatch(topic, 0, values("late"))])
    with pytest.raises(UnknownTopicError):
        log.topics.delete(topic)


def test_one_who_stands_in_a_topic_that_was_made_again_is_told(log: EventLog, topic: str) -> None:
    if log.capabilities.retains_deleted:
        pytest.skip("this log counts on")
    log.append([ProduceBatch(topic, 0, values("old", "older"))])
    position = log.read(topic, 0, None, max_records=1, max_bytes=99).end
    log.topics.delete(topic)
    second = int(time.time()) + 1  # some logs tell topics of one name apart by when they were made
    wait_until(lambda: time.time() >= second, "the next second")
    log.topics.create(topic, 3)
    log.append([ProduceBatch(topic, 0, values("new", "newer", "newest"))])
    with pytest.raises((GapError, CorruptError)):
        log.read(topic, 0, position, **PLENTY)


def test_what_a_deleted_topic_took_can_be_read(log: EventLog, topic: str) -> None:
    require(retains_deleted=log.capabilities.retains_deleted)
    log.append([ProduceBatch(topic, 0, values("old")), ProduceBatch(topic, 2, values("older"))])
    log.topics.create(f"{topic}-empty", 1)
    log.topics.delete(topic)
    log.topics.delete(f"{topic}-empty")
    assert of(log, topic) == {}
    assert log.topics.readable() == [topic]
    with pytest.raises(UnknownTopicError):
        log.append([ProduceBatch(topic, 0, values("late"))])
    assert log.read(topic, 2, None, **PLENTY).records.values == [b"older"]


def test_a_topic_made_again_counts_on_in_every_partition_it_ever_had(log: EventLog, topic: str) -> None:
    require(retains_deleted=log.capabilities.retains_deleted)
    log.append([ProduceBatch(topic, 0, values("old")), ProduceBatch(topic, 2, values("older"))])
    log.topics.delete(topic)
    log.topics.create(topic, 1)
    assert of(log, topic) == {topic: 1}
    assert list(log.append([ProduceBatch(topic, 0, values("new"))])[0].offsets) == [1]
    assert log.read(topic, 0, None, **PLENTY).records.values == [b"old", b"new"]
    assert accepted(log, topic) == [2, 0, 1]
    with pytest.raises(UnknownPartitionError):
        log.append([ProduceBatch(topic, 2, values("late"))])


def test_a_trim_drops_only_what_all_have_committed_and_is_past_a_limit(log: EventLog, topic: str) -> None:
    require(trims=log.capabilities.trims)
    for text in "abcd":
        log.append([ProduceBatch(topic, 0, values(text))])
    places = [log.read(topic, 0, None, max_records=n, max_bytes=99).end for n in (1, 2, 3)]
    assert log.trim(topic, 0, places, older_than_ms=None, keep_bytes=None) == 0
    assert log.trim(topic, 0, places, older_than_ms=0, keep_bytes=1 << 30) == 0
    assert log.trim(topic, 0, [], older_than_ms=1 << 50, keep_bytes=None) == 0
    assert log.trim(topic, 0, places[1:], older_than_ms=1 << 50, keep_bytes=None) == 2
    assert log.read(topic, 0, None, **PLENTY).records.values == [b"c", b"d"]
    assert log.read(topic, 0, places[1], **PLENTY).records.values == [b"c", b"d"]
    with pytest.raises(GapError):
        log.read(topic, 0, places[0], **PLENTY)
    assert log.ranges(topic)[0].accepted == 4
    assert list(log.append([ProduceBatch(topic, 0, values("e"))])[0].offsets) == [4]


def test_a_trim_by_bytes_keeps_at_least_so_many(log: EventLog, topic: str) -> None:
    if log.capabilities.managed:
        pytest.skip("only the embedded log knows how many bytes its records take")
    for _ in range(4):
        log.append([ProduceBatch(topic, 0, values("x" * 1_000))])
    end = log.ranges(topic)[0].end
    assert log.trim(topic, 0, [end], older_than_ms=None, keep_bytes=1_500) == 2
    assert log.trim(topic, 0, [end], older_than_ms=None, keep_bytes=1_500) == 0


def test_a_deleted_topic_that_was_trimmed_is_gone(log: EventLog, topic: str) -> None:
    require(retains_deleted=log.capabilities.retains_deleted)
    log.append([ProduceBatch(topic, 0, values("a"))])
    log.topics.delete(topic)
    log.trim(topic, 0, [log.ranges(topic)[0].end], older_than_ms=1 << 50, keep_bytes=None)
    assert log.topics.readable() == []
    log.topics.create(topic, 3)
    assert list(log.append([ProduceBatch(topic, 0, values("b"))])[0].offsets) == [1]


def test_another_opener_reads_what_is_appended_meanwhile(
    log: EventLog, open_again: Callable[[], EventLog], topic: str
) -> None:
    reader = open_again()
    position = None
    for n in range(20):
        log.append([ProduceBatch(topic, 0, values(str(n)))])
        chunk = reader.read(topic, 0, position, **PLENTY)
        assert chunk.records.values == [str(n).encode()]
        position = chunk.end


def test_many_threads_append_without_loss_or_doubling(log: EventLog, topic: str) -> None:
    def append(name: int) -> None:
        for n in range(20):
            log.append([ProduceBatch(topic, 0, values(f"{name}-{n}"))])

    threads = [threading.Thread(target=append, args=(name,)) for name in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = log.read(topic, 0, None, **PLENTY).records.values
    assert sorted(map(str, seen)) == sorted(str(f"{a}-{n}".encode()) for a in range(5) for n in range(20))


FAR = 1 << 45
"""In the year 3084, in milliseconds."""


@pytest.fixture
def once(log: EventLog) -> IdempotentLog:
    if not is_idempotent(log):
        pytest.skip("this log does not take a request once")
    return log


def token(key: bytes, start: int, stop: int, *, expires: int = FAR) -> IdempotencyKey:
    return IdempotencyKey(key, b"print of " + key, b"note of " + key, expires, start, stop)


def test_tokens_are_kept_with_the_first_offsets_of_their_batches(once: IdempotentLog, topic: str) -> None:
    once.append([ProduceBatch(topic, 0, values("a"))])
    batches = [
        ProduceBatch(topic, 0, values("b", "c")),
        ProduceBatch(topic, 2, values("d")),
        ProduceBatch(topic, 0, values("e")),
    ]
    appended = once.append_idempotent(batches, [token(b"k1", 0, 2), token(b"k2", 2, 3)])
    assert [list(each.offsets) for each in appended] == [[1, 2], [0], [3]]
    assert once.stored_responses([b"k1", b"k2", b"k3"]) == {
        b"k1": StoredResponse(
            b"print of k1", b"note of k1", [AppendResult(range(1, 3)), AppendResult(range(1))]
        ),
        b"k2": StoredResponse(b"print of k2", b"note of k2", [AppendResult(range(3, 4))]),
    }


def test_a_token_that_is_kept_lets_nothing_be_appended(
    once: IdempotentLog, open_again: Callable[[], EventLog], topic: str
) -> None:
    once.append_idempotent([ProduceBatch(topic, 0, values("a"))], [token(b"k", 0, 1)])
    other = open_again()
    assert is_idempotent(other)
    for log in (once, other):
        assert list(log.stored_responses([b"k"])) == [b"k"]
        with pytest.raises(RepeatedError):
            log.append_idempotent(
                [ProduceBatch(topic, 0, values("x")), ProduceBatch(topic, 1, values("a"))],
                [token(b"new", 0, 1), token(b"k", 1, 2)],
            )
        assert log.stored_responses([b"new"]) == {}
    with pytest.raises(RepeatedError):
        once.append_idempotent(
            [ProduceBatch(topic, 0, values("y", "z"))], [token(b"2", 0, 1), token(b"2", 0, 1)]
        )
    assert accepted(once, topic) == [1, 0, 0]


def test_a_token_of_an_append_that_failed_is_not_kept(once: IdempotentLog, topic: str) -> None:
    with pytest.raises(UnknownPartitionError):
        once.append_idempotent([ProduceBatch(topic, 7, values("a"))], [token(b"k", 0, 1)])
    assert once.stored_responses([b"k"]) == {}
    once.append_idempotent([ProduceBatch(topic, 0, values("a"))], [token(b"k", 0, 1)])


def test_a_token_that_has_expired_is_as_if_it_never_was(once: IdempotentLog, topic: str) -> None:
    once.append_idempotent([ProduceBatch(topic, 0, values("a"))], [token(b"k", 0, 1, expires=1)])
    assert once.stored_responses([b"k"]) == {}
    once.append_idempotent([ProduceBatch(topic, 0, values("b"))], [token(b"k", 0, 1)])
    assert once.stored_responses([b"k"])[b"k"].appended == [AppendResult(range(1, 2))]


def test_the_same_token_from_many_threads_is_appended_once(
    once: IdempotentLog, open_again: Callable[[], EventLog], topic: str
) -> None:
    refused: list[RepeatedError] = []

    def append() -> None:
        log = open_again()
        assert is_idempotent(log)
        try:
            log.append_idempotent([ProduceBatch(topic, 0, values("a"))], [token(b"k", 0, 1)])
        except RepeatedError as error:
            refused.append(error)

    threads = [threading.Thread(target=append) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 5
    assert once.ranges(topic)[0].accepted == 1


def test_a_key_goes_to_one_partition_always() -> None:
    assert [partition_for(str(n).encode(), 4) for n in range(8)] == [
        partition_for(str(n).encode(), 4) for n in range(8)
    ]
    assert {partition_for(str(n).encode(), 4) for n in range(1_000)} == {0, 1, 2, 3}
