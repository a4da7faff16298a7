"""Tables that another program changes: what can be carried on with is, what cannot is named, and replay mends it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
from arro3.core import Array, DataType
from arro3.core import Table as Arrow
from tests.pipeline import drain, post, rows, table, topic
from tests.table_changes import (
    ALL,
    CARRIED,
    REFUSED,
    add_columns,
    ages,
    constraint_that_is_violated,
    drop_a_column,
    fill,
    more,
    names,
    road_of,
    url_of,
)

from pinflow.errors import ChangedTableError, CorruptError, PinflowError
from pinflow.jobs.maintain.maintain import maintain
from pinflow.jobs.replay.replay import replay
from pinflow.jobs.reports.audit import audit
from pinflow.jobs.reports.status import status
from pinflow.lake.tables.protocol import Append

if TYPE_CHECKING:
    from collections.abc import Callable

    from pinflow.jobs.runtime import Runtime

    Change = Callable[[str], None]


@pytest.mark.parametrize("change", CARRIED)
def test_the_job_goes_on_with_what_it_can(runtime: Runtime, change: Change) -> None:
    fill(runtime)
    change(url_of(runtime))
    kept = names(url_of(runtime))
    more(runtime)
    assert drain(runtime, "stream") == 1
    assert ages(runtime) == ALL
    assert names(url_of(runtime)) == kept  # what is not pinflow's stays
    assert audit(runtime, deep=True).ok
    assert maintain(runtime).problems == []
    assert ages(runtime) == ALL


def test_a_column_that_comes_between_two_steps_of_a_running_worker_is_null_in_its_rows(
    runtime: Runtime,
) -> None:
    fill(runtime)
    jobs = road_of().open_table(runtime.tables)
    assert jobs.step_of(road_of().job) == 2
    add_columns(url_of(runtime))  # the table is open as it was
    found = Arrow.from_arrays(
        [Array([7], type=DataType.int32()), Array(["Ada"], type=DataType.string())],
        names=["ind", "user_name"],
    )
    assert jobs.commit(road_of().job, 3, Append(_padded(jobs.columns, found)))
    (row,) = jobs.snapshot().select("SELECT ind, note FROM this WHERE ind = 7")
    assert row == {"ind": 7, "note": None}


def _padded(columns: Any, found: Arrow) -> Any:
    import duckdb

    kinds = {"int": "INTEGER", "bigint": "BIGINT", "string": "VARCHAR", "timestamp": "TIMESTAMPTZ"}
    names_ = found.column_names
    db = duckdb.connect()
    db.register("found", found)
    sql = ", ".join(
        (f'"{each.name}"' if each.name in names_ else f"NULL::{kinds[each.type]}") + f' AS "{each.name}"'
        for each in columns
    )
    return db.sql(f"SELECT {sql} FROM found")


def refused(runtime: Runtime, match: str) -> None:
    """The job says which change it was, for good, with the command that mends it; other jobs go on."""
    for name in ("pin", "geo"):
        post(runtime, topic("stream", name), rows({"ind": 1, "index": 1}))
    with pytest.raises(ChangedTableError, match=match) as changed:
        drain(runtime, "stream")
    assert table("stream", "user") in changed.value.what
    assert changed.value.hint == "pinflow replay run stream user"
    by_topic = {each.topic: each for each in status(runtime)}
    assert [by_topic[topic("stream", name)].to_clean for name in ("pin", "geo")] == [0, 0]
    jobs = {each.job: each.state for each in by_topic[topic("stream", "user")].failing}
    assert jobs[road_of().job] == "set aside"


@pytest.mark.parametrize(("change", "match"), REFUSED)
def test_what_it_cannot_go_on_with_is_named_and_a_replay_mends_it(
    runtime: Runtime, change: Change, match: str
) -> None:
    fill(runtime)
    change(url_of(runtime))
    more(runtime)
    refused(runtime, match)
    assert replay(runtime, road_of()).swapped
    drain(runtime)
    assert ages(runtime) == ALL
    assert audit(runtime, deep=True).ok
    assert [each.failing for each in status(runtime) if each.failing] == []


@pytest.mark.parametrize("point", ["planned", "prepared", "receipted"])
@pytest.mark.parametrize(("change", "match"), REFUSED)
def test_so_it_is_when_the_table_changes_under_a_step(
    runtime: Runtime, change: Change, match: str, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step is planned and cannot be committed: the replay covers it."""
    fill(runtime)
    more(runtime)

    def hit(kind: str, where: str) -> None:
        if (kind, where) == ("stream", point):
            change(url_of(runtime))

    with monkeypatch.context() as patched:
        patched.setattr("pinflow.steps.steps.hit", hit)
        with pytest.raises(ChangedTableError, match=match):
            drain(runtime, "stream")
    assert replay(runtime, road_of()).swapped
    drain(runtime)
    assert ages(runtime) == ALL
    assert audit(runtime, deep=True).ok


@pytest.mark.parametrize("change", CARRIED)
def test_a_change_under_a_step_that_can_be_carried_is(
    runtime: Runtime, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(runtime)
    more(runtime)

    def hit(kind: str, where: str) -> None:
        if (kind, where) == ("stream", "receipted"):
            change(url_of(runtime))

    with monkeypatch.context() as patched:
        patched.setattr("pinflow.steps.steps.hit", hit)
        drain(runtime, "stream")
    assert ages(runtime) == ALL
    assert audit(runtime, deep=True).ok


def test_a_replay_of_a_stuck_step_that_is_killed_after_its_fence_is_run_again(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(runtime)
    constraint_that_is_violated(url_of(runtime))
    more(runtime)
    with pytest.raises(ChangedTableError):
        drain(runtime, "stream")

    class KilledError(Exception):
        pass

    def hit(_kind: str, where: str) -> None:
        if where in {"fenced", "stamped"}:
            raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr("pinflow.jobs.replay.replay.hit", hit)
        with pytest.raises(KilledError):
            replay(runtime, road_of())
    with pytest.raises(PinflowError):
        drain(runtime, "stream")  # nobody goes on beside it
    assert replay(runtime, road_of()).swapped
    drain(runtime)
    assert ages(runtime) == ALL
    assert audit(runtime, deep=True).ok


def test_a_table_that_is_mended_and_changed_again_is_mended_again(runtime: Runtime) -> None:
    fill(runtime)
    for ind in (20, 21):
        drop_a_column(url_of(runtime))
        post(runtime, topic("stream", "user"), rows({"ind": ind}))
        with pytest.raises(ChangedTableError):
            drain(runtime, "stream")
        assert replay(runtime, road_of()).swapped
        drop_a_column(url_of(runtime))  # right after the swap, before any step
        assert replay(runtime, road_of()).swapped
        drain(runtime)
    assert [ind for ind, _ in ages(runtime)] == [1, 2, 11, 12, 20, 21]
    assert audit(runtime, deep=True).ok


def test_a_table_that_another_program_has_deleted_is_missed_and_a_replay_makes_it_anew(
    runtime: Runtime,
) -> None:
    fill(runtime)
    shutil.rmtree(url_of(runtime))
    more(runtime)
    assert any(
        "steps that were committed to the table are missing" in problem for problem in audit(runtime).problems
    )
    with pytest.raises(CorruptError, match="has lost commits") as lost:
        drain(runtime, "stream")
    assert "pinflow replay run stream user" in lost.value.hint
    assert replay(runtime, road_of()).swapped
    drain(runtime)
    assert ages(runtime) == ALL
    assert audit(runtime, deep=True).ok
