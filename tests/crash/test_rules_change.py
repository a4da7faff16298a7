"""Rules that change between a worker and its successor, or between two workers: no record is lost or doubled."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec
import pytest

from pinflow.engine import RecordsInMemory
from pinflow.errors import FencedError
from pinflow.jobs.clean.clean import CleanJob, pipeline_reader
from pinflow.jobs.pipelines import Pipeline, side_pipelines
from pinflow.jobs.replay.quarantine import retry_quarantine
from pinflow.jobs.reports.audit import audit
from pinflow.lake.tables.delta_rs import DeltaRsTable
from pinflow.lake.tables.protocol import Change, Replace, Span
from pinflow.steps.plan import Tally
from pinflow.steps.standing import read_standing
from pinflow.steps.steps import Steps
from tests.pipeline import post, rows, topic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinflow.jobs.runtime import Runtime


class Killed(BaseException):
    """Stands for kill -9."""


def user_road(runtime: Runtime) -> Pipeline:
    return next(each for each in side_pipelines("stream", runtime.config.id) if each.dataset.name == "user")


def ruled_road(runtime: Runtime, *rejected: int) -> Pipeline:
    """The stream's pipeline by a rule that rejects some post numbers."""
    pipeline = user_road(runtime)
    numbers = ", ".join(f"'{number}'" for number in rejected)
    rule = f"SELECT *, CASE WHEN ind IN ({numbers}) THEN 'a rule' END AS _reason FROM parsed"
    return pipeline._replace(dataset=msgspec.structs.replace(pipeline.dataset, reject_sql=rule))


def job(runtime: Runtime, *rejected: int) -> CleanJob:
    """The job of that pipeline."""
    pipeline = ruled_road(runtime, *rejected)
    return CleanJob(pipeline, pipeline_reader(runtime, pipeline), runtime.tables, runtime.new_engine(1))


def held(runtime: Runtime) -> tuple[list[int], list[str]]:
    """The numbers in the clean table, and the texts in quarantine."""
    pipeline = user_road(runtime)
    table, quarantine = pipeline.tables_of(runtime.tables, pipeline.generation(runtime.store))
    return (
        sorted(row["ind"] for row in table.snapshot().select("SELECT ind FROM this")),
        sorted(row["raw"] for row in quarantine.snapshot().select("SELECT raw FROM this")),
    )


@contextmanager
def killed_after_writes(monkeypatch: pytest.MonkeyPatch, writes: int = 1) -> Iterator[None]:
    commit = DeltaRsTable.commit
    written: list[Change] = []

    def half(self: DeltaRsTable, job: str, step: int, change: Change) -> bool:
        if not isinstance(change, Replace):
            if len(written) == writes:
                raise Killed
            written.append(change)
        return commit(self, job, step, change)

    monkeypatch.setattr(DeltaRsTable, "commit", half)
    with pytest.raises(Killed):
        yield
    monkeypatch.undo()


def killed(*_: object) -> bool:
    raise Killed


def samples(runtime: Runtime) -> list[tuple[int, str]]:
    """The samples of cells that became NULL; there are as many as are counted."""
    pipeline = user_road(runtime)
    found = pipeline.open_nulled(runtime.tables).snapshot().select("SELECT ind, text FROM this")
    receipt = read_standing(runtime.store, pipeline.job, pipeline.open_table(runtime.tables)).receipt
    assert receipt is not None
    assert sum(receipt.totals.values(), Tally()).cells == {"age": len(found)}
    return sorted((row["ind"], row["text"]) for row in found)


@pytest.mark.parametrize("rejected", [11, 99])
def test_a_step_that_was_half_committed_by_other_rules_is_done_by_those_of_the_successor(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, rejected: int
) -> None:
    name = topic("stream", "user")
    post(runtime, name, rows({"ind": 1}, {"ind": 10}))
    first = Steps(runtime.store, job(runtime, 10))
    assert first.advance() is not None  # so that quarantine holds a row of a step before
    post(runtime, name, rows({"ind": 10}, {"ind": 11}))
    with killed_after_writes(monkeypatch):
        first.advance()
    assert Steps(runtime.store, job(runtime, rejected)).advance() is not None
    texts = ['{"ind": 10}', '{"ind": 11}'] if rejected == 11 else ['{"ind": 10}']
    assert held(runtime) == ([1, 10] if rejected == 11 else [1, 10, 11], texts)
    assert audit(runtime, deep=True).problems == []


