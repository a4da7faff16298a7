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
from tests.road import ID, drain, post, rows, select, table, topic

from pinflow.config import Config, override
from pinflow.jobs.maintain.maintain import maintain
from pinflow.jobs.maintain.retention import trim_log
from pinflow.jobs.pipelines import Side, side_roads
from pinflow.jobs.replay.replay import replay
from pinflow.jobs.reports.audit import audit
from pinflow.jobs.runtime import Parts
from pinflow.log import Chunk, Produce, Records, examined, open_log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pinflow.config import Settings

PLENTY = {"max_records": 1_000, "max_bytes": 1 << 20}


def user(number: int, age: int) -> dict[str, Any]:
    return {"ind": number, "first_name": "Ada", "last_name": "L", "age": age, "date_joined": None}


@pytest.fixture
def parts(settings: Settings) -> Iterator[Parts]:
    with Parts(settings) as parts:
        yield parts


@pytest.fixture(params=["batch", "stream"])
def side(request: pytest.FixtureRequest) -> Side:
    side: Side = request.param
    return side


def ages(parts: Parts, side: Side) -> dict[object, object]:
    found = select(parts, f'SELECT ind, age FROM "{table(side, "user")}"')
    assert len({number for number, _ in found}) == len(found), "one row a post"
    return dict(found)  # type: ignore[arg-type]


def require_right(parts: Parts, side: Side, wanted: dict[int, int]) -> None:
    """The answer, and that neither maintain nor a replay changes it, nor is anything unaccounted for."""
    for change in ("", "maintain", "maintain", "replay", "maintain"):
        if change == "maintain":
            maintain(parts)
        elif change == "replay":
            replay(parts, side_roads(side, ID)[2])
        assert ages(parts, side) == wanted, change
        assert audit(parts, deep=True).problems == [], change


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


def with_clock(parts: Parts, seconds: dict[tuple[int, int], float]) -> None:
    parts.__dict__["log"] = ForeignClock(parts.log, seconds)


def test_the_record_accepted_last_stands_though_its_partition_is_the_less_busy_one(
    parts: Parts, side: Side
) -> None:
    name = topic(side, "user")
    post(parts, name, rows(*(user(number, 20) for number in range(10))), partition=0)
    post(parts, name, rows(user(7, 20), user(8, 20)), partition=0)
    post(parts, name, rows(user(7, 30)), partition=1)
    drain(parts)
    require_right(parts, side, dict.fromkeys(range(10), 20) | {7: 30})


def test_it_stands_too_where_it_is_cleaned_first(parts: Parts, side: Side) -> None:
    name = topic(side, "user")
    post(parts, name, rows(user(7, 20)), partition=1)
    post(parts, name, rows(user(7, 30)), partition=0)
    chunks = [parts.log.read(name, partition, None, **PLENTY) for partition in (0, 1)]
    assert chunks[0].timestamps[0] > chunks[1].timestamps[0]
    drain(parts)
    require_right(parts, side, {7: 30})


