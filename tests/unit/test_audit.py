"""audit: silent when all adds up, loud about each thing that does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.pipeline import drain, post, rows, topic

from pinflow.errors import AbsentError
from pinflow.jobs.pipelines import side_pipelines
from pinflow.jobs.reports.audit import audit
from pinflow.jobs.reports.status import status
from pinflow.jobs.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinflow.config import Settings


@pytest.fixture
def runtime(settings: Settings) -> Iterator[Runtime]:
    with Runtime(settings) as runtime:
        for side in ("batch", "stream"):
            post(runtime, topic(side, "user"), [*rows({"ind": 1}, {"ind": 2}, {"ind": 1}), b"broken"])
        yield runtime


def test_before_any_job_everything_waits(runtime: Runtime) -> None:
    found = audit(runtime)
    assert found.ok
    assert [(line.accepted, line.landed, line.waiting) for line in found.lines] == [(4, 0, 4), (0, 0, 0)] * 2


@pytest.mark.parametrize("deep", [False, True])
def test_after_all_jobs_everything_adds_up(runtime: Runtime, deep: bool) -> None:
    drain(runtime)
    found = audit(runtime, deep=deep)
    assert found.ok
    line = found.lines[0]
    assert (line.accepted, line.landed, line.quarantined, line.waiting) == (4, 4, 1, 0)
    assert (line.cleaned, line.superseded) == ((2, 1) if deep else (3, None))


def test_it_adds_up_half_way(runtime: Runtime) -> None:
    drain(runtime, "stream")
    post(runtime, topic("stream", "user"), rows({"ind": 9}))
    found = audit(runtime, deep=True)
    assert found.ok
    line = next(line for line in found.lines if line.table and line.table.endswith("user_table"))
    assert (line.accepted, line.cleaned, line.superseded, line.quarantined, line.waiting) == (5, 2, 1, 1, 1)


def test_rows_that_were_doubled_are_found(runtime: Runtime, settings: Settings) -> None:
    drain(runtime)
    pipeline = side_pipelines("batch", settings.config.id)[2]
    from deltalake import DeltaTable, QueryBuilder, write_deltalake

    url = pipeline.open_table(runtime.tables).url
    copy = QueryBuilder().register("t", DeltaTable(url)).execute("SELECT * FROM t WHERE ind = 2").read_all()
    write_deltalake(url, copy, mode="append")
    shallow = audit(runtime)
    assert [problem for problem in shallow.problems if "holds 4 rows" in problem and "say 3" in problem]
    deep = audit(runtime, deep=True)
    assert [problem for problem in deep.problems if "1 records occur twice" in problem]
    assert not deep.ok


def test_rows_that_were_lost_are_found(runtime: Runtime, settings: Settings) -> None:
    drain(runtime)
    from deltalake import DeltaTable

    DeltaTable(side_pipelines("stream", settings.config.id)[2].open_table(runtime.tables).url).delete(
        "ind = 2"
    )
    assert not audit(runtime).ok
    deep = audit(runtime, deep=True)
    assert any(line.difference == 1 for line in deep.lines)


def test_a_landed_object_that_is_gone_or_changed_is_named(runtime: Runtime, settings: Settings) -> None:
    drain(runtime)
    first, second = sorted((settings.home / "lake" / "topics").glob("**/*.json"))
    first.write_bytes(b"x" + first.read_bytes()[1:])
    second.unlink()
    found = audit(runtime, deep=True)
    assert any(first.name in problem and "checksum" in problem for problem in found.problems)
    assert any(second.name in problem and "gone" in problem for problem in found.problems)


def test_a_topic_of_no_road_is_listed_as_landed_only(runtime: Runtime) -> None:
    post(runtime, "other", [b"x"])
    drain(runtime)
    line = next(line for line in audit(runtime).lines if line.topic == "other")
    assert (line.table, line.accepted, line.landed) == (None, 1, 1)


def test_status_tells_both_lags(runtime: Runtime) -> None:
    drain(runtime, "land")
    found = {each.topic: each for each in status(runtime)}
    each = found[topic("batch", "user")]
    assert (each.accepted, each.landed, each.rows, each.to_land, each.to_clean) == (4, 4, 0, 0, 4)


def test_without_a_log_it_says_how_to_begin(settings: Settings) -> None:
    with Runtime(settings, read_only=True) as nothing, pytest.raises(AbsentError, match="no log yet"):
        audit(nothing)
    assert not settings.home.exists()
