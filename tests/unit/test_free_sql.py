"""`query --sql`: reads the views, and nothing else, within bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.pipeline import ID, drain, post, rows, select, topic

from pinflow.ask.ask import ask, run_sql
from pinflow.config import Query
from pinflow.errors import AbsentError, LimitError, UsageError
from pinflow.jobs.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pinflow.config import Settings


@pytest.fixture
def runtime(settings: Settings) -> Iterator[Runtime]:
    config = msgspec.structs.replace(
        settings.config, query=Query(memory_mb=64, timeout_seconds=5, max_rows=1000)
    )
    with Runtime(msgspec.structs.replace(settings, config=config)) as runtime:
        post(
            runtime, topic("batch", "user"), rows({"ind": 1, "age": 20, "date_joined": "2016-01-01 00:00:00"})
        )
        drain(runtime)
        yield runtime


def test_views_are_read_by_their_names_in_any_case(runtime: Runtime) -> None:
    assert select(runtime, "WITH x AS (FROM USER) SELECT age FROM x") == [(20,)]
    assert select(runtime, f'SELECT count(*) FROM "{ID}_geo_table"') == [(0,)]
    assert select(runtime, "SELECT count(*) FROM user_quarantine") == [(0,)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('{path}')",
        "SELECT * FROM '{path}'",
        "SELECT * FROM read_csv('{path}')",
        "SELECT * FROM read_parquet('{lake}/tables/user/*.parquet')",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM read_csv('http://127.0.0.1:9/x')",
        "SELECT * FROM sqlite_scan('{log}', 'batch')",
        "SELECT getenv('HOME')",
        "COPY (SELECT 1) TO '{path}.out'",
        "ATTACH '{path}.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET memory_limit = '99GB'",
        "CREATE TABLE t AS SELECT 1",
        "DROP TABLE user",
        "DELETE FROM user",
        "PRAGMA database_list",
        "SELECT 1; SELECT 2",
        "",
        "selec",
    ],
)
def test_nothing_else_can_be_reached(runtime: Runtime, settings: Settings, tmp_path: Path, sql: str) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a,b\n1,2\n")
    text = sql.format(path=secret, lake=settings.home / "lake", log=settings.home / "log.db")
    with pytest.raises(UsageError):
        run_sql(runtime, text)
    assert {path.name for path in tmp_path.iterdir()} == {"home", "secret.csv"}


@pytest.mark.parametrize(
    ("sql", "hint"), [("SELECT getenv('HOME')", "functions"), ("SELECT * FROM nowhere", "the tables are")]
)
def test_what_is_not_there_is_told_with_what_is(runtime: Runtime, sql: str, hint: str) -> None:
    with pytest.raises(UsageError) as refused:
        run_sql(runtime, sql)
    assert hint in refused.value.hint


def test_python_variables_are_no_tables(runtime: Runtime) -> None:
    settings = {"a": [1]}
    with pytest.raises(UsageError, match="settings"):
        run_sql(runtime, "SELECT * FROM settings")
    assert settings


def test_a_query_without_end_is_stopped(settings: Settings) -> None:
    config = msgspec.structs.replace(settings.config, query=Query(timeout_seconds=0.2))
    with Runtime(msgspec.structs.replace(settings, config=config)) as runtime:
        post(runtime, topic("batch", "user"), rows({"ind": 1}))
        drain(runtime)
        with pytest.raises(LimitError, match=r"stopped after 0\.2 s"):
            run_sql(runtime, "SELECT count(*) FROM range(100000000000) a, range(100000) b")


def test_an_answer_larger_than_the_bound_is_refused(runtime: Runtime) -> None:
    with pytest.raises(UsageError, match="more than 1,000 rows"):
        run_sql(runtime, "SELECT * FROM range(1001)")
    assert len(select(runtime, "SELECT * FROM range(1000)")) == 1000


def test_memory_is_bounded_and_the_rest_is_spilled_or_refused(runtime: Runtime) -> None:
    assert select(
        runtime, "SELECT count(*) FROM (SELECT DISTINCT i, repeat('x', 100) || i FROM range(1000000) t(i))"
    ) == [(1_000_000,)]
    with pytest.raises(LimitError, match="64 MiB"):
        run_sql(runtime, "SELECT length(string_agg(repeat('x', 1000) || i)) FROM range(1000000) t(i)")


def test_zoned_timestamps_and_odd_names_come_out(runtime: Runtime) -> None:
    ((moment, one),) = select(
        runtime, """SELECT CAST('2020-01-01 00:00:00+02' AS TIMESTAMPTZ) AS "a""b", 1"""
    )
    assert (str(moment), one) == ("2019-12-31 22:00:00", 1)


def test_rows_keep_the_order_that_was_asked_for(runtime: Runtime) -> None:
    found = select(runtime, "SELECT i FROM range(1000) t(i) ORDER BY i DESC")
    assert found == [(n,) for n in range(999, -1, -1)]


def test_without_tables_it_says_how_to_begin(settings: Settings) -> None:
    with Runtime(settings) as runtime, pytest.raises(AbsentError, match="no tables yet"):
        ask(runtime, "batch")
