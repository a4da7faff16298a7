"""land: when an object is flushed, and what it holds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NoReturn

import msgspec
import pytest
from tests.road import ID, drain, post, topic

from pinflow.config import Land, Settings
from pinflow.errors import TerminalError, UnknownTopicError
from pinflow.jobs.clean.clean import road_reader
from pinflow.jobs.land.land import LandJob
from pinflow.jobs.pipelines import side_roads
from pinflow.jobs.reports.status import status
from pinflow.jobs.runtime import Parts
from pinflow.steps import Steps

if TYPE_CHECKING:
    from collections.abc import Iterator

HOUR_S = 3600.0


@pytest.fixture
def parts(settings: Settings) -> Iterator[Parts]:
    with Parts(settings) as parts:
        yield parts


def job(parts: Parts, **limits: float) -> LandJob:
    config = msgspec.structs.replace(Land(flush_seconds=HOUR_S), **limits)
    return LandJob("posts", parts.log, parts.landing, config)


def test_a_few_fresh_records_wait(parts: Parts) -> None:
    post(parts, "posts", [b"1", b"2"])
    assert job(parts, flush_records=3).survey({}) == []


def test_enough_records_are_flushed_though_they_came_in_several_reads(parts: Parts) -> None:
    land = job(parts, flush_records=3)
    post(parts, "posts", [b"1", b"2"])
    assert land.survey({}) == []
    post(parts, "posts", [b"3", b"4"])
    (piece,) = land.survey({})
    assert (piece.partition, piece.start, piece.end, piece.records) == (0, "0", "3", 3)


def test_enough_bytes_are_flushed(parts: Parts) -> None:
    post(parts, "posts", [b"x" * 600, b"y" * 600])
    assert job(parts, flush_bytes=2_000).survey({}) == []
    assert [piece.records for piece in job(parts, flush_bytes=1_000).survey({})] == [2]


def test_an_idle_topic_is_flushed_when_its_oldest_record_is_old_on_the_wall_clock(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(parts, "posts", [b"1"])
    land = job(parts, flush_seconds=60.0)
    assert land.survey({}) == []
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 61)
    assert [piece.records for piece in land.survey({})] == [1]


def test_a_clock_that_stepped_back_does_not_hold_records_forever(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(parts, "posts", [b"1"])
    wall, steady = time.time, time.monotonic
    monkeypatch.setattr(time, "time", lambda: wall() - HOUR_S)
    land = job(parts, flush_seconds=60.0)
    assert land.survey({}) == []
    monkeypatch.setattr(time, "monotonic", lambda: steady() + 61)
    assert [piece.records for piece in land.survey({})] == [1]


def test_a_step_taken_up_after_a_crash_reads_the_same_records_again(parts: Parts) -> None:
    post(parts, "posts", [b"1", b"2", b"3"])
    land = job(parts, flush_records=3)
    steps = Steps(parts.store, land)
    assert steps._taken_up() is None
    plan = steps._planned(land.survey({}))
    post(parts, "posts", [b"4"])
    again = Steps(parts.store, job(parts, flush_records=3))
    assert again.advance() == plan
    (landed,) = parts.landing.landed("posts")
    assert parts.landing.read(landed).records.values == [b"1", b"2", b"3"]


def test_every_topic_is_landed_byte_for_byte_with_a_manifest_row_an_object(parts: Parts) -> None:
    odd = [b'{ "a": 1 }', None, b"", b"a\nb", b"\xff", b"null"]
    post(parts, "posts", odd, partition=1)
    post(parts, "other.topic", [b"x"])
    assert drain(parts, "land") == 7
    (landed,) = parts.landing.landed("posts")
    assert (landed.partition, landed.first, landed.next, landed.records) == (1, "0", "6", 6)
    assert parts.landing.read(landed).records.values == odd
    assert [each.topic for each in parts.landing.landed("other.topic")] == ["other.topic"]
    post(parts, "posts", [b"later"], partition=1)
    assert drain(parts, "land") == 1
    assert [each.first for each in parts.landing.landed("posts")] == ["0", "6"]


def test_a_topic_that_is_deleted_while_it_is_looked_at_is_done_with(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(parts, "posts", [b"1"])
    users = next(road for road in side_roads("stream", ID) if road.dataset.name == "user")
    post(parts, users.topic, [b"1"])
    land, reader = job(parts, flush_records=1), road_reader(parts, users)

    def gone(name: str, *_: object, **__: object) -> NoReturn:
        raise UnknownTopicError(f"there is no topic {name!r}")

    monkeypatch.setattr(parts.log, "read", gone)
    monkeypatch.setattr(parts.log, "extents", gone)
    assert land.survey({}) == []
    assert reader.survey({}) == []
    assert {(each.topic, each.accepted) for each in status(parts)} == {("posts", 0), (users.topic, 0)}


def test_objects_that_another_sink_wrote_are_not_written_over(parts: Parts) -> None:
    name = topic("batch", "pin")
    path = f"topics/{name}/partition=0/{name}+0+0000000000.json"
    parts.store.put(path, b'{"index": 7}\n')
    post(parts, name, [b"1"])
    with pytest.raises(TerminalError, match="did not write"):
        drain(parts, "land")
    assert parts.store.get(path) == b'{"index": 7}\n'
