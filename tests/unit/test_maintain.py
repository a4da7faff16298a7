"""maintain: smaller, and nothing else different."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.pipeline import drain, post, rows, select, table, topic

from pinflow.config import Log, Maintain
from pinflow.jobs.maintain.maintain import maintain
from pinflow.jobs.pipelines import side_pipelines
from pinflow.jobs.reports.audit import audit
from pinflow.jobs.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pinflow.config import Settings
    from pinflow.jobs.pipelines import Side

SIDES: tuple[Side, ...] = ("batch", "stream")


def with_config(settings: Settings, **sections: Any) -> Settings:
    return msgspec.structs.replace(settings, config=msgspec.structs.replace(settings.config, **sections))


@pytest.fixture
def small(settings: Settings) -> Settings:
    """At once past every retention."""
    return with_config(settings, maintain=Maintain(retention_hours=0, keep_steps=2))


@pytest.fixture
def runtime(small: Settings) -> Iterator[Runtime]:
    with Runtime(small) as runtime:
        yield runtime


def fill(runtime: Runtime, times: int = 10) -> None:
    for turn in range(times):
        for side in SIDES:
            for partition in range(2):
                post(
                    runtime,
                    topic(side, "user"),
                    [
                        *rows(
                            {"ind": partition, "age": turn},
                            {"ind": 10 + partition + 2 * turn},
                            {"ind": partition},
                        ),
                        b"x",
                    ],
                    partition=partition,
                )
        drain(runtime)


def answers(runtime: Runtime) -> list[list[tuple[object, ...]]]:
    return [
        select(runtime, f'SELECT * FROM "{table(side, "user")}{suffix}" ORDER BY ALL')
        for side in SIDES
        for suffix in ("", "_quarantine")
    ]


def test_answers_and_audit_are_the_same_and_everything_is_smaller(runtime: Runtime, small: Settings) -> None:
    fill(runtime)
    before, deep = answers(runtime), audit(runtime, deep=True)
    home = small.home / "lake"
    done = maintain(runtime)
    assert done.problems == []
    assert answers(runtime) == before
    for again in (False, True):
        found = audit(runtime, deep=again)
        assert found.problems == []
    assert audit(runtime, deep=True).lines == deep.lines
    by_table = {each.table: each for each in done.tables}
    assert by_table["user"].superseded == 38
    assert by_table["user"].files >= 10
    assert by_table["landing"].joined >= 10
    pipeline = side_pipelines("batch", small.config.id)[2]
    assert len(pipeline.open_table(runtime.tables).snapshot().files()) <= 8
    assert len(list((home / "tables" / "user").glob("*.parquet"))) == len(
        pipeline.open_table(runtime.tables).snapshot().files()
    )
    assert len(list((home / "plans" / "batch").glob("*user/*.json"))) == 4


def test_a_second_run_has_nothing_to_do_and_jobs_go_on(runtime: Runtime) -> None:
    fill(runtime)
    maintain(runtime)
    again = maintain(runtime)
    assert sum(each.superseded + each.joined + each.plans for each in again.tables) == 0
    fill(runtime, 3)
    assert audit(runtime, deep=True).problems == []
    assert maintain(runtime).problems == []
    assert audit(runtime, deep=True).problems == []


def test_a_dry_run_says_what_it_would_do_and_changes_nothing(runtime: Runtime, small: Settings) -> None:
    fill(runtime)
    before = sorted(path for path in small.home.rglob("*") if path.is_file())
    done = maintain(runtime, dry_run=True)
    assert {each.table: each.superseded for each in done.tables}["user"] == 38
    assert sorted(path for path in small.home.rglob("*") if path.is_file()) == before


def test_nothing_leaves_the_log_that_a_job_has_not_committed(settings: Settings) -> None:
    at_once = with_config(settings, log=Log(url=settings.config.log.url, retention_bytes=1))
    name = topic("stream", "user")
    with Runtime(at_once) as runtime:
        post(runtime, name, rows({"ind": 1}))
        post(runtime, "other", rows({"ind": 1}))
        assert maintain(runtime).trimmed == {}
        drain(runtime, "land")
        assert maintain(runtime).trimmed == {}  # the last batch is within the bytes to keep
        post(runtime, name, rows({"ind": 2}))
        post(runtime, "other", rows({"ind": 2}))
        assert maintain(runtime).trimmed == {"other": 1}
        assert len(runtime.log.read(name, 0, None, max_records=9, max_bytes=999)) == 2
        drain(runtime)
        assert maintain(runtime).trimmed == {name: 1}
        assert [extent.accepted for extent in runtime.log.ranges(name)] == [2, 0]
        assert audit(runtime, deep=True).problems == []


def test_what_is_younger_than_the_retention_stays(settings: Settings) -> None:
    young = with_config(settings, log=Log(url=settings.config.log.url, retention_seconds=3600))
    with Runtime(young) as runtime:
        post(runtime, "other", rows({"ind": 1}))
        drain(runtime)
        assert maintain(runtime).trimmed == {}


def test_a_deleted_topic_goes_when_all_is_committed(runtime: Runtime) -> None:
    post(runtime, "other", rows({"ind": 1}))
    runtime.log.topics.delete("other")
    assert maintain(runtime).trimmed == {}
    drain(runtime)
    assert maintain(runtime).trimmed == {"other": 1}
    assert runtime.log.topics.readable() == []
    runtime.log.topics.create("other", 1)
    post(runtime, "other", rows({"ind": 2}))
    assert drain(runtime, "land") == 1
    assert audit(runtime, deep=True).problems == []
