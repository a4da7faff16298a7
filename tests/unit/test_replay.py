"""replay: the rules of today over all that came, and what differs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.road import drain, post, rows, select, table, topic

from pinflow.config import Batch, Land, Log
from pinflow.errors import AbsentError, FencedError, GapError
from pinflow.jobs.clean.clean import clean_jobs
from pinflow.jobs.clean.moving import QuarantineReader
from pinflow.jobs.maintain.maintain import maintain
from pinflow.jobs.pipelines import Road, side_roads
from pinflow.jobs.replay import replay as replaying
from pinflow.jobs.replay.abandon import abandon
from pinflow.jobs.replay.quarantine import retry_quarantine
from pinflow.jobs.replay.replay import replay
from pinflow.jobs.reports.audit import audit
from pinflow.jobs.runtime import Parts
from pinflow.steps import Slice, Steps
from pinflow.steps.generations import put_generation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal

    from pinflow.config import Settings
    from pinflow.jobs.pipelines import Side
    from pinflow.lake import Store
    from pinflow.steps import Plan
    from pinflow.steps.generations import Generation


@pytest.fixture
def parts(settings: Settings) -> Iterator[Parts]:
    config = msgspec.structs.replace(
        settings.config, batch=Batch(max_records=5), land=Land(flush_records=4, flush_seconds=0)
    )
    with Parts(msgspec.structs.replace(settings, config=config)) as parts:
        yield parts


@pytest.fixture(params=["batch", "stream"])
def side(request: pytest.FixtureRequest) -> Side:
    side: Side = request.param
    return side


def user_road(parts: Parts, side: Side) -> Road:
    return next(each for each in side_roads(side, parts.config.id) if each.dataset.name == "user")


def changed(road: Road) -> Road:
    """The road by a rule that makes everybody older."""
    sql = re.sub(r"\n.* AS age,", "\n  try_cast(concat('1', age) AS INT) AS age,", road.dataset.clean_sql)
    return road._replace(dataset=msgspec.structs.replace(road.dataset, clean_sql=sql))


def fill(parts: Parts, side: Side, turns: int = 3) -> None:
    for turn in range(turns):
        for partition in range(2):
            values = rows(
                {"ind": partition, "age": turn}, {"ind": 10 + partition + 2 * turn, "age": 7}, {"ind": 99}
            )
            post(parts, topic(side, "user"), [*values, b"x"], partition=partition)


def forget(parts: Parts) -> None:
    parts.engine._translated.clear()  # type: ignore[attr-defined]


@pytest.mark.parametrize("origin", ["landing", "log"])
def test_the_same_rules_change_nothing(parts: Parts, side: Side, origin: Literal["landing", "log"]) -> None:
    fill(parts, side)
    drain(parts)
    done = replay(parts, user_road(parts, side), origin=origin)
    assert (done.swapped, done.difference.any, done.records) == (True, False, 24)
    assert [(each.before, each.after) for each in done.difference.reasons] == [(6, 6)]
    assert audit(parts, deep=True).problems == []
    fill(parts, side)
    drain(parts)
    assert audit(parts, deep=True).problems == []


def test_a_changed_rule_shows_in_its_column(parts: Parts, side: Side) -> None:
    fill(parts, side)
    drain(parts)
    forget(parts)
    dry = replay(parts, changed(user_road(parts, side)), dry_run=True)
    assert not dry.swapped
    assert select(parts, f'SELECT max(age) FROM "{table(side, "user")}"') == [(7,)]
    done = replay(parts, changed(user_road(parts, side)))
    assert done.difference == dry.difference
    assert {name: count for name, count in done.difference.changed.items() if count} == {"age": 8}
    assert select(parts, f'SELECT max(age) FROM "{table(side, "user")}"') == [(17,)]
    assert audit(parts, deep=True).problems == []


def test_a_stream_that_is_ahead_of_the_landing_zone_or_within_an_object(parts: Parts) -> None:
    fill(parts, "stream", 1)
    drain(parts, "land")
    fill(parts, "stream", 2)
    drain(parts, "stream")
    road = user_road(parts, "stream")
    assert replay(parts, road).records == 24  # some from the log
    drain(parts, "land")
    fill(parts, "stream", 1)
    drain(parts, "land")  # the stream stands within an object now
    assert replay(parts, road).records == 24
    drain(parts)
    assert audit(parts, deep=True).problems == []


def test_a_running_worker_is_fenced_and_one_started_afterwards_goes_on(parts: Parts, side: Side) -> None:
    fill(parts, side)
    drain(parts)
    job = clean_jobs(parts, side)[2]
    running = Steps(parts.store, job)
    assert running.advance() is None
    replay(parts, user_road(parts, side))
    fill(parts, side, 1)
    drain(parts, "land")
    with pytest.raises(FencedError, match="has planned step"):
        running.advance()
    drain(parts)
    assert audit(parts, deep=True).problems == []


def test_removed_superseded_rows_come_back_and_go_again(parts: Parts, side: Side) -> None:
    fill(parts, side)
    drain(parts)
    maintain(parts)
    assert not replay(parts, user_road(parts, side)).difference.any
    assert audit(parts, deep=True).problems == []
    assert {each.table: each.superseded for each in maintain(parts).tables}[table(side, "user")] == 9
    assert audit(parts, deep=True).problems == []


def test_a_trimmed_log_is_no_origin_and_the_landing_zone_is(parts: Parts, settings: Settings) -> None:
    for _ in range(3):
        fill(parts, "stream", 1)
    drain(parts)
    config = msgspec.structs.replace(parts.config, log=Log(url=parts.config.log.url, retention_bytes=1))
    with Parts(msgspec.structs.replace(settings, config=config)) as trimming:
        assert sum(maintain(trimming).trimmed.values()) > 0
    with pytest.raises(GapError, match="the log does not hold"):
        replay(parts, user_road(parts, "stream"), origin="log")
    assert replay(parts, user_road(parts, "stream")).records == 24
    fill(parts, "stream", 1)
    drain(parts)
    assert audit(parts, deep=True).problems == []


def test_nothing_to_replay_is_told(parts: Parts, side: Side) -> None:
    for call in (replay, retry_quarantine):
        with pytest.raises(AbsentError, match="nothing was cleaned"):
            call(parts, user_road(parts, side))


def test_quarantine_that_is_rejected_still_stays(parts: Parts, side: Side) -> None:
    fill(parts, side)
    drain(parts)
    done = retry_quarantine(parts, user_road(parts, side))
    assert (done.tried, done.moved) == (6, 0)
    assert audit(parts, deep=True).problems == []


def test_a_replay_that_is_given_up_while_it_swaps_leaves_the_sums_of_what_stands(
    parts: Parts, side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(parts, side)
    drain(parts)
    put = put_generation

    def late(store: Store, table: str, generation: Generation) -> bool:
        assert abandon(parts, user_road(parts, side)).abandoned
        return put(store, table, generation)

    monkeypatch.setattr("pinflow.jobs.replay.replay.put_generation", late)
    with pytest.raises(FencedError, match="given up"):
        replay(parts, changed(user_road(parts, side)))
    monkeypatch.undo()
    fill(parts, side, turns=1)
    drain(parts)
    assert audit(parts, deep=True).problems == []


def test_a_replay_that_was_overtaken_before_its_fence_holds_nobody(
    parts: Parts, side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(parts, side)
    drain(parts)
    road = user_road(parts, side)
    fence = replaying._fence

    def late(parts: Parts, build: replaying._Build) -> Plan:
        monkeypatch.undo()
        replay(parts, road, origin="log")
        return fence(parts, build)

    monkeypatch.setattr(replaying, "_fence", late)
    with pytest.raises(FencedError, match="another replay"):
        replay(parts, road)
    fill(parts, side, turns=1)
    drain(parts)
    assert audit(parts, deep=True).problems == []


def test_quarantine_that_loses_to_a_worker_is_told_and_moves_nothing(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = topic("stream", "user")
    post(parts, name, rows({"ind": 1}))
    road = user_road(parts, "stream")
    worker = Steps(parts.store, clean_jobs(parts, "stream")[2], since=1)
    assert worker.advance() is not None
    survey = QuarantineReader.survey

    def slow(self: QuarantineReader, positions: dict[int, str]) -> list[Slice]:
        found = survey(self, positions)
        post(parts, name, rows({"ind": 2}))
        worker.advance()
        return found or [Slice(0, "0", "1", 1, offsets=[0])]

    monkeypatch.setattr(QuarantineReader, "survey", slow)
    with pytest.raises(FencedError, match="has planned step 2"):
        retry_quarantine(parts, road)
