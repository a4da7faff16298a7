"""What only the log on Kafka does, on a real broker."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    NewPartitions,
    NewTopic,
)

from pinflow.errors import (
    ConfigError,
    CorruptError,
    GapError,
    TooLargeError,
    UnavailableError,
    UnknownPartitionError,
    UnknownTopicError,
)
from pinflow.findings import Finding
from pinflow.log import EventLog, ProduceBatch, Records, open_log, shows_progress
from pinflow.log.kafka import consumer_pool as pool_module
from pinflow.log.kafka import reader as reader_module
from pinflow.log.kafka.topics import KafkaTopics
from tests.servers.ports import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.servers.kafka import Cluster

PLENTY = {"max_records": 100_000, "max_bytes": 1 << 30}


@pytest.fixture
def topic() -> str:
    return f"posts-{uuid4().hex}"


@pytest.fixture
def opened(kafka: Cluster) -> Iterator[Callable[[str], EventLog]]:
    """Opens logs on the broker with options."""
    logs: list[EventLog] = []

    def opener(options: str = "") -> EventLog:
        logs.append(open_log(f"{kafka.url}?{options}"))
        return logs[-1]

    yield opener
    for log in logs:
        log.close()


@pytest.fixture
def log(opened: Callable[[str], EventLog], topic: str) -> EventLog:
    log = opened("")
    log.topics.create(topic, 2)
    return log


def stock_producer(kafka: Cluster, **more: str | int) -> Producer:
    return Producer({"bootstrap.servers": kafka.servers, "log_level": 0, **more})


def values(*texts: str) -> Records:
    return Records([text.encode() for text in texts])


def test_a_stock_consumer_reads_what_was_appended_byte_for_byte(
    kafka: Cluster, log: EventLog, topic: str
) -> None:
    records = Records(
        [b'{"a": 1 }', b"", None, b"\x00\xff\n"],
        [b"k", None, b"", b"\xff"],
        [(("h", b"\x00"), ("h", b"2")), (), (), (("i", b""),)],
    )
    log.append([ProduceBatch(topic, 1, records)])
    consumer = Consumer({"bootstrap.servers": kafka.servers, "group.id": "stock", "log_level": 0})
    consumer.assign([TopicPartition(topic, 1, 0)])
    got = consumer.consume(4, timeout=10)
    consumer.close()
    assert [message.value() for message in got] == records.values
    assert [message.key() for message in got] == records.keys
    assert [tuple(message.headers() or ()) for message in got] == records.headers


def test_what_a_stock_producer_wrote_is_read(kafka: Cluster, log: EventLog, topic: str) -> None:
    producer = stock_producer(kafka)
    producer.produce(topic, b"\x00\xff", None, 0, timestamp=1_600_000_000_123)
    producer.produce(topic, None, b"gone", 0, timestamp=1_600_000_000_124)
    producer.produce(topic, b"v", b"", 0, timestamp=0, headers=[("a", b"1"), ("a", None), ("ключ", b"\xff")])
    producer.flush()
    chunk = log.read(topic, 0, None, **PLENTY)
    assert chunk.records == Records(
        [b"\x00\xff", None, b"v"],
        [None, b"gone", b""],
        [(), (), (("a", b"1"), ("a", b""), ("ключ", b"\xff"))],
    )
    assert chunk.timestamps[:2] == [1_600_000_000_123_000, 1_600_000_000_124_000]


def test_a_time_that_no_table_takes_becomes_the_latest_that_it_does(
    kafka: Cluster, opened: Callable[[str], EventLog], topic: str
) -> None:
    log = opened(f"topic.message.timestamp.after.max.ms={(1 << 63) - 1}")
    log.topics.create(topic, 1)
    producer = stock_producer(kafka)
    producer.produce(topic, b"v", None, 0, timestamp=1 << 60)
    producer.flush()
    assert log.read(topic, 0, None, **PLENTY).timestamps == [253_402_300_799_000_000]


def test_transactions_are_read_when_committed_and_their_marks_passed(
    kafka: Cluster, log: EventLog, topic: str
) -> None:
    producer = stock_producer(kafka, **{"transactional.id": topic})
    producer.init_transactions(20)

    def transaction(*texts: str) -> None:
        producer.begin_transaction()
        for text in texts:
            producer.produce(topic, text.encode(), None, 0)
        producer.flush()

    transaction("a", "b")
    assert len(log.read(topic, 0, None, **PLENTY)) == 0
    producer.commit_transaction()
    transaction("never")
    producer.abort_transaction()
    transaction("c")
    producer.commit_transaction()
    wait_until(lambda: log.ranges(topic)[0].accepted == 7, "the marks are written")
    first = log.read(topic, 0, None, max_records=2, max_bytes=1 << 20)
    second = log.read(topic, 0, first.end, **PLENTY)
    assert (first.records.values, second.records.values) == ([b"a", b"b"], [b"c"])
    assert second.offsets == [5]
    for _ in range(2):  # the mark at the end is no record, and is not waited for again
        assert log.read(topic, 0, second.end, **PLENTY).end == second.end
    # Offsets 0 to 6 held three records, and the last mark is not passed yet.
    assert log.ranges(topic, {0: second.end})[0].accepted == 4
    log.append([ProduceBatch(topic, 0, values("d"))])
    end = log.read(topic, 0, second.end, **PLENTY).end
    assert log.ranges(topic, {0: end})[0].accepted == 4
    assert log.ranges(topic, {0: end})[0].end == end


def test_a_mark_that_leaves_the_log_is_no_gap_for_one_who_has_seen_that_nothing_else_was_there(
    kafka: Cluster, opened: Callable[[str], EventLog], topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    log = opened("")
    log.topics.create(topic, 1)
    producer = stock_producer(kafka, **{"transactional.id": topic})
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(topic, b"a", None, 0)
    producer.commit_transaction()
    wait_until(lambda: log.ranges(topic)[0].accepted == 2, "the mark is written")
    end = log.read(topic, 0, None, **PLENTY).end
    assert len(log.read(topic, 0, end, **PLENTY)) == 0
    place = TopicPartition(topic, 0, 2)
    kafka.admin.delete_records([place])[place].result()
    wait_until(lambda: log.ranges(topic)[0].begin.startswith("2"), "it is gone")
    assert len(log.read(topic, 0, end, **PLENTY)) == 0
    log.append([ProduceBatch(topic, 0, values("b"))])
    assert log.read(topic, 0, end, **PLENTY).records.values == [b"b"]
    with pytest.raises(GapError, match="offsets 1 to 1 are no longer") as caught:
        opened("").read(topic, 0, end, **PLENTY)
    assert "gaps=skip" in caught.value.hint
    assert not caplog.records
    chunk = opened("gaps=skip").read(topic, 0, end, **PLENTY)
    assert (chunk.records.values, chunk.start) == ([b"b"], end)
    assert "offsets 1 to 1 are no longer" in caplog.text


def test_what_was_gone_before_the_first_read_is_not_waited_for(log: EventLog, topic: str) -> None:
    log.append([ProduceBatch(topic, 0, values(*"abcd"))])
    cut = log.read(topic, 0, None, max_records=2, max_bytes=99).end
    assert log.trim(topic, 0, [cut], older_than_ms=1 << 50, keep_bytes=None) == 2
    chunk = log.read(topic, 0, None, **PLENTY)
    assert chunk.records.values == [b"c", b"d"]
    assert log.ranges(topic, {0: chunk.end})[0].accepted == 2


def test_a_bare_offset_is_a_position_and_other_text_is_none(log: EventLog, topic: str) -> None:
    log.append([ProduceBatch(topic, 0, values(*"abcd"))])
    chunk = log.read(topic, 0, "2", **PLENTY)
    assert (chunk.start, chunk.records.values) == ("2", [b"c", b"d"])
    for text in ("5", "shard-1"):
        with pytest.raises(CorruptError):
            log.read(topic, 0, text, **PLENTY)


def test_one_record_that_is_too_large_is_refused_alone(
    opened: Callable[[str], EventLog], log: EventLog, topic: str
) -> None:
    large = b"x" * 2_000_000
    for each in (opened("compression=none"), opened("client.message.max.bytes=1000000&compression=none")):
        (became,) = each.append([ProduceBatch(topic, 0, Records([b"a", large, b"b"]))])
        assert {index: type(error) for index, error in became.refused.items()} == {1: TooLargeError}
        assert became.offsets[2] == became.offsets[0] + 1
    assert log.read(topic, 0, None, **PLENTY).records.values == [b"a", b"b", b"a", b"b"]


def test_small_records_go_into_a_topic_that_takes_only_small_batches(
    opened: Callable[[str], EventLog], topic: str
) -> None:
    log = opened("compression=none&topic.max.message.bytes=20000")
    log.topics.create(topic, 1)
    many: list[bytes | None] = [b"%05d" % number * 100 for number in range(100)]
    (became,) = log.append([ProduceBatch(topic, 0, Records([*many, b"x" * 30_000]))])
    assert {*became.refused} == {100}
    assert log.read(topic, 0, None, **PLENTY).records.values == many


def test_an_append_stays_in_order_in_a_topic_that_takes_only_small_batches(
    opened: Callable[[str], EventLog], topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = opened("compression=none&topic.max.message.bytes=20000")
    log.topics.create(topic, 2)
    many: list[bytes | None] = [b"%08d" % number for number in range(20_100)]
    (became,) = log.append([ProduceBatch(topic, 0, Records(many))])
    assert (dict(became.refused), list(became.offsets)) == ({}, list(range(20_100)))
    monkeypatch.setattr(KafkaTopics, "batch_bytes", lambda *_: None)  # one who may not read the configuration
    blind = opened("compression=none")
    for _ in range(3):
        became_of = blind.append([ProduceBatch(topic, place, Records(many)) for place in (0, 1)])
        for place, became in enumerate(became_of):
            assert {type(error) for error in became.refused.values()} <= {UnavailableError}
            there = [number for number in range(20_100) if number not in became.refused]
            offsets = [became.offsets[number] for number in there]
            assert offsets == sorted(offsets)
            read = log.read(topic, place, None, max_records=1 << 20, max_bytes=1 << 30).records.values
            assert read[len(read) - len(there) :] == [many[number] for number in there]
    assert [dict(became.refused) for became in became_of] == [{}, {}]


def test_no_topic_comes_to_be_behind_our_back(
    opened: Callable[[str], EventLog], log: EventLog, topic: str
) -> None:
    log.append([ProduceBatch(topic, 0, values("a"))])
    opened("").topics.delete(topic)  # by somebody else; the broker would make it again for one who asks
    for _ in range(2):
        with pytest.raises(UnknownTopicError):
            log.append([ProduceBatch(topic, 0, values("b"))])
        with pytest.raises(UnknownTopicError):
            log.read(topic, 0, None, **PLENTY)
    assert topic not in log.topics.list()


def test_a_topic_made_again_elsewhere_is_appended_to(
    opened: Callable[[str], EventLog], log: EventLog, topic: str
) -> None:
    log.append([ProduceBatch(topic, 0, values("a"))])
    other = opened("")
    other.topics.delete(topic)
    other.topics.create(topic, 3)
    log.append([ProduceBatch(topic, 0, values("b")), ProduceBatch(topic, 2, values("c"))])
    assert [log.read(topic, number, None, **PLENTY).records.values for number in (0, 2)] == [[b"b"], [b"c"]]


def test_partitions_added_elsewhere_are_taken_up(kafka: Cluster, log: EventLog, topic: str) -> None:
    log.append([ProduceBatch(topic, 0, values("a"))])
    with pytest.raises(UnknownPartitionError):
        log.append([ProduceBatch(topic, 2, values("b"))])
    kafka.admin.create_partitions([NewPartitions(topic, 4)])[topic].result()
    wait_until(lambda: len(log.ranges(topic)) == 4, "the partitions are there")
    log.append([ProduceBatch(topic, 3, values("b"))])
    assert log.read(topic, 3, None, **PLENTY).records.values == [b"b"]


def test_only_topics_of_the_patterns_are_seen(
    opened: Callable[[str], EventLog], log: EventLog, topic: str
) -> None:
    narrow = opened(f"topics={topic}-a*,{topic}-b")
    narrow.topics.create(f"{topic}-abc", 1)
    assert narrow.topics.list() == {f"{topic}-abc": 1}
    for call in (lambda: narrow.ranges(topic), lambda: narrow.topics.create(f"{topic}-c", 1)):
        with pytest.raises(UnknownTopicError):
            call()
    assert {topic, f"{topic}-abc"} <= {*log.topics.list()}
    assert not any(name.startswith("__") for name in log.topics.list())


def test_a_topic_that_cannot_be_made_is_told(opened: Callable[[str], EventLog], topic: str) -> None:
    for options, told in (("replication=3", "replication factor"), ("topic.retention=1", "retention")):
        with pytest.raises(ConfigError, match=f"(?i){told}"):
            opened(options).topics.create(topic, 1)
    with pytest.raises(ConfigError, match=r"illegal|invalid"):
        opened("").topics.create(f"{topic} {topic}", 1)


def test_the_lag_of_readers_is_seen_by_the_tools_of_kafka(
    kafka: Cluster, opened: Callable[[str], EventLog], log: EventLog, topic: str
) -> None:
    log.append([ProduceBatch(topic, 0, values(*"abcd"))])
    group = f"g-{topic}"
    mine = opened(f"group={group}")
    assert shows_progress(mine)
    for records in (1, 2, 3):
        end = mine.read(topic, 0, None, max_records=records, max_bytes=1 << 20).end
        mine.show_progress("land", topic, {0: end})
    mine.show_progress("land", f"{topic}-gone", {0: "3@x"})  # logged, and passed over
    mine.show_progress("land", topic, {0: "nonsense"})
    mine.close()
    asked = kafka.admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(f"{group}-land")])
    (place,) = asked[f"{group}-land"].result().topic_partitions
    assert (place.topic, place.partition, place.offset) == (topic, 0, 3)


def test_two_threads_read_one_topic_at_once(log: EventLog, topic: str) -> None:
    texts = [str(number) for number in range(5_000)]
    log.append([ProduceBatch(topic, partition, values(*texts)) for partition in (0, 1)])
    found: dict[int, list[bytes | None]] = {}

    def read(number: int) -> None:
        position, seen = None, []
        while len(chunk := log.read(topic, number % 2, position, max_records=700, max_bytes=1 << 20)):
            position = chunk.end
            seen += chunk.records.values
        found[number] = seen

    threads = [threading.Thread(target=read, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: [text.encode() for text in texts] for number in range(4)}


def test_what_nobody_asks_for_is_not_kept_without_bound(
    log: EventLog, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "MAX_WAITING_BYTES", 100_000)
    monkeypatch.setattr(pool_module, "MAX_IDLE", 1)
    log.topics.create(f"{topic}-other", 1)
    log.append([ProduceBatch(f"{topic}-other", 0, values("o"))])
    many: list[bytes | None] = [b"%06d" % number * 100 for number in range(2_000)]
    log.append([ProduceBatch(topic, partition, Records(many)) for partition in (0, 1)])
    position: list[str | None] = [None, None]
    seen: list[list[bytes | None]] = [[], []]
    while any(len(each) < len(many) for each in seen):
        for partition in (0, 1):
            chunk = log.read(topic, partition, position[partition], max_records=400, max_bytes=1 << 20)
            position[partition] = chunk.end
            seen[partition] += chunk.records.values
        assert log.read(f"{topic}-other", 0, None, **PLENTY).records.values == [b"o"]
    assert seen == [many, many]


def test_a_broker_that_is_away_is_told_and_one_that_is_back_found(
    kafka: Cluster, opened: Callable[[str], EventLog], log: EventLog, topic: str
) -> None:
    log.append([ProduceBatch(topic, 0, values("a"))])
    end = log.read(topic, 0, None, **PLENTY).end
    short = opened("client.delivery.timeout.ms=1500&client.request.timeout.ms=1000")
    short.append([ProduceBatch(topic, 0, values("b"))])
    kafka.brokers[0].kill()
    try:
        with pytest.raises(UnavailableError) as caught:
            short.append([ProduceBatch(topic, 0, values("c"))])
        assert "onnect" in str(caught.value)
        held = threading.Thread(target=_swallow, args=(log, topic))
        held.start()
        closing = threading.Thread(target=log.close)
        closing.start()
        closing.join(15)
        assert not closing.is_alive(), "an append under way does not hold it"
        held.join()
    finally:
        kafka.brokers[0].start()
        kafka.wait()
    wait_until(lambda: _appends(short, topic), "the broker is found again")
    assert short.read(topic, 0, end, **PLENTY).records.values[0] == b"b"


def _swallow(log: EventLog, topic: str) -> None:
    with pytest.raises(UnavailableError):
        log.append([ProduceBatch(topic, 0, values("never"))])


def _appends(log: EventLog, topic: str) -> bool:
    try:
        log.append([ProduceBatch(topic, 0, values("d"))])
    except UnavailableError:
        return False
    return True


def test_what_an_operator_should_know_is_found(
    kafka: Cluster, opened: Callable[[str], EventLog], topic: str
) -> None:
    log = opened(f"topics={topic}*")
    assert log.check() == [Finding("the cluster has 1 broker of Kafka 4.0 or later and keeps 1 copy")]
    log.topics.create(topic, 1)
    configs = {
        "cleanup.policy": "compact",
        "retention.ms": "60000",
        "message.timestamp.after.max.ms": "90000000",
    }
    kafka.admin.create_topics([NewTopic(f"{topic}-odd", 1, config=configs)])[f"{topic}-odd"].result()
    wait_until(lambda: len(log.topics.list()) == 2, "the topic is there")
    producer = stock_producer(kafka)
    producer.produce(f"{topic}-odd", b"v", b"k", 0, timestamp=int((time.time() + 3600) * 1000))
    producer.flush()
    found = log.check()
    assert [f"{topic}-odd" in finding.what for finding in found] == [False, True, True, False]
    for finding, told in zip(found, ("1 broker", "compact", "under a day", "ahead of"), strict=True):
        assert told in finding.what
    assert [finding.broken for finding in found] == [False, True, False, False]
    assert all(finding.hint for finding in found[1:])


def test_batches_that_came_later_get_later_times_and_so_do_later_appends(
    opened: Callable[[str], EventLog], topic: str
) -> None:
    log = opened("")
    log.topics.create(topic, 2)
    placed: list[tuple[int | None, int]] = []
    for _ in range(20):
        batches = [ProduceBatch(topic, at % 2, Records([b"%d" % at]), later=at > 0) for at in range(3)]
        for batch, became in zip(batches, log.append(batches), strict=True):
            placed += [(batch.partition, offset) for offset in became.offsets]
    times: dict[tuple[int | None, int], int] = {
        (partition, offset): moment
        for partition in (0, 1)
        for chunk in [log.read(topic, partition, None, **PLENTY)]
        for offset, moment in zip(chunk.offsets, chunk.timestamps, strict=True)
    }
    in_order = [times[each] for each in placed]
    assert in_order == sorted(set(in_order))