def test_no_two_batches_are_accepted_at_one_time_and_none_earlier_than_one_before(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = topic("stream", "user")
    parts.log.topics.create(name, 3)
    wall = time.time_ns
    at: list[tuple[int, int]] = []
    for turn, clock in enumerate((0, 0, -3600, 5, -7200, 0)):
        monkeypatch.setattr(time, "time_ns", lambda clock=clock: wall() + clock * 10**9)
        batches = [Produce(name, (turn + each) % 3, Records([b"{}"] * 2)) for each in range(5)]
        for batch, became in zip(batches, parts.log.append(batches), strict=True):
            at += [(batch.partition, offset) for offset in became.offsets]
    times = {
        (partition, offset): moment
        for partition in range(3)
        for chunk in [parts.log.read(name, partition, None, **PLENTY)]
        for offset, moment in zip(chunk.offsets, chunk.timestamps, strict=True)
    }
    in_order = [times[each] for each in at]
    assert in_order == sorted(in_order)
    assert len(set(in_order)) == len(at) // 2, "the records of one batch share a time, no others do"


def test_a_log_that_was_trimmed_goes_on_with_later_times_though_the_clock_was_set_back(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = topic("stream", "user")
    post(parts, name, [b"{}"])
    (before,) = parts.log.read(name, 0, None, **PLENTY).timestamps
    end = parts.log.extents(name)[0].end
    assert parts.log.trim(name, 0, [end], older_than_ms=None, keep_bytes=0) == 1
    wall = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: wall() - 3600 * 10**9)
    post(parts, name, [b"{}"])
    (after,) = parts.log.read(name, 0, end, **PLENTY).timestamps
    assert after > before


def test_a_part_of_a_row_of_several_batches_is_read_with_its_own_times(parts: Parts) -> None:
    name = topic("stream", "user")
    parts.log.topics.create(name, 1)
    parts.log.append([Produce(name, 0, Records([b"%d" % n] * 2)) for n in range(3)])
    whole = parts.log.read(name, 0, None, **PLENTY)
    assert len(set(whole.timestamps)) == 3
    again: list[int] = []
    position = None
    while len(chunk := parts.log.read(name, 0, position, max_records=1, max_bytes=1)):
        again += chunk.timestamps
        position = chunk.end
    assert again == whole.timestamps


def test_within_a_partition_offsets_count_where_a_logs_own_times_run_backwards(
    parts: Parts, side: Side
) -> None:
    name = topic(side, "user")
    post(parts, name, rows(user(1, 20), user(2, 20), user(1, 21)), partition=0)
    post(parts, name, rows(user(2, 30), user(1, 31)), partition=1)
    # Partition 0 was at 100 s when it took post 1 for the second time, whatever that record's own time says.
    with_clock(parts, {(0, 0): 100, (0, 1): 20, (0, 2): 50, (1, 0): 60, (1, 1): 101})
    drain(parts)
    require_right(parts, side, {1: 31, 2: 20})


def test_the_running_maximum_goes_on_over_steps_and_restarts(parts: Parts, side: Side) -> None:
    name = topic(side, "user")
    post(parts, name, rows(user(1, 20)), partition=0)
    clock: dict[tuple[int, int], float] = {(0, 0): 100, (0, 1): 50, (1, 0): 70}
    with_clock(parts, clock)
    drain(parts)
    with Parts(parts.settings) as restarted:
        post(restarted, name, rows(user(7, 21)), partition=0)
        post(restarted, name, rows(user(7, 31)), partition=1)
        with_clock(restarted, clock)
        drain(restarted)
        require_right(restarted, side, {1: 20, 7: 21})


def test_records_of_one_moment_in_two_partitions_have_a_fixed_order_and_both_are_kept(
    parts: Parts, side: Side
) -> None:
    name = topic(side, "user")
    post(parts, name, rows(*[user(7, 20)] * 3), partition=0)
    post(parts, name, rows(user(7, 30)), partition=1)
    with_clock(parts, dict.fromkeys([(0, 0), (0, 1), (0, 2), (1, 0)], 100.0))
    drain(parts)
    require_right(parts, side, {7: 30})
    kept = side_roads(side, ID)[2].open_table(parts.store).select("SELECT _partition, _offset FROM this")
    assert {(row["_partition"], row["_offset"]) for row in kept} == {(0, 2), (1, 0)}


@pytest.mark.parametrize(("apart", "left"), [(3_599.0, {(0, 0), (1, 0)}), (3_601.0, {(1, 0)})])
def test_what_clocks_of_others_may_have_turned_round_is_not_removed(
    parts: Parts, apart: float, left: set[tuple[int, int]]
) -> None:
    name = topic("stream", "user")
    post(parts, name, rows(user(7, 20)), partition=0)
    post(parts, name, rows(user(7, 30)), partition=1)
    with_clock(parts, {(0, 0): 100.0, (1, 0): 100.0 + apart})
    drain(parts)
    assert maintain(parts, dry_run=True).tables[-1].superseded == 2 - len(left)
    maintain(parts)
    kept = side_roads("stream", ID)[2].open_table(parts.store).select("SELECT _partition, _offset FROM this")
    assert {(row["_partition"], row["_offset"]) for row in kept} == left
    assert ages(parts, "stream") == {7: 30}


def test_a_row_whose_time_others_go_by_is_not_removed(parts: Parts) -> None:
    """As version 0.1 wrote them: each with its own time, whatever came before it in its partition."""
    name = topic("stream", "user")
    road = side_roads("stream", ID)[2]
    clock: dict[tuple[int, int], float] = {(0, 0): 9_000, (0, 1): 50, (0, 2): 60, (1, 0): 70}
    post(parts, name, rows(user(1, 20), user(7, 20), user(1, 21)), partition=0)
    post(parts, name, rows(user(7, 30)), partition=1)
    with_clock(parts, clock)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pinflow.jobs.readers.acceptance.Acceptance.in_order", lambda _, chunks: iter(chunks))
        drain(parts, "stream")
    drain(parts, "land")
    assert ages(parts, "stream") == {1: 21, 7: 20}
    maintain(parts)
    assert ages(parts, "stream") == {1: 21, 7: 20}
    kept = road.open_table(parts.store).select("SELECT _partition, _offset FROM this")
    assert (0, 0) in {(row["_partition"], row["_offset"]) for row in kept}
    assert audit(parts, deep=True).problems == []


IN_PARTITIONS = [(1, 0), (0, 1), (1, 1), (0, 0), (1, 0)]
"""Partition and post of the records of a request, which crosses: 0 comes first in one, 1 in the other."""


def wanted_ages() -> dict[int, int]:
    return {number: age for age, (_, number) in enumerate(IN_PARTITIONS)}


@pytest.mark.parametrize("named", [False, True])
def test_of_a_post_several_times_in_a_request_that_spreads_it_the_last_stands(
    parts: Parts, *, named: bool
) -> None:
    name = topic("batch", "user")
    parts.log.topics.create(name, 2)
    records = [
        {"partition": partition, "value": user(number, age)}
        for age, (partition, number) in enumerate(IN_PARTITIONS)
    ]
    headers = {"content-type": "application/json"} | ({"idempotency-key": "k"} if named else {})
    with serving(parts.log, Config(id=ID)) as client:
        answers = [client.post(name, json.dumps({"records": records}).encode(), headers) for _ in "12"]
    offsets = [(each["partition"], each["offset"]) for each in answers[0].json()["offsets"]]
    assert offsets == [(1, 0), (0, 0), (1, 1), (0, 1), (1, 2)]
    assert (answers[0].content == answers[1].content) is named
    drain(parts)
    require_right(parts, "batch", wanted_ages())


def test_random_partition_keys_leave_the_last_of_each_post(parts: Parts) -> None:
    name = topic("stream", "user")
    random = Random(7)
    parts.log.topics.create(name, 4)
    wanted: dict[int, int] = {}
    with serving(parts.log, Config(id=ID)) as client:
        for turn in range(20):
            posts = [(random.randrange(5), turn * 10 + each) for each in range(10)]
            wanted |= dict(posts)
            records = [
                {"data": user(number, age), "partition-key": f"{random.random()}"} for number, age in posts
            ]
            assert client.put(f"{name}/records", json.dumps({"records": records}).encode()).is_success
    drain(parts)
    require_right(parts, "stream", wanted)


def test_one_time_in_the_future_does_not_put_its_partition_ahead_of_all_others(
    parts: Parts, side: Side
) -> None:
    name = topic(side, "user")
    now = time.time()
    post(parts, name, rows(user(1, 20), user(7, 20)), partition=0)
    clock = {(0, 0): now + 9e8, (0, 1): now - 10, (1, 0): now + 4e9}
    with_clock(parts, clock)
    drain(parts)
    post(parts, name, rows(user(7, 30)), partition=1)
    clock[1, 0] = time.time() + 1
    drain(parts)
    require_right(parts, side, {1: 20, 7: 30})


def test_two_ids_in_one_lake_keep_one_row_a_post(settings: Settings) -> None:
    for ident, ages_of in (("a" * 12, {1: 20, 2: 20}), ("b" * 12, {2: 30, 3: 30})):
        with Parts(override(settings, {"id": ident})) as parts:
            post(parts, f"{ident}.user", rows(*(user(number, age) for number, age in ages_of.items())))
            drain(parts)
            for _ in range(2):
                found = select(parts, "SELECT ind, age FROM user ORDER BY ind")
                assert found == sorted(({1: 20, 2: 20} | ages_of if ident[0] == "b" else ages_of).items())
                maintain(parts)


def test_times_of_version_0_1_are_not_taken_for_exact(parts: Parts) -> None:
    """Its clock may have been set back between two records of a post in different partitions."""
    name = topic("stream", "user")
    post(parts, name, rows(user(7, 20)), partition=0)
    post(parts, name, rows(user(7, 30)), partition=1)
    with_clock(parts, {(0, 0): 105.0, (1, 0): 101.0})
    drain(parts)
    parts.__dict__["log"].exact_from = 106_000_000  # as after an upgrade
    maintain(parts)
    kept = side_roads("stream", ID)[2].open_table(parts.store).select("SELECT _partition FROM this")
    assert {row["_partition"] for row in kept} == {0, 1}


def test_a_log_of_version_0_1_is_exact_from_its_first_append_by_this_version_on(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    log = open_log(f"sqlite:///{path}")
    assert log.exact_from == 0
    log.topics.create("t", 1)
    log.append([Produce("t", 0, Records([b"{}"]))])
    log.close()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DROP TABLE clock")
        db.execute("UPDATE batch SET accepted_at = 1900000000000")
    old = open_log(f"sqlite:///{path}", read_only=True)
    assert old.exact_from is None
    old.close()
    upgraded = open_log(f"sqlite:///{path}")
    assert upgraded.exact_from == 1_900_000_000_000_001
    upgraded.append([Produce("t", 0, Records([b"{}"]))])
    assert upgraded.read("t", 0, None, **PLENTY).timestamps == [1_900_000_000_000_000, 1_900_000_000_000_001]
    upgraded.close()


def test_a_clock_that_was_years_ahead_is_a_finding_of_doctor(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = examined(parts.log)
    assert look is not None
    name = topic("stream", "user")
    post(parts, name, [b"{}"])
    assert look.examine() == []
    wall = time.time_ns
    with monkeypatch.context() as patch:
        patch.setattr(time, "time_ns", lambda: wall() + 3650 * 86_400 * 10**9)
        post(parts, name, [b"{}"])
    post(parts, name, [b"{}"])
    (finding,) = look.examine()
    assert "3,650 days ahead of the clock" in finding.what
    parts.log.topics.delete(name)
    end = parts.log.extents(name)[0].end
    drain(parts)
    assert trim_log(parts, []) == {name: 3}, "of a deleted topic all goes, whatever its times say"
    assert parts.log.extents(name)[0].begin == end
