"""replay: the rules of today over all that came, and what differs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import duckdb
import msgspec
import pytest
from arro3.core import Array, DataType
from tests.pipeline import drain, post, rows, select, table, topic

from pinflow.config import Batch, Land, Log
from pinflow.engine.json_columns import JsonColumns
from pinflow.errors import AbsentError, FencedError, GapError
from pinflow.jobs.clean.clean import clean_jobs
from pinflow.jobs.clean.moving import QuarantineReader
from pinflow.jobs.maintain.maintain import maintain
from pinflow.jobs.pipelines import Pipeline, side_pipelines
from pinflow.jobs.replay import replay as replaying
from pinflow.jobs.replay.abandon import abandon
from pinflow.jobs.replay.quarantine import retry_quarantine
from pinflow.jobs.replay.replay import replay
from pinflow.jobs.reports.audit import audit
from pinflow.jobs.runtime import Runtime
from pinflow.steps import Slice, Steps
from pinflow.steps.generations import put_generation
from pinflow.steps.slices import RowSlice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Literal

    from pinflow.config import Settings
    from pinflow.jobs.pipelines import Side
    from pinflow.lake import Store
    from pinflow.steps import Plan
    from pinflow.steps.generations import Generation


@pytest.fixture
def runtime(settings: Settings) -> Iterator[Runtime]:
    config = msgspec.structs.replace(
        settings.config, batch=Batch(max_records=5), land=Land(flush_records=4, flush_seconds=0)
    )
    with Runtime(msgspec.structs.replace(settings, config=config)) as runtime:
        yield runtime


def user_road(runtime: Runtime, side: Side) -> Pipeline:
    return next(each for each in side_pipelines(side, runtime.config.id) if each.dataset.name == "user")


def changed(pipeline: Pipeline) -> Pipeline:
    """The pipeline by a rule that makes everybody older."""
    sql = re.sub(r"\n.* AS age,", "\n  try_cast(concat('1', age) AS INT) AS age,", pipeline.dataset.clean_sql)
    return pipeline._replace(dataset=msgspec.structs.replace(pipeline.dataset, clean_sql=sql))


def fill(runtime: Runtime, side: Side, turns: int = 3) -> None:
    for turn in range(turns):
        for partition in range(2):
            values = rows(
                {"ind": partition, "age": turn}, {"ind": 10 + partition + 2 * turn, "age": 7}, {"ind": 99}
            )
            post(runtime, topic(side, "user"), [*values, b"x"], partition=partition)


def forget(runtime: Runtime) -> None:
    runtime.engine._translated.clear()  # type: ignore[attr-defined]


@pytest.mark.parametrize("origin", ["landing", "log"])
def test_the_same_rules_change_nothing(
    runtime: Runtime, side: Side, origin: Literal["landing", "log"]
) -> None:
    fill(runtime, side)
    drain(runtime)
    done = replay(runtime, user_road(runtime, side), origin=origin)
    assert (done.swapped, done.difference.any, done.records) == (True, False, 24)
    assert [(each.before, each.after) for each in done.difference.reasons] == [(6, 6)]
    assert audit(runtime, deep=True).problems == []
    fill(runtime, side)
    drain(runtime)
    assert audit(runtime, deep=True).problems == []


def test_a_changed_rule_shows_in_its_column(runtime: Runtime, side: Side) -> None:
    fill(runtime, side)
    drain(runtime)
    forget(runtime)
    dry = replay(runtime, changed(user_road(runtime, side)), dry_run=True)
    assert not dry.swapped
    assert select(runtime, f'SELECT max(age) FROM "{table(side, "user")}"') == [(7,)]
    done = replay(runtime, changed(user_road(runtime, side)))
    assert done.difference == dry.difference
    assert {name: count for name, count in done.difference.changed.items() if count} == {"age": 8}
    assert select(runtime, f'SELECT max(age) FROM "{table(side, "user")}"') == [(17,)]
    assert audit(runtime, deep=True).problems == []


def test_a_stream_that_is_ahead_of_the_landing_zone_or_within_an_object(runtime: Runtime) -> None:
    fill(runtime, "stream", 1)
    drain(runtime, "land")
    fill(runtime, "stream", 2)
    drain(runtime, "stream")
    pipeline = user_road(runtime, "stream")
    assert replay(runtime, pipeline).records == 24  # some from the log
    drain(runtime, "land")
    fill(runtime, "stream", 1)
    drain(runtime, "land")  # the stream stands within an object now
    assert replay(runtime, pipeline).records == 24
    drain(runtime)
    assert audit(runtime, deep=True).problems == []


def test_a_running_worker_is_fenced_and_one_started_afterwards_goes_on(runtime: Runtime, side: Side) -> None:
    fill(runtime, side)
    drain(runtime)
    job = clean_jobs(runtime, side)[2]
    running = Steps(runtime.store, job)
    assert running.advance() is None
    replay(runtime, user_road(runtime, side))
    fill(runtime, side, 1)
    drain(runtime, "land")
    with pytest.raises(FencedError, match="has planned step"):
        running.advance()
    drain(runtime)
    assert audit(runtime, deep=True).problems == []


def test_removed_superseded_rows_come_back_and_go_again(runtime: Runtime, side: Side) -> None:
    fill(runtime, side)
    drain(runtime)
    maintain(runtime)
    assert not replay(runtime, user_road(runtime, side)).difference.any
    assert audit(runtime, deep=True).problems == []
    assert {each.table: each.superseded for each in maintain(runtime).tables}[table(side, "user")] == 9
    assert audit(runtime, deep=True).problems == []


def test_a_trimmed_log_is_no_origin_and_the_landing_zone_is(runtime: Runtime, settings: Settings) -> None:
    for _ in range(3):
        fill(runtime, "stream", 1)
    drain(runtime)
    config = msgspec.structs.replace(runtime.config, log=Log(url=runtime.config.log.url, retention_bytes=1))
    with Runtime(msgspec.structs.replace(settings, config=config)) as trimming:
        assert sum(maintain(trimming).trimmed.values()) > 0
    with pytest.raises(GapError, match="the log does not hold"):
        replay(runtime, user_road(runtime, "stream"), origin="log")
    assert replay(runtime, user_road(runtime, "stream")).records == 24
    fill(runtime, "stream", 1)
    drain(runtime)
    assert audit(runtime, deep=True).problems == []


def test_nothing_to_replay_is_told(runtime: Runtime, side: Side) -> None:
    for call in (replay, retry_quarantine):
        with pytest.raises(AbsentError, match="nothing was cleaned"):
            call(runtime, user_road(runtime, side))


def test_quarantine_that_is_rejected_still_stays(runtime: Runtime, side: Side) -> None:
    fill(runtime, side)
    drain(runtime)
    done = retry_quarantine(runtime, user_road(runtime, side))
    assert (done.tried, done.moved) == (6, 0)
    assert audit(runtime, deep=True).problems == []


def test_a_replay_that_is_given_up_while_it_swaps_leaves_the_sums_of_what_stands(
    runtime: Runtime, side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(runtime, side)
    drain(runtime)
    put = put_generation

    def late(store: Store, table: str, generation: Generation) -> bool:
        assert abandon(runtime, user_road(runtime, side)).abandoned
        return put(store, table, generation)

    monkeypatch.setattr("pinflow.jobs.replay.replay.put_generation", late)
    with pytest.raises(FencedError, match="given up"):
        replay(runtime, changed(user_road(runtime, side)))
    monkeypatch.undo()
    fill(runtime, side, turns=1)
    drain(runtime)
    assert audit(runtime, deep=True).problems == []


def test_a_replay_that_was_overtaken_before_its_fence_holds_nobody(
    runtime: Runtime, side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(runtime, side)
    drain(runtime)
    pipeline = user_road(runtime, side)
    fence = replaying._fence

    def late(runtime: Runtime, build: replaying._Build) -> Plan:
        monkeypatch.undo()
        replay(runtime, pipeline, origin="log")
        return fence(runtime, build)

    monkeypatch.setattr(replaying, "_fence", late)
    with pytest.raises(FencedError, match="another replay"):
        replay(runtime, pipeline)
    fill(runtime, side, turns=1)
    drain(runtime)
    assert audit(runtime, deep=True).problems == []


def test_quarantine_that_loses_to_a_worker_is_told_and_moves_nothing(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = topic("stream", "user")
    post(runtime, name, rows({"ind": 1}))
    pipeline = user_road(runtime, "stream")
    worker = Steps(runtime.store, clean_jobs(runtime, "stream")[2], since=1)
    assert worker.advance() is not None
    fetch_next = QuarantineReader.fetch_next

    def slow(self: QuarantineReader, positions: dict[int, str]) -> Sequence[Slice]:
        found = fetch_next(self, positions)
        post(runtime, name, rows({"ind": 2}))
        worker.advance()
        return found or [RowSlice(0, [0])]

    monkeypatch.setattr(QuarantineReader, "fetch_next", slow)
    with pytest.raises(FencedError, match="has planned step 2"):
        retry_quarantine(runtime, pipeline)


def read_as_before(records: list[bytes], fields: Sequence[str]) -> JsonColumns:
    """Fields as the first version took them out: DuckDB writes numbers anew, and what is nested without its blanks."""
    paths = [f"$.{field}" for field in fields]
    with duckdb.connect() as db:
        read = [
            db.execute("SELECT json_extract_string(?, ?)", [each.decode(), paths]).fetchone()
            for each in records
        ]
    columns = [[found[0][at] for found in read if found] for at in range(len(fields))]
    nothing = Array([None] * len(records), type=DataType.string())
    return JsonColumns([Array(each, type=DataType.string()) for each in columns], nothing, nothing)


def test_texts_that_an_earlier_version_has_rewritten_show_in_a_replay_and_come_back_as_sent(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = {1: "[1.50, -0]", 2: '{"a" : 1e3}', 3: '"1e3"', 4: "1E+3", 5: "17"}
    values: list[bytes | None] = [f'{{"index": {n}, "title": {text}}}'.encode() for n, text in texts.items()]
    post(runtime, topic("batch", "pin"), values)
    with monkeypatch.context() as earlier:
        earlier.setattr("pinflow.engine.duckdb.records.json_columns", read_as_before)
        drain(runtime, "land", "batch")
    titles = "SELECT title FROM pin ORDER BY ind"
    assert [text for (text,) in select(runtime, titles)] == ["[1.5,0]", '{"a":1000.0}', "1e3", "1000.0", "17"]
    (pin,) = (each for each in side_pipelines("batch", runtime.config.id) if each.dataset.name == "pin")
    dry = replay(runtime, pin, dry_run=True)
    assert {name: count for name, count in dry.difference.changed.items() if count} == {"title": 3}
    assert replay(runtime, pin).difference == dry.difference
    assert [text for (text,) in select(runtime, titles)] == ["[1.50, -0]", '{"a" : 1e3}', "1e3", "1E+3", "17"]
    assert audit(runtime, deep=True).ok