@pytest.mark.parametrize("rejected", [10, 99])
def test_a_step_that_others_half_committed_between_is_done_by_the_rules_it_was_planned_by(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, rejected: int
) -> None:
    name = topic("stream", "user")
    post(runtime, name, rows({"ind": 1}, {"ind": 2}))
    first = Steps(runtime.store, job(runtime, rejected, 2))
    assert first.advance() is not None
    post(runtime, name, rows({"ind": 10}, {"ind": 11}, {"ind": 12}))
    with monkeypatch.context() as patch:
        patch.setattr(DeltaRsTable, "commit", killed)
        with pytest.raises(Killed):
            first.advance()
    with killed_after_writes(monkeypatch, 2):  # samples, then quarantine
        Steps(runtime.store, job(runtime, 11)).advance()
    assert Steps(runtime.store, job(runtime, rejected, 2)).advance() is not None
    texts = ['{"ind": 10}', '{"ind": 2}'] if rejected == 10 else ['{"ind": 2}']
    assert held(runtime) == ([1, 11, 12] if rejected == 10 else [1, 10, 11, 12], texts)
    assert audit(runtime, deep=True).problems == []


@pytest.mark.parametrize("rejected", [11, 99])
def test_samples_of_a_step_that_was_half_committed_by_other_rules_are_those_of_the_successor(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, rejected: int
) -> None:
    name = topic("stream", "user")
    post(runtime, name, rows({"ind": 1, "age": "a"}))
    first = Steps(runtime.store, job(runtime, 10))
    assert first.advance() is not None
    post(runtime, name, rows({"ind": 10, "age": "b"}, {"ind": 11, "age": "c"}))
    with killed_after_writes(monkeypatch):
        first.advance()
    assert Steps(runtime.store, job(runtime, rejected)).advance() is not None
    assert samples(runtime) == [(1, "a"), (10, "b"), (11, "c")][: 2 if rejected == 11 else 3]
    assert audit(runtime, deep=True).problems == []


def test_samples_of_a_move_that_was_half_committed_by_other_rules_are_those_of_the_successor(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = [
        {"ind": 1, "age": "a"},
        {"ind": 10, "age": "b"},
        {"ind": 2, "age": "z"},
        {"ind": 11, "age": "c"},
    ]
    post(runtime, topic("stream", "user"), rows(*values))
    assert Steps(runtime.store, job(runtime, 10, 11)).advance() is not None
    assert samples(runtime) == [(1, "a"), (2, "z")]
    with killed_after_writes(monkeypatch):
        retry_quarantine(runtime, ruled_road(runtime, 99))
    assert Steps(runtime.store, job(runtime, 11)).advance() is not None
    assert held(runtime) == ([1, 2, 10], ['{"ind": 11, "age": "c"}'])
    assert samples(runtime) == [(1, "a"), (2, "z"), (10, "b")]
    assert audit(runtime, deep=True).problems == []


def test_a_worker_by_other_rules_does_not_take_up_the_plan_of_one_that_runs(runtime: Runtime) -> None:
    name = topic("stream", "user")
    older, younger = (
        Steps(runtime.store, job(runtime, rejected), since=since) for rejected, since in ((10, 1), (11, 2))
    )
    post(runtime, name, rows({"ind": 1}))
    assert younger.advance() is not None
    assert older.advance() is None
    post(runtime, name, rows({"ind": 10}, {"ind": 11}))
    assert older.advance() is not None
    with pytest.raises(FencedError, match="has planned step 2"):
        younger.advance()
    assert audit(runtime, deep=True).problems == []


def test_an_audit_finds_a_record_that_has_a_row_and_is_in_quarantine(runtime: Runtime) -> None:
    name = topic("stream", "user")
    post(runtime, name, rows({"ind": 1}, {"ind": 10}))
    steps = job(runtime, 10)
    assert Steps(runtime.store, steps).advance() is not None
    pipeline = user_road(runtime)
    _, quarantine = pipeline.tables_of(runtime.tables, pipeline.generation(runtime.store))
    wrong = job(runtime, 1)
    chunks = pipeline_reader(runtime, pipeline)
    (piece,) = chunks.fetch_next({})
    cleaned = wrong._engine.clean(wrong._pipeline.dataset, RecordsInMemory(name, list(chunks.read([piece]))))
    quarantine.commit("test", 1, Replace([Span(piece.partition, 0, 1)], cleaned.rejects))
    problems = audit(runtime, deep=True).problems
    assert any("in quarantine too" in problem for problem in problems), problems
