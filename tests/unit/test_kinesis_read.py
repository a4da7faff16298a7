"""Reading shards: pages, iterators, retention, splits and merges."""

from __future__ import annotations

import json
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests.pipeline import ID, drain, select, topic
from tests.servers.faults import Answer, Faults, Forward, Request, faulty
from tests.servers.kinesis import boto, url_of
from tests.servers.kinesis_faults import changed, failing, on, operation_of, trimming, without_shard
from tests.servers.ports import wait_until

from pinflow.config import Log, load
from pinflow.errors import CorruptError, GapError, UnavailableError, UnknownPartitionError
from pinflow.jobs.clean.clean import clean_jobs
from pinflow.jobs.land.land import land_jobs
from pinflow.jobs.pipelines import side_pipelines
from pinflow.jobs.reports.audit import audit
from pinflow.jobs.runtime import Runtime
from pinflow.log import EventLog, ProduceBatch, Records
from pinflow.log.kinesis import stream_cache as kinesis_streams
from pinflow.log.kinesis.log import KinesisLog
from pinflow.log.kinesis.positions import ShardPosition, first_offset
from pinflow.steps.worker import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PLENTY = {"max_records": 1_000, "max_bytes": 1 << 30}


pytestmark = pytest.mark.usefixtures("aws_credentials")


@pytest.fixture
def opened(faults: Faults, prefix: str) -> Iterator[Callable[..., KinesisLog]]:
    """Opens the log again, as another process would."""
    logs: list[KinesisLog] = []

    def opener(**options: object) -> KinesisLog:
        logs.append(KinesisLog(url_of(faults.url, prefix, order="request", **options)))
        return logs[-1]

    yield opener
    faults.fault = None
    for log in logs:
        log.close()


@pytest.fixture
def log(opened: Callable[..., KinesisLog]) -> KinesisLog:
    log = opened()
    log.topics.create("t", 1)
    return log


def put(log: EventLog, *texts: str) -> list[int]:
    (appended,) = log.append(
        [ProduceBatch("t", None, Records([text.encode() for text in texts]), [b"r"] * len(texts))]
    )
    assert not appended.refused
    return list(appended.offsets)


def values(log: EventLog, position: str | None = None) -> list[str]:
    found = log.read("t", 0, position, **PLENTY).records.values
    return [(value or b"").decode() for value in found]


def test_an_iterator_that_has_expired_is_made_again(log: KinesisLog, faults: Faults) -> None:
    put(log, "a", "b")
    end = log.read("t", 0, None, **PLENTY).end
    put(log, "c")
    faults.fault = failing("GetRecords", "ExpiredIteratorException", times=1)
    assert values(log, end) == ["c"]


def test_empty_pages_before_the_end_are_gone_through_within_a_bound(log: KinesisLog, faults: Faults) -> None:
    put(log, "a")
    left = [3]

    def empty(request: Request, forward: Forward) -> Answer:
        left[0] -= 1
        if left[0] < 0:
            return forward(request)
        page = {
            "Records": [],
            "MillisBehindLatest": 9,
            "NextShardIterator": json.loads(request.body)["ShardIterator"],
        }
        return Answer(200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(page).encode())

    faults.fault = on("GetRecords", empty)
    assert values(log) == ["a"]
    left[0] = 60
    with pytest.raises(UnavailableError, match="51 pages without a record"):
        values(log)
    assert values(log) == ["a"], "the next read goes on where that one was"


def test_records_that_retention_dropped_unread_are_a_gap(
    log: KinesisLog, opened: Callable[..., KinesisLog], faults: Faults, caplog: pytest.LogCaptureFixture
) -> None:
    numbers = put(log, "a", "b", "c", "d")
    position = log.read("t", 0, None, max_records=2, max_bytes=99).end
    faults.fault = trimming(numbers[0])
    assert values(opened(), position) == ["c", "d"], "the last record read is still there"
    for gone in (numbers[1], numbers[2], numbers[3]):
        faults.fault = trimming(gone)
        late = opened()
        for _ in range(2):
            with pytest.raises(GapError, match="left the stream"):
                values(late, position)
    assert not caplog.records
    faults.fault = trimming(numbers[2])
    chunk = opened(gaps="skip").read("t", 0, position, **PLENTY)
    assert chunk.records.values == [b"d"]
    assert "going on with the oldest" in caplog.text
    assert opened().ranges("t", {0: position})[0].accepted == 3, "counting needs no proof"


def test_one_who_was_at_the_end_lately_needs_no_proof(log: KinesisLog, faults: Faults) -> None:
    numbers = put(log, "a", "b")
    end = log.read("t", 0, None, **PLENTY).end
    put(log, "c")
    trim, expire = trimming(numbers[1]), failing("GetRecords", "ExpiredIteratorException", times=1)
    faults.fault = lambda request, forward: expire(request, lambda each: trim(each, forward))
    assert values(log, end) == ["c"]


