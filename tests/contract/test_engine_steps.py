"""What the steps of a job come to on every engine: its rows in its own tables, each once, whoever takes the step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pinflow.config import load
from pinflow.engine import RecordsInMemory, View
from pinflow.jobs.clean.clean import CleanJob, pipeline_reader
from pinflow.jobs.pipelines import QUARANTINE, Pipeline, side_pipelines
from pinflow.jobs.runtime import Runtime
from pinflow.lake.tables.protocol import Append, Nothing, Remove, Replace, RowOffsets, Span
from pinflow.steps import Steps, Tally
from pinflow.steps.standing import read_standing
from tests.contract.engines import USER_ID, chunks_of, tables_of
from tests.pipeline import post, rows, topic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pinflow.engine import Engine
    from pinflow.lake import Snapshot, Table, Tables
    from pinflow.steps import Plan

USERS = next(each for each in side_pipelines("stream", USER_ID) if each.dataset.name == "user")


@pytest.fixture
def tables(engine_name: str, tmp_path: Path) -> Tables:
    return tables_of(engine_name, tmp_path)


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    """A log, and a lake beside that of `tables`."""
    with Runtime(load(tmp_path / "home", env={})) as runtime:
        yield runtime


def append(engine: Engine, offsets: list[int], partition: int = 0) -> Append:
    """Clean rows of users with these offsets; their posts' numbers are the same."""
    values = [rows({"ind": offset, "age": 30})[0] for offset in offsets]
    chunks = [
        chunk
        for offset, value in zip(offsets, values, strict=True)
        for chunk in chunks_of([value], partition=partition, first=offset)
    ]
    return Append(engine.clean(USERS.dataset, RecordsInMemory("users", chunks)).rows)


def offsets(engine: Engine, table: Table | Snapshot) -> list[tuple[object, ...]]:
    """Partition and offset of every row, as the engine reads them."""
    snapshot = table.snapshot() if hasattr(table, "snapshot") else table
    columns = {"_partition": "int", "_offset": "bigint"}
    session = engine.session([View("found", snapshot, columns)])
    try:
        return session.ask("SELECT _partition, _offset FROM found ORDER BY 1, 2", where="test").rows
    finally:
        session.close()


def test_a_step_is_committed_once_however_often_it_is_repeated(engine: Engine, tables: Tables) -> None:
    table, other = USERS.open_table(tables), USERS.open_table(tables)
    assert (table.exists(), table.version()) == (False, 0)
    assert table.commit("job", 1, append(engine, [1, 2]))
    assert not table.commit("job", 1, append(engine, [1, 2]))
    assert not other.commit("job", 1, append(engine, [1, 2]))
    assert other.commit("job", 2, append(engine, [3]))
    assert table.commit("another", 1, append(engine, [4], partition=1))
    assert (table.step_of("job"), table.step_of("another"), table.step_of("nobody")) == (2, 1, 0)
    assert offsets(engine, table) == [(0, 1), (0, 2), (0, 3), (1, 4)]
    assert table.snapshot().num_rows() == 4


def test_rows_are_removed_and_replaced_by_their_records(engine: Engine, tables: Tables) -> None:
    table = USERS.open_table(tables)
    table.commit("job", 1, append(engine, [1, 2, 3, 4]))
    table.commit("job", 2, append(engine, [10], partition=1))
    assert table.commit("removal", 1, Remove([RowOffsets(0, [1, 3, 77])]))
    assert not table.commit("removal", 1, Remove([RowOffsets(0, [2])]))
    assert offsets(engine, table) == [(0, 2), (0, 4), (1, 10)]
    for _ in range(2):  # it is done again by who comes after a kill
        assert table.commit("job", 2, Replace([Span(0, 2, 4)], append(engine, [2, 3]).rows))
    assert offsets(engine, table) == [(0, 2), (0, 3), (1, 10)]
    assert table.commit("job", 3, Nothing())
    assert (table.step_of("job"), table.step_of("removal")) == (3, 1)


def test_a_snapshot_does_not_move_and_can_be_of_a_step_before(engine: Engine, tables: Tables) -> None:
    table = USERS.open_table(tables)
    assert not table.snapshot().exists()
    for step in (1, 2, 3):
        table.commit("job", step, append(engine, [step]))
    now, before = table.snapshot(), table.snapshot("job", at_most=1)
    table.commit("job", 4, append(engine, [4]))
    assert offsets(engine, now) == [(0, 1), (0, 2), (0, 3)]
    assert offsets(engine, before) == [(0, 1)]
    assert (now.step_of("job"), before.step_of("job"), table.step_of("job")) == (3, 1, 4)


def job(runtime: Runtime, tables: Tables, engine: Engine, pipeline: Pipeline = USERS) -> CleanJob:
    return CleanJob(pipeline, pipeline_reader(runtime, pipeline), tables, engine)


def test_a_step_that_is_performed_twice_has_the_receipt_and_the_rows_of_one(
    runtime: Runtime, tables: Tables, engine: Engine
) -> None:
    name = topic("stream", "user")
    post(runtime, name, [*rows({"ind": 1, "age": "x"}, {"ind": 2, "age": 20}), b"broken"])
    first = Steps(tables.store, job(runtime, tables, engine))
    plan = plan_next(runtime, tables, engine, first)
    second = Steps(
        tables.store, job(runtime, tables, engine)
    )  # as after a kill of the first, before or after 4
    assert second.pending() == plan
    second.perform(plan)
    table, quarantine = USERS.tables_of(tables, USERS.generation(tables.store))
    found = read_standing(tables.store, USERS.job, table)
    assert found.step == 1
    assert found.pending is None
    assert found.total == Tally(3, 2, 1, {"age": 1}, found.total.latest)
    assert (table.snapshot().num_rows(), quarantine.snapshot().num_rows()) == (2, 1)
    assert USERS.open_nulled(tables).snapshot().num_rows() == 1
    assert Steps(tables.store, job(runtime, tables, engine)).advance() is None
    (reason,) = quarantined(engine, quarantine)
    assert "not JSON" in str(reason[0])


def plan_next(runtime: Runtime, tables: Tables, engine: Engine, steps: Steps) -> Plan:
    assert steps.pending() is None
    return steps.plan(job(runtime, tables, engine).fetch_next(steps.standing().positions))


def quarantined(engine: Engine, table: Table) -> list[tuple[object, ...]]:
    session = engine.session([View("rejects", table.snapshot(), QUARANTINE)])
    try:
        return session.ask("SELECT reason FROM rejects", where="test").rows
    finally:
        session.close()
