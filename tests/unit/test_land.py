"""land: when an object is flushed, and what it holds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NoReturn

import msgspec
import pytest
from tests.pipeline import ID, drain, post, topic

from pinflow.config import Land
from pinflow.errors import TerminalError, UnknownTopicError
from pinflow.jobs.clean.clean import pipeline_reader
from pinflow.jobs.land.land import LandJob
from pinflow.jobs.pipelines import side_pipelines
from pinflow.jobs.reports.status import status
from pinflow.steps import Steps
from pinflow.steps.slices import LogSlice, Slice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pinflow.jobs.runtime import Runtime


HOUR_S = 3600.0


def job(runtime: Runtime, **limits: float) -> LandJob:
    config = msgspec.structs.replace(Land(flush_seconds=HOUR_S), **limits)
    return LandJob("posts", runtime.log, runtime.landing, config)


def test_a_few_fresh_records_wait(runtime: Runtime) -> None:
    post(runtime, "posts", [b"1", b"2"])
    assert job(runtime, flush_records=3).fetch_next({}) == []


def records(slices: Sequence[Slice]) -> list[int]:
    return [piece.records for piece in slices if isinstance(piece, LogSlice)]


def test_enough_records_are_flushed_though_they_came_in_several_reads(runtime: Runtime) -> None:
    land = job(runtime, flush_records=3)
    post(runtime, "posts", [b"1", b"2"])
    assert land.fetch_next({}) == []
    post(runtime, "posts", [b"3", b"4"])
    (piece,) = land.fetch_next({})
    assert piece == LogSlice(0, "0", "3", 3)


def test_enough_bytes_are_flushed(runtime: Runtime) -> None:
    post(runtime, "posts", [b"x" * 600, b"y" * 600])
    assert job(runtime, flush_bytes=2_000).fetch_next({}) == []
    assert records(job(runtime, flush_bytes=1_000).fetch_next({})) == [2]


def test_an_idle_topic_is_flushed_when_its_oldest_record_is_old_on_the_wall_clock(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(runtime, "posts", [b"1"])
    land = job(runtime, flush_seconds=60.0)
    assert land.fetch_next({}) == []
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 61)
    assert records(land.fetch_next({})) == [1]


def test_a_clock_that_stepped_back_does_not_hold_records_forever(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(runtime, "posts", [b"1"])
    wall, steady = time.time, time.monotonic
    monkeypatch.setattr(time, "time", lambda: wall() - HOUR_S)
    land = job(runtime, flush_seconds=60.0)
    assert land.fetch_next({}) == []
    monkeypatch.setattr(time, "monotonic", lambda: steady() + 61)
    assert records(land.fetch_next({})) == [1]


def test_a_step_taken_up_after_a_crash_reads_the_same_records_again(runtime: Runtime) -> None:
    post(runtime, "posts", [b"1", b"2", b"3"])
    land = job(runtime, flush_records=3)
    steps = Steps(runtime.store, land)
    assert steps.pending() is None
    plan = steps.plan(land.fetch_next({}))
    post(runtime, "posts", [b"4"])
    again = Steps(runtime.store, job(runtime, flush_records=3))
    assert again.advance() == plan
    (landed,) = runtime.landing.objects("posts")
    assert runtime.landing.read(landed).records.values == [b"1", b"2", b"3"]


def test_every_topic_is_landed_byte_for_byte_with_a_manifest_row_an_object(runtime: Runtime) -> None:
    odd = [b'{ "a": 1 }', None, b"", b"a\nb", b"\xff", b"null"]
    post(runtime, "posts", odd, partition=1)
    post(runtime, "other.topic", [b"x"])
    assert drain(runtime, "land") == 7
    (landed,) = runtime.landing.objects("posts")
    assert (landed.partition, landed.first, landed.next, landed.records) == (1, "0", "6", 6)
    assert runtime.landing.read(landed).records.values == odd
    assert [each.topic for each in runtime.landing.objects("other.topic")] == ["other.topic"]
    post(runtime, "posts", [b"later"], partition=1)
    assert drain(runtime, "land") == 1
    assert [each.first for each in runtime.landing.objects("posts")] == ["0", "6"]


def test_a_topic_that_is_deleted_while_it_is_looked_at_is_done_with(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(runtime, "posts", [b"1"])
    users = next(pipeline for pipeline in side_pipelines("stream", ID) if pipeline.dataset.name == "user")
    post(runtime, users.topic, [b"1"])
    land, reader = job(runtime, flush_records=1), pipeline_reader(runtime, users)

    def gone(name: str, *_: object, **__: object) -> NoReturn:
        raise UnknownTopicError(f"there is no topic {name!r}")

    monkeypatch.setattr(runtime.log, "read", gone)
    monkeypatch.setattr(runtime.log, "ranges", gone)
    assert land.fetch_next({}) == []
    assert reader.fetch_next({}) == []
    assert {(each.topic, each.accepted) for each in status(runtime)} == {("posts", 0), (users.topic, 0)}


def test_objects_that_another_sink_wrote_are_not_written_over(runtime: Runtime) -> None:
    name = topic("batch", "pin")
    path = f"topics/{name}/partition=0/{name}+0+0000000000.json"
    runtime.store.put(path, b'{"index": 7}\n')
    post(runtime, name, [b"1"])
    with pytest.raises(TerminalError, match="did not write"):
        drain(runtime, "land")
    assert runtime.store.get(path) == b'{"index": 7}\n'