def test_a_position_of_another_stream_or_of_none_is_an_error(log: KinesisLog) -> None:
    put(log, "a")
    place = ShardPosition.of(log.read("t", 0, None, **PLENTY).end)
    with pytest.raises(GapError, match="deleted and made again"):
        values(log, str(place._replace(made=place.made + 1)))
    with pytest.raises(GapError, match="has no record"):
        values(log, str(place._replace(sequence="49590338271490256608559692538361571095921575989136588898")))
    with pytest.raises(CorruptError, match="not a position"):
        values(log, "17")
    with pytest.raises(GapError, match="retention has passed"):
        log.read("t", 5, str(place), **PLENTY)
    with pytest.raises(UnknownPartitionError):
        log.read("t", 5, None, **PLENTY)


def test_reading_for_a_count_reads_each_record_once(log: KinesisLog, faults: Faults) -> None:
    put(log, *map(str, range(50)))
    middle = log.read("t", 0, None, max_records=30, max_bytes=1 << 20).end
    read: list[int] = []

    def watch(request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        read.append(len(json.loads(answer.body)["Records"]))
        return answer

    faults.fault = on("GetRecords", watch)
    assert [extent.accepted for extent in log.ranges("t", {0: middle})] == [50]
    assert sum(read) == 20
    put(log, "x", "y")
    assert [extent.accepted for extent in log.ranges("t")] == [52]
    assert sum(read) == 22
    gone = str(ShardPosition.of(middle)._replace(before=7))
    assert [(each.partition, each.accepted) for each in log.ranges("t", {9: gone})] == [(0, 52), (9, 7)]


def test_lists_come_in_pages(moto_kinesis_url: str, prefix: str) -> None:
    calls: Counter[str] = Counter()
    rest: dict[str, list[dict[str, Any]]] = {}

    def small_pages(request: Request, forward: Forward) -> Answer:
        calls[operation_of(request)] += 1
        if operation_of(request) != "ListShards":
            return forward(request)
        asked = json.loads(request.body)
        assert ("NextToken" in asked) != ("StreamName" in asked), "Kinesis takes one of the two"
        shards = rest.pop(asked.get("NextToken"), None)
        answer = forward(request) if shards is None else Answer(200, {}, b"{}")
        shards = json.loads(answer.body)["Shards"] if shards is None else shards
        token = f"token-{calls.total()}" if len(shards) > 2 else None
        if token is not None:
            rest[token] = shards[2:]
        return changed(answer, Shards=shards[:2], NextToken=token)

    with faulty(moto_kinesis_url) as faults:
        log = KinesisLog(url_of(faults.url, prefix))
        for number in range(11):
            boto(moto_kinesis_url).create_stream(StreamName=f"{prefix}{number:02d}", ShardCount=1)
        log.topics.create("wide", 5)
        faults.fault = small_pages
        assert list(log.topics.list().items()) == [*((f"{n:02d}", 1) for n in range(11)), ("wide", 5)]
        assert [each.number for each in log.describe("wide")] == list(range(5))
        assert calls["ListStreams"] > 1
        assert calls["ListShards"] == 11 + 3
        log.close()


def halves(shard: dict[str, Any]) -> str:
    low, high = (int(shard["HashKeyRange"][name]) for name in ("StartingHashKey", "EndingHashKey"))
    return str((low + high) // 2)


def reshape(client: Any, stream: str, *, merge: bool) -> None:
    """Split the first open shard in two, or merge the first two, and wait until it is done."""
    shards = client.list_shards(StreamName=stream)["Shards"]
    free = [each for each in shards if "EndingSequenceNumber" not in each["SequenceNumberRange"]]
    free.sort(key=lambda each: int(each["HashKeyRange"]["StartingHashKey"]))
    if merge:
        client.merge_shards(
            StreamName=stream, ShardToMerge=free[0]["ShardId"], AdjacentShardToMerge=free[1]["ShardId"]
        )
    else:
        client.split_shard(
            StreamName=stream, ShardToSplit=free[0]["ShardId"], NewStartingHashKey=halves(free[0])
        )
    wait_until(lambda: len(client.list_shards(StreamName=stream)["Shards"]) > len(shards), "new shards")


def test_splits_and_merges_name_their_parents(
    log: KinesisLog, opened: Callable[..., KinesisLog], prefix: str, faults: Faults
) -> None:
    client = boto(faults.url)
    reshape(client, f"{prefix}t", merge=False)
    reshape(client, f"{prefix}t", merge=True)
    shards = opened().describe("t")
    assert [(each.number, each.closed, each.parents) for each in shards] == [
        (0, True, ()),
        (1, True, (0,)),
        (2, True, (0,)),
        (3, False, (1, 2)),
    ]
    assert opened().topics.list() == {"t": 1}
    offsets = [first_offset(each.number, 1 << 39) for each in shards]
    assert offsets == sorted(offsets)
    assert offsets[-1] < 1 << 63
    with pytest.raises(UnknownPartitionError):
        opened().append([ProduceBatch("t", 0, Records([b"a"]))])


@pytest.fixture
def pipelines(tmp_path: Path, faults: Faults, prefix: str) -> Iterator[Callable[[str], Runtime]]:
    """The parts as another process would have them, with `gaps` as told."""
    opened: list[Runtime] = []

    def another(gaps: str = "stop") -> Runtime:
        settings = load(tmp_path / "home", env={})
        config = msgspec.structs.replace(settings.config, log=Log(url=url_of(faults.url, prefix, gaps=gaps)))
        opened.append(Runtime(msgspec.structs.replace(settings, config=config)))
        return opened[-1]

    yield another
    faults.fault = None
    for runtime in opened:
        runtime.__exit__(None, None, None)


@pytest.mark.parametrize("station", ["land", "stream"])
def test_a_closed_shard_that_left_unread_stops_the_job(
    pipelines: Callable[..., Runtime],
    faults: Faults,
    prefix: str,
    station: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    name = topic("stream", "user")
    runtime = pipelines()
    runtime.log.topics.create(name, 1)
    send_user(runtime.log, name, 1)
    drain(runtime, station)
    send_user(runtime.log, name, 2)
    reshape(boto(faults.url), prefix + name, merge=False)
    send_user(pipelines().log, name, 3)
    faults.fault = without_shard(0)
    with pytest.raises(GapError, match="its retention has passed") as caught:
        drain(pipelines(), station)
    assert "gaps=skip" in caught.value.hint
    drain(pipelines("skip"), station)
    assert "going on without them" in caplog.text
    caplog.clear()
    drain(pipelines(), station)
    assert not caplog.records, "what was read of its children shows that it is done with"


def test_a_closed_shard_that_left_when_it_was_read_stops_nobody(
    pipelines: Callable[..., Runtime], faults: Faults, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinesis_streams, "SHARDS_TTL_S", 0.0)
    name = topic("stream", "user")
    runtime = pipelines()
    runtime.log.topics.create(name, 1)
    send_user(runtime.log, name, 1)
    jobs: list[Any] = [*land_jobs(runtime, drain=True), *clean_jobs(runtime, "stream")]
    reshape(boto(faults.url), prefix + name, merge=False)
    fault = without_shard(0)
    for left in (None, fault, fault):
        faults.fault = left
        run(runtime.store, lambda: jobs, stop=threading.Event(), poll_seconds=0, drain=True)
    send_user(pipelines().log, name, 2)
    run(runtime.store, lambda: jobs, stop=threading.Event(), poll_seconds=0, drain=True)
    for station in ("land", "stream"):
        drain(pipelines(), station)
    assert select(runtime, f'SELECT ind FROM "{ID}_user_table" ORDER BY ind') == [(1,), (2,)]


def send_user(log: EventLog, name: str, number: int) -> None:
    record = json.dumps({"ind": number, "age": 20, "first_name": "A"}).encode()
    (appended,) = log.append([ProduceBatch(name, None, Records([record]), [b"%d" % number])])
    assert not appended.refused


def test_posts_keep_their_order_through_splits_and_merges_while_the_road_runs(
    tmp_path: Path, faults: Faults, prefix: str
) -> None:
    posts, versions = 25, 8
    settings = load(tmp_path / "home", env={})
    config = msgspec.structs.replace(settings.config, log=Log(url=url_of(faults.url, prefix)))
    settings = msgspec.structs.replace(settings, config=config)
    name, stop = topic("stream", "user"), threading.Event()
    stock = boto(faults.url)
    with Runtime(settings) as runtime, Runtime(settings) as beside:
        runtime.log.topics.create(name, 2)
        jobs = clean_jobs(beside, "stream")
        worker = threading.Thread(
            target=run,
            args=(beside.store, lambda: jobs),
            kwargs={"stop": stop, "poll_seconds": 0.01, "retry_seconds": 30.0},
        )
        worker.start()
        try:
            for version in range(versions):
                records = [
                    json.dumps({"ind": n, "age": version, "first_name": "A"}).encode() for n in range(posts)
                ]
                left = list(range(posts))
                while left:
                    batch = Records([records[n] for n in left])
                    (appended,) = runtime.log.append(
                        [ProduceBatch(name, None, batch, [b"%d" % n for n in left])]
                    )
                    left = [left[n] for n in sorted(appended.refused)]
                if version in {2, 3, 5}:
                    reshape(stock, prefix + name, merge=version == 5)
        finally:
            stop.set()
            worker.join()
        drain(runtime)
        rows = select(runtime, f'SELECT ind, age FROM "{ID}_user_table" ORDER BY ind')
        assert rows == [(n, versions - 1) for n in range(posts)]
        assert audit(runtime, deep=True).problems == []
        users = next(pipeline for pipeline in side_pipelines("stream", ID) if pipeline.topic == name)
        seen: dict[int, list[int]] = {}
        for row in (
            users.open_table(runtime.tables).snapshot().select("SELECT ind, age FROM this ORDER BY _offset")
        ):
            seen.setdefault(row["ind"], []).append(row["age"])
        assert seen == {n: list(range(versions)) for n in range(posts)}
