"""Which of several records of a post stands, in whichever partitions they are and whatever the clocks did."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests.gateway_client import serving
from tests.pipeline import ID, drain, post, rows, select, table, topic

from pinflow.config import Config, override
from pinflow.jobs.maintain.maintain import maintain
from pinflow.jobs.maintain.retention import trim_log
from pinflow.jobs.pipelines import Side, side_pipelines
from pinflow.jobs.replay.replay import replay
from pinflow.jobs.reports.audit import audit
from pinflow.jobs.runtime import Runtime
from pinflow.log import Chunk, ProduceBatch, Records, open_log

if TYPE_CHECKING:
    from pathlib import Path

    from pinflow.config import Settings

PLENTY = {"max_records": 1_000, "max_bytes": 1 << 20}


def user(number: int, age: int) -> dict[str, Any]:
    return {"ind": number, "first_name": "Ada", "last_name": "L", "age": age, "date_joined": None}


def ages(runtime: Runtime, side: Side) -> dict[object, object]:
    found = select(runtime, f'SELECT ind, age FROM "{table(side, "user")}"')
    assert len({number for number, _ in found}) == len(found), "one row a post"
    return dict(found)  # type: ignore[arg-type]


def require_right(runtime: Runtime, side: Side, wanted: dict[int, int]) -> None:
    """The answer, and that neither maintain nor a replay changes it, nor is anything unaccounted for."""
    for change in ("", "maintain", "maintain", "replay", "maintain"):
        if change == "maintain":
            maintain(runtime)
        elif change == "replay":
            replay(runtime, side_pipelines(side, ID)[2])
        assert ages(runtime, side) == wanted, change
        assert audit(runtime, deep=True).problems == [], change


class ForeignClock:
    """The embedded log with times as a log of others gives them: by a function of partition and offset."""

    def __init__(self, log: Any, seconds: dict[tuple[int, int], float]) -> None:
        self._log = log
        self._seconds = seconds
        self.exact_from = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def read(self, name: str, partition: int, position: str | None, **limits: int) -> Chunk:
        chunk: Chunk = self._log.read(name, partition, position, **limits)
        times = [int(self._seconds[partition, offset] * 1_000_000) for offset in chunk.offsets]
        return msgspec.structs.replace(chunk, timestamps=times)


def with_clock(runtime: Runtime, seconds: dict[tuple[int, int], float]) -> None:
    runtime.__dict__["log"] = ForeignClock(runtime.log, seconds)


def test_the_record_accepted_last_stands_though_its_partition_is_the_less_busy_one(
    runtime: Runtime, side: Side
) -> None:
    name = topic(side, "user")
    post(runtime, name, rows(*(user(number, 20) for number in range(10))), partition=0)
    post(runtime, name, rows(user(7, 20), user(8, 20)), partition=0)
    post(runtime, name, rows(user(7, 30)), partition=1)
    drain(runtime)
    require_right(runtime, side, dict.fromkeys(range(10), 20) | {7: 30})


def test_it_stands_too_where_it_is_cleaned_first(runtime: Runtime, side: Side) -> None:
    name = topic(side, "user")
    post(runtime, name, rows(user(7, 20)), partition=1)
    post(runtime, name, rows(user(7, 30)), partition=0)
    chunks = [runtime.log.read(name, partition, None, **PLENTY) for partition in (0, 1)]
    assert chunks[0].timestamps[0] > chunks[1].timestamps[0]
    drain(runtime)
    require_right(runtime, side, {7: 30})


def test_no_two_batches_are_accepted_at_one_time_and_none_earlier_than_one_before(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = topic("stream", "user")
    runtime.log.topics.create(name, 3)
    wall = time.time_ns
    at: list[tuple[int | None, int]] = []
    for turn, clock in enumerate((0, 0, -3600, 5, -7200, 0)):
        monkeypatch.setattr(time, "time_ns", lambda clock=clock: wall() + clock * 10**9)
        batches = [ProduceBatch(name, (turn + each) % 3, Records([b"{}"] * 2)) for each in range(5)]
        for batch, became in zip(batches, runtime.log.append(batches), strict=True):
            at += [(batch.partition, offset) for offset in became.offsets]
    times: dict[tuple[int | None, int], int] = {
        (partition, offset): moment
        for partition in range(3)
        for chunk in [runtime.log.read(name, partition, None, **PLENTY)]
        for offset, moment in zip(chunk.offsets, chunk.timestamps, strict=True)
    }
    rising = [times[each] for each in at]
    assert rising == sorted(rising)
    assert len(set(rising)) == len(at) // 2, "the records of one batch share a time, no others do"


def test_a_log_that_was_trimmed_goes_on_with_later_times_though_the_clock_was_set_back(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = topic("stream", "user")
    post(runtime, name, [b"{}"])
    (before,) = runtime.log.read(name, 0, None, **PLENTY).timestamps
    end = runtime.log.ranges(name)[0].end
    assert runtime.log.trim(name, 0, [end], older_than_ms=None, keep_bytes=0) == 1
    wall = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: wall() - 3600 * 10**9)
    post(runtime, name, [b"{}"])
    (after,) = runtime.log.read(name, 0, end, **PLENTY).timestamps
    assert after > before


def test_a_part_of_a_row_of_several_batches_is_read_with_its_own_times(runtime: Runtime) -> None:
    name = topic("stream", "user")
    runtime.log.topics.create(name, 1)
    runtime.log.append([ProduceBatch(name, 0, Records([b"%d" % n] * 2)) for n in range(3)])
    whole = runtime.log.read(name, 0, None, **PLENTY)
    assert len(set(whole.timestamps)) == 3
    again: list[int] = []
    position = None
    while len(chunk := runtime.log.read(name, 0, position, max_records=1, max_bytes=1)):
        again += chunk.timestamps
        position = chunk.end
    assert again == whole.timestamps


def test_within_a_partition_offsets_count_where_a_logs_own_times_run_backwards(
    runtime: Runtime, side: Side
) -> None:
    name = topic(side, "user")
    post(runtime, name, rows(user(1, 20), user(2, 20), user(1, 21)), partition=0)
    post(runtime, name, rows(user(2, 30), user(1, 31)), partition=1)
    # Partition 0 was at 100 s when it took post 1 for the second time, whatever that record's own time says.
    with_clock(runtime, {(0, 0): 100, (0, 1): 20, (0, 2): 50, (1, 0): 60, (1, 1): 101})
    drain(runtime)
    require_right(runtime, side, {1: 31, 2: 20})


def test_the_running_maximum_goes_on_over_steps_and_restarts(runtime: Runtime, side: Side) -> None:
    name = topic(side, "user")
    post(runtime, name, rows(user(1, 20)), partition=0)
    clock: dict[tuple[int, int], float] = {(0, 0): 100, (0, 1): 50, (1, 0): 70}
    with_clock(runtime, clock)
    drain(runtime)
    with Runtime(runtime.settings) as restarted:
        post(restarted, name, rows(user(7, 21)), partition=0)
        post(restarted, name, rows(user(7, 31)), partition=1)
        with_clock(restarted, clock)
        drain(restarted)
        require_right(restarted, side, {1: 20, 7: 21})


def test_records_of_one_moment_in_two_partitions_have_a_fixed_order_and_both_are_kept(
    runtime: Runtime, side: Side
) -> None:
    name = topic(side, "user")
    post(runtime, name, rows(*[user(7, 20)] * 3), partition=0)
    post(runtime, name, rows(user(7, 30)), partition=1)
    with_clock(runtime, dict.fromkeys([(0, 0), (0, 1), (0, 2), (1, 0)], 100.0))
    drain(runtime)
    require_right(runtime, side, {7: 30})
    kept = (
        side_pipelines(side, ID)[2]
        .open_table(runtime.tables)
        .snapshot()
        .select("SELECT _partition, _offset FROM this")
    )
    assert {(row["_partition"], row["_offset"]) for row in kept} == {(0, 2), (1, 0)}


@pytest.mark.parametrize(("apart", "left"), [(3_599.0, {(0, 0), (1, 0)}), (3_601.0, {(1, 0)})])
def test_what_clocks_of_others_may_have_turned_round_is_not_removed(
    runtime: Runtime, apart: float, left: set[tuple[int, int]]
) -> None:
    name = topic("stream", "user")
    post(runtime, name, rows(user(7, 20)), partition=0)
    post(runtime, name, rows(user(7, 30)), partition=1)
    with_clock(runtime, {(0, 0): 100.0, (1, 0): 100.0 + apart})
    drain(runtime)
    assert maintain(runtime, dry_run=True).tables[-1].superseded == 2 - len(left)
    maintain(runtime)
    kept = (
        side_pipelines("stream", ID)[2]
        .open_table(runtime.tables)
        .snapshot()
        .select("SELECT _partition, _offset FROM this")
    )
    assert {(row["_partition"], row["_offset"]) for row in kept} == left
    assert ages(runtime, "stream") == {7: 30}


def test_a_row_whose_time_others_go_by_is_not_removed(runtime: Runtime) -> None:
    """As version 0.1 wrote them: each with its own time, whatever came before it in its partition."""
    name = topic("stream", "user")
    pipeline = side_pipelines("stream", ID)[2]
    clock: dict[tuple[int, int], float] = {(0, 0): 9_000, (0, 1): 50, (0, 2): 60, (1, 0): 70}
    post(runtime, name, rows(user(1, 20), user(7, 20), user(1, 21)), partition=0)
    post(runtime, name, rows(user(7, 30)), partition=1)
    with_clock(runtime, clock)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "pinflow.jobs.readers.acceptance.Acceptance.correct_times", lambda _, chunks: iter(chunks)
        )
        drain(runtime, "stream")
    drain(runtime, "land")
    assert ages(runtime, "stream") == {1: 21, 7: 20}
    maintain(runtime)
    assert ages(runtime, "stream") == {1: 21, 7: 20}
    kept = pipeline.open_table(runtime.tables).snapshot().select("SELECT _partition, _offset FROM this")
    assert (0, 0) in {(row["_partition"], row["_offset"]) for row in kept}
    assert audit(runtime, deep=True).problems == []


IN_PARTITIONS = [(1, 0), (0, 1), (1, 1), (0, 0), (1, 0)]
"""Partition and post of the records of a request, which crosses: 0 comes first in one, 1 in the other."""


def wanted_ages() -> dict[int, int]:
    return {number: age for age, (_, number) in enumerate(IN_PARTITIONS)}


@pytest.mark.parametrize("named", [False, True])
def test_of_a_post_several_times_in_a_request_that_spreads_it_the_last_stands(
    runtime: Runtime, *, named: bool
) -> None:
    name = topic("batch", "user")
    runtime.log.topics.create(name, 2)
    records = [
        {"partition": partition, "value": user(number, age)}
        for age, (partition, number) in enumerate(IN_PARTITIONS)
    ]
    headers = {"content-type": "application/json"} | ({"idempotency-key": "k"} if named else {})
    with serving(runtime.log, Config(id=ID)) as client:
        answers = [client.post(name, json.dumps({"records": records}).encode(), headers) for _ in "12"]
    offsets = [(each["partition"], each["offset"]) for each in answers[0].json()["offsets"]]
    assert offsets == [(1, 0), (0, 0), (1, 1), (0, 1), (1, 2)]
    assert (answers[0].content == answers[1].content) is named
    drain(runtime)
    require_right(runtime, "batch", wanted_ages())


def test_random_partition_keys_leave_the_last_of_each_post(runtime: Runtime) -> None:
    name = topic("stream", "user")
    random = Random(7)
    runtime.log.topics.create(name, 4)
    wanted: dict[int, int] = {}
    with serving(runtime.log, Config(id=ID)) as client:
        for turn in range(20):
            posts = [(random.randrange(5), turn * 10 + each) for each in range(10)]
            wanted |= dict(posts)
            records = [
                {"data": user(number, age), "partition-key": f"{random.random()}"} for number, age in posts
            ]
            assert client.put(f"{name}/records", json.dumps({"records": records}).encode()).is_success
    drain(runtime)
    require_right(runtime, "stream", wanted)


def test_one_time_in_the_future_does_not_put_its_partition_ahead_of_all_others(
    runtime: Runtime, side: Side
) -> None:
    name = topic(side, "user")
    now = time.time()
    post(runtime, name, rows(user(1, 20), user(7, 20)), partition=0)
    clock = {(0, 0): now + 9e8, (0, 1): now - 10, (1, 0): now + 4e9}
    with_clock(runtime, clock)
    drain(runtime)
    post(runtime, name, rows(user(7, 30)), partition=1)
    clock[1, 0] = time.time() + 1
    drain(runtime)
    require_right(runtime, side, {1: 20, 7: 30})


def test_two_ids_in_one_lake_keep_one_row_a_post(settings: Settings) -> None:
    for ident, ages_of in (("a" * 12, {1: 20, 2: 20}), ("b" * 12, {2: 30, 3: 30})):
        with Runtime(override(settings, {"id": ident})) as runtime:
            post(runtime, f"{ident}.user", rows(*(user(number, age) for number, age in ages_of.items())))
            drain(runtime)
            for _ in range(2):
                found = select(runtime, "SELECT ind, age FROM user ORDER BY ind")
                assert found == sorted(({1: 20, 2: 20} | ages_of if ident[0] == "b" else ages_of).items())
                maintain(runtime)


def test_times_of_version_0_1_are_not_taken_for_exact(runtime: Runtime) -> None:
    """Its clock may have been set back between two records of a post in different partitions."""
    name = topic("stream", "user")
    post(runtime, name, rows(user(7, 20)), partition=0)
    post(runtime, name, rows(user(7, 30)), partition=1)
    with_clock(runtime, {(0, 0): 105.0, (1, 0): 101.0})
    drain(runtime)
    runtime.__dict__["log"].exact_from = 106_000_000  # as after an upgrade
    maintain(runtime)
    kept = (
        side_pipelines("stream", ID)[2]
        .open_table(runtime.tables)
        .snapshot()
        .select("SELECT _partition FROM this")
    )
    assert {row["_partition"] for row in kept} == {0, 1}


def test_a_log_of_version_0_1_is_exact_from_its_first_append_by_this_version_on(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    log = open_log(f"sqlite:///{path}")
    assert log.exact_from == 0
    log.topics.create("t", 1)
    log.append([ProduceBatch("t", 0, Records([b"{}"]))])
    log.close()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DROP TABLE clock")
        db.execute("UPDATE batch SET accepted_at = 1900000000000")
    old = open_log(f"sqlite:///{path}", read_only=True)
    assert old.exact_from is None
    old.close()
    upgraded = open_log(f"sqlite:///{path}")
    assert upgraded.exact_from == 1_900_000_000_000_001
    upgraded.append([ProduceBatch("t", 0, Records([b"{}"]))])
    assert upgraded.read("t", 0, None, **PLENTY).timestamps == [1_900_000_000_000_000, 1_900_000_000_000_001]
    upgraded.close()


def test_a_clock_that_was_years_ahead_is_a_finding_of_doctor(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = topic("stream", "user")
    post(runtime, name, [b"{}"])
    assert runtime.log.check() == []
    wall = time.time_ns
    with monkeypatch.context() as patch:
        patch.setattr(time, "time_ns", lambda: wall() + 3650 * 86_400 * 10**9)
        post(runtime, name, [b"{}"])
    post(runtime, name, [b"{}"])
    (finding,) = runtime.log.check()
    assert "3,650 days ahead of the clock" in finding.what
    runtime.log.topics.delete(name)
    end = runtime.log.ranges(name)[0].end
    drain(runtime)
    assert trim_log(runtime, []) == {name: 3}, "of a deleted topic all goes, whatever its times say"
    assert runtime.log.ranges(name)[0].begin == end
