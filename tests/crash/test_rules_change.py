"""Rules that change between a worker and its successor, or between two workers: no record is lost or doubled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from pinflow.config import load
from pinflow.errors import FencedError
from pinflow.jobs.audit import audit
from pinflow.jobs.clean import CleanJob, road_reader
from pinflow.jobs.parts import Parts
from pinflow.jobs.sides import Road, side_roads
from pinflow.lake import plans
from pinflow.lake.commits import Span
from pinflow.lake.plans import Steps
from tests.road import post, rows, topic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    with Parts(load(tmp_path / "home", env={})) as parts:
        yield parts


class Killed(BaseException):
    """Stands for kill -9."""


def user_road(parts: Parts) -> Road:
    return next(each for each in side_roads("stream", parts.config.id) if each.dataset.name == "user")


def job(parts: Parts, rejected: int) -> CleanJob:
    """The stream's job by a rule that rejects one post number."""
    road = user_road(parts)
    rule = f"SELECT *, CASE WHEN ind = '{rejected}' THEN 'a rule' END AS _reason FROM parsed"
    road = road._replace(dataset=msgspec.structs.replace(road.dataset, reject_sql=rule))
    return CleanJob(road, road_reader(parts, road), parts.store, parts.new_engine(1))


def held(parts: Parts) -> tuple[list[int], list[str]]:
    """The numbers in the clean table, and the texts in quarantine."""
    road = user_road(parts)
    table, quarantine = road.tables_of(parts.store, road.generation(parts.store))
    return (
        sorted(row["ind"] for row in table.select("SELECT ind FROM this")),
        sorted(row["raw"] for row in quarantine.select("SELECT raw FROM this")),
    )


@pytest.mark.parametrize("rejected", [11, 99])
def test_a_step_that_was_half_committed_by_other_rules_is_done_by_those_of_the_successor(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, rejected: int
) -> None:
    name = topic("stream", "user")
    post(parts, name, rows({"ind": 1}, {"ind": 10}))
    first = Steps(parts.store, job(parts, 10))
    assert first.advance() is not None  # so that quarantine holds a row of a step before
    post(parts, name, rows({"ind": 10}, {"ind": 11}))
    write = plans._write
    written: list[object] = []

    def half(*args: object) -> bool:
        if written:
            raise Killed
        written.append(args)
        return write(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(plans, "_write", half)
    with pytest.raises(Killed):
        first.advance()
    monkeypatch.undo()
    assert Steps(parts.store, job(parts, rejected)).advance() is not None
    texts = ['{"ind": 10}', '{"ind": 11}'] if rejected == 11 else ['{"ind": 10}']
    assert held(parts) == ([1, 10] if rejected == 11 else [1, 10, 11], texts)
    assert audit(parts, deep=True).problems == []


def test_a_worker_by_other_rules_does_not_take_up_the_plan_of_one_that_runs(parts: Parts) -> None:
    name = topic("stream", "user")
    older, younger = (
        Steps(parts.store, job(parts, rejected), since=since) for rejected, since in ((10, 1), (11, 2))
    )
    post(parts, name, rows({"ind": 1}))
    assert younger.advance() is not None
    assert older.advance() is None
    post(parts, name, rows({"ind": 10}, {"ind": 11}))
    assert older.advance() is not None
    with pytest.raises(FencedError, match="has planned step 2"):
        younger.advance()
    assert audit(parts, deep=True).problems == []


def test_an_audit_finds_a_record_that_has_a_row_and_is_in_quarantine(parts: Parts) -> None:
    name = topic("stream", "user")
    post(parts, name, rows({"ind": 1}, {"ind": 10}))
    steps = job(parts, 10)
    assert Steps(parts.store, steps).advance() is not None
    road = user_road(parts)
    _, quarantine = road.tables_of(parts.store, road.generation(parts.store))
    wrong = job(parts, 1)
    chunks = road_reader(parts, road)
    (piece,) = chunks.survey({})
    cleaned = wrong._engine.clean(wrong._road.dataset, name, chunks.read([piece]))
    quarantine.replace([Span(piece.partition, 0, 1)], cleaned.rejects)
    problems = audit(parts, deep=True).problems
    assert any("in quarantine too" in problem for problem in problems), problems
