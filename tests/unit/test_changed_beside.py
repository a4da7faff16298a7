"""Changed tables beside a clean one: quarantine, manifest, and what one changed table hides from others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from deltalake import DeltaTable
from tests.pipeline import drain, post, rows, select, table, topic
from tests.table_changes import (
    add_columns,
    ages,
    fill,
    names,
    quoted,
    rewritten,
    road_of,
    unknown_feature_for_readers,
    url_of,
)

from pinflow.config import Log
from pinflow.errors import ChangedTableError
from pinflow.jobs.maintain.maintain import maintain
from pinflow.jobs.replay.replay import replay
from pinflow.jobs.reports.audit import audit
from pinflow.jobs.reports.status import status
from pinflow.jobs.runtime import Runtime

if TYPE_CHECKING:
    from pinflow.config import Settings


def test_a_quarantine_that_others_have_widened_takes_rejects(runtime: Runtime) -> None:
    post(runtime, topic("stream", "user"), [b"1"])
    drain(runtime, "land", "stream")
    add_columns(road_of().open_quarantine(runtime.tables).url)
    post(runtime, topic("stream", "user"), [b"2"])
    drain(runtime, "land", "stream")
    assert len(select(runtime, f'SELECT raw FROM "{table("stream", "user")}_quarantine"')) == 2
    assert audit(runtime, deep=True).ok


def test_a_quarantine_that_cannot_be_written_is_mended_by_a_replay(runtime: Runtime) -> None:
    post(runtime, topic("stream", "user"), [b"1"])
    drain(runtime, "land", "stream")
    url = road_of().open_quarantine(runtime.tables).url
    rewritten(url, quoted([name for name in names(url) if name != "reason"]))
    post(runtime, topic("stream", "user"), [b"2", b'{"ind": 5, "age": 5}'])
    with pytest.raises(ChangedTableError, match=r"user_table_quarantine.*'reason' is gone"):
        drain(runtime, "stream")
    assert replay(runtime, road_of()).swapped
    drain(runtime)
    assert len(select(runtime, f'SELECT raw FROM "{table("stream", "user")}_quarantine"')) == 2
    assert audit(runtime, deep=True).ok


def test_a_widened_manifest_takes_what_lands(runtime: Runtime) -> None:
    post(runtime, topic("batch", "user"), rows({"ind": 1}))
    drain(runtime, "land")
    add_columns(runtime.landing.manifest.url)
    post(runtime, topic("batch", "user"), rows({"ind": 2}))
    drain(runtime, "land", "batch")
    assert len(select(runtime, "SELECT ind FROM user")) == 2
    assert audit(runtime, deep=True).ok


def test_a_manifest_that_cannot_be_written_says_what_to_do(runtime: Runtime) -> None:
    post(runtime, topic("batch", "user"), rows({"ind": 1}))
    drain(runtime, "land")
    url = runtime.landing.manifest.url
    rewritten(url, quoted([name for name in names(url) if name != "crc"]))
    post(runtime, topic("batch", "user"), rows({"ind": 2}))
    with pytest.raises(ChangedTableError, match=r"table 'landing'.*'crc' is gone") as changed:
        drain(runtime, "land")
    assert "restore" in changed.value.hint
    delta = DeltaTable(url)
    delta.restore(delta.version() - 1)
    assert drain(runtime, "land", "batch") == 3
    assert audit(runtime, deep=True).ok


def test_a_changed_table_keeps_its_own_topic_in_the_log_and_no_other(settings: Settings) -> None:
    config = msgspec.structs.replace(settings.config, log=Log(url=settings.config.log.url, retention_bytes=1))
    with Runtime(msgspec.structs.replace(settings, config=config)) as runtime:
        fill(runtime)
        for ind in (1, 2):
            post(runtime, topic("stream", "geo"), rows({"ind": ind}))
            drain(runtime, "land", "stream")
        unknown_feature_for_readers(url_of(runtime))
        done = maintain(runtime)
        assert done.trimmed.keys() == {topic("stream", "geo")}
        assert any(problem.startswith(topic("stream", "user")) for problem in done.problems)


def test_one_changed_table_hides_no_other_from_questions_audit_and_maintain(runtime: Runtime) -> None:
    fill(runtime)
    post(runtime, topic("stream", "geo"), rows({"ind": 1}))
    drain(runtime, "stream")
    unknown_feature_for_readers(url_of(runtime))
    assert select(runtime, f'SELECT ind FROM "{table("stream", "geo")}"') == [(1,)]
    with pytest.raises(ChangedTableError):
        ages(runtime)
    lines = {(line.topic, line.partition): line for line in audit(runtime).lines}
    assert lines[topic("stream", "geo"), 0].difference == 0
    assert lines[topic("stream", "user"), 0].difference == 4
    states = {each.topic: [failing.state for failing in each.failing] for each in status(runtime)}
    assert states == {topic("stream", "geo"): [], topic("stream", "user"): ["unreadable"]}
    done = maintain(runtime)
    assert table("stream", "geo") in [each.table for each in done.tables]
    assert any(table("stream", "user") in problem for problem in done.problems)
