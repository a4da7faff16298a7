"""A record at whose value a rule fails goes to quarantine; everything else is cleaned."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import duckdb
import msgspec
import pytest
from tests.pipeline import ID, drain, post, rows, select, table, topic

from pinflow.config import Batch, Settings, Stream
from pinflow.engine import RecordsInMemory
from pinflow.engine.duckdb.dialect import to_duckdb
from pinflow.engine.duckdb.engine import DuckDBEngine
from pinflow.errors import PinflowError, RecordError, TerminalError, UnavailableError
from pinflow.jobs.clean.clean import CleanJob, pipeline_reader
from pinflow.jobs.clean.isolating import FEW_FAILING, clean_isolating
from pinflow.jobs.clean.moving import QuarantineReader
from pinflow.jobs.pipelines import Pipeline, Side, side_pipelines
from pinflow.jobs.replay.quarantine import retry_quarantine
from pinflow.jobs.replay.replay import replay
from pinflow.jobs.reports.audit import audit
from pinflow.jobs.reports.status import status
from pinflow.jobs.runtime import Runtime
from pinflow.log import Chunk, Records
from pinflow.steps.worker import run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pinflow.datasets import Dataset
    from pinflow.engine import Cleaned, Input, RecordId
    from pinflow.engine.duckdb.dialect import Columns

POISON = "İ"
"""Its lower case is two characters in one engine and one in the other, so that `lower` refuses it."""


@pytest.fixture(autouse=True)
def rules_that_may_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the net is for what the dialect layer does not foresee, the layer is made to foresee nothing."""

    def translate(sql: str, *, where: str, columns: Columns, total: bool) -> str:
        return to_duckdb(sql, where=where, columns=columns)

    monkeypatch.setattr("pinflow.engine.duckdb.engine.to_duckdb", translate)


def road_of(side: Side, *, failing: bool = True) -> Pipeline:
    """The pipeline of user, by a rule that fails at a first name with the character."""
    (pipeline,) = (pipeline for pipeline in side_pipelines(side, ID) if pipeline.dataset.name == "user")
    if not failing:
        return pipeline
    sql = pipeline.dataset.clean_sql
    assert "first_name" in sql
    return pipeline._replace(
        dataset=msgspec.structs.replace(
            pipeline.dataset, clean_sql=sql.replace("first_name", "lower(first_name)")
        )
    )


def clean(runtime: Runtime, pipeline: Pipeline, engine: Any = None) -> int:
    job = CleanJob(pipeline, pipeline_reader(runtime, pipeline), runtime.tables, engine or runtime.engine)
    return run(
        runtime.store, lambda: [job], stop=threading.Event(), poll_seconds=0, drain=True, retry_seconds=0.5
    )


def users(count: int, *bad: int) -> list[bytes | None]:
    return rows(
        *({"ind": ind, "first_name": POISON if ind in bad else "ada", "age": 3} for ind in range(count))
    )


def quarantine(runtime: Runtime, side: Side) -> list[tuple[Any, ...]]:
    """Partition, offset, text and reason of every reject."""
    quarantined = road_of(side).open_quarantine(runtime.tables).snapshot()
    found = quarantined.select(
        "SELECT _partition, _offset, raw, reason FROM this ORDER BY _partition, _offset"
    )
    return [tuple(row.values()) for row in found]


@pytest.mark.parametrize("bad", [(0,), (6,), (2, 3), (0, 3, 6)])
def test_each_record_at_which_a_rule_fails_is_quarantined_with_the_engines_message(
    runtime: Runtime, side: Side, bad: tuple[int, ...]
) -> None:
    name = topic(side, "user")
    post(runtime, name, users(7, *bad))
    post(runtime, name, users(4), partition=1)
    drain(runtime, "land")
    assert clean(runtime, road_of(side)) == 11
    found = quarantine(runtime, side)
    assert [(partition, offset) for partition, offset, *_ in found] == [(0, offset) for offset in bad]
    assert all(json.loads(raw)["first_name"] == POISON and "lower" in reason for *_, raw, reason in found)
    assert len(select(runtime, f'SELECT ind FROM "{table(side, "user")}"')) == 7 - len(
        [b for b in bad if b > 3]
    )
    (mine,) = (each for each in status(runtime) if each.topic == name)
    assert (mine.rows, mine.quarantined, mine.to_clean, mine.failing) == (11 - len(bad), len(bad), 0, [])
    assert audit(runtime, deep=True).ok


def test_what_other_rules_reject_stays_rejected_for_its_own_reason(runtime: Runtime, side: Side) -> None:
    post(runtime, topic(side, "user"), [b"no json", *users(3, 1), None, b'{"first_name": "x"}'])
    drain(runtime, "land")
    clean(runtime, road_of(side))
    reasons = [reason for *_, reason in quarantine(runtime, side)]
    assert len(reasons) == 4
    assert [reason.startswith("a rule fails at it") for reason in reasons] == [False, True, False, False]
    assert audit(runtime, deep=True).ok


def test_a_rule_that_fails_while_it_rejects_is_caught_too(runtime: Runtime, side: Side) -> None:
    post(runtime, topic(side, "user"), users(5, 2))
    drain(runtime, "land")
    pipeline = road_of(side, failing=False)
    sql = f"SELECT * FROM ({pipeline.dataset.reject_sql}) AS judged WHERE lower(first_name) <> 'nobody'"
    clean(runtime, pipeline._replace(dataset=msgspec.structs.replace(pipeline.dataset, reject_sql=sql)))
    assert [offset for _, offset, *_ in quarantine(runtime, side)] == [2]
    assert audit(runtime, deep=True).ok


def test_a_rule_that_fails_at_most_records_is_the_rules_fault_and_nothing_is_quarantined(
    runtime: Runtime, side: Side
) -> None:
    name = topic(side, "user")
    count = 3 * FEW_FAILING
    post(runtime, name, users(count, *range(count)))
    drain(runtime, "land")
    with pytest.raises(RecordError, match=f"the rules fail at {count // 2 + 1} records of a step, or more"):
        clean(runtime, road_of(side))
    assert not road_of(side).open_quarantine(runtime.tables).exists()
    assert clean(runtime, road_of(side, failing=False)) == count  # mended: the step is taken up
    assert audit(runtime, deep=True).ok


def test_the_work_is_bounded_by_the_halvings_of_each_failing_record(runtime: Runtime) -> None:
    engine = Counting(runtime)
    pipeline = road_of("stream")
    chunks = [Chunk("t", 0, "0", "4096", [*range(4096)], [0] * 4096, Records(users(4096, 17, 4000)))]
    cleaned = clean_isolating(engine, pipeline.dataset, RecordsInMemory("t", chunks))
    assert (cleaned.outcomes[0].rows, cleaned.outcomes[0].rejected) == (4094, 2)
    assert engine.calls <= 2 + 2 * 2 * 12 + 1


class Counting(DuckDBEngine):
    """Counts how often it cleans, and may fail in a way of its own."""

    def __init__(self, runtime: Runtime, error: Exception | None = None) -> None:
        super().__init__(runtime.config, runtime.settings.home / "scratch")
        self.calls = 0
        self._error = error

    def clean(
        self,
        dataset: Dataset,
        records: Input,
        refused: Mapping[RecordId, str] | None = None,
    ) -> Cleaned:
        self.calls += 1
        if self._error is not None:
            raise self._error
        return super().clean(dataset, records, refused)


@pytest.mark.parametrize(
    "error",
    [UnavailableError("the disk is full"), TerminalError("out of memory"), duckdb.BinderException("a bug")],
)
def test_an_error_that_no_record_causes_is_not_searched_for_in_the_records(
    runtime: Runtime, error: Exception
) -> None:
    post(runtime, topic("stream", "user"), users(100))
    engine = Counting(runtime, error)
    job = CleanJob(road_of("stream"), pipeline_reader(runtime, road_of("stream")), runtime.tables, engine)
    with pytest.raises(type(error)):
        run(runtime.store, lambda: [job], stop=threading.Event(), poll_seconds=0, drain=True, retry_seconds=0)
    assert engine.calls == 1
    assert not job._quarantine.exists()


def test_an_error_that_records_cause_only_together_is_raised_as_it_is(runtime: Runtime) -> None:
    class Together(Counting):
        def clean(self, dataset: Any, records: Input, refused: Any = None) -> Cleaned:
            if sum(map(len, records.chunks())) > 1:
                raise RecordError("too many groups")
            return super().clean(dataset, records, refused)

    chunks = [Chunk("t", 0, "0", "8", [*range(8)], [0] * 8, Records(users(8)))]
    with pytest.raises(RecordError, match="too many groups"):
        clean_isolating(Together(runtime), road_of("stream").dataset, RecordsInMemory("t", chunks))


def test_an_engine_that_fails_within_itself_is_opened_anew(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Counting(runtime)
    broken = [duckdb.InternalException("INTERNAL Error: assertion")]
    real = engine._connect

    def connected() -> Any:
        if broken:
            raise broken.pop()
        return real()

    monkeypatch.setattr(engine, "_connect", connected)
    chunks = [Chunk("t", 0, "0", "8", [*range(8)], [0] * 8, Records(users(8)))]
    with pytest.raises(RecordError, match="INTERNAL"):
        engine.clean(road_of("stream").dataset, RecordsInMemory("t", chunks))
    assert (
        engine.clean(road_of("stream", failing=False).dataset, RecordsInMemory("t", chunks)).outcomes[0].rows
        == 8
    )


def test_a_step_over_several_landing_objects_and_partitions_is_searched_whole(settings: Settings) -> None:
    config = msgspec.structs.replace(
        settings.config, batch=Batch(max_records=10_000), stream=Stream(max_records=10_000)
    )
    with Runtime(msgspec.structs.replace(settings, config=config)) as runtime:
        name = topic("batch", "user")
        for first in range(4):
            post(runtime, name, users(5, first), partition=first % 2)
            drain(runtime, "land")
        clean(runtime, road_of("batch"))
        assert [(a, b) for a, b, *_ in quarantine(runtime, "batch")] == [(0, 0), (0, 7), (1, 1), (1, 8)]
        assert audit(runtime, deep=True).ok


def test_a_replay_sets_them_apart_as_the_job_does(runtime: Runtime, side: Side) -> None:
    post(runtime, topic(side, "user"), users(6, 4))
    drain(runtime, "land")
    clean(runtime, road_of(side, failing=False))
    assert quarantine(runtime, side) == []
    done = replay(runtime, road_of(side))
    assert (done.difference.before, done.difference.after) == (6, 5)
    assert [offset for _, offset, *_ in quarantine(runtime, side)] == [4]
    assert audit(runtime, deep=True).ok


def test_out_of_quarantine_moves_what_a_mended_rule_takes_and_one_that_fails_again_stays(
    runtime: Runtime, side: Side
) -> None:
    post(runtime, topic(side, "user"), users(6, 1, 4))
    drain(runtime, "land")
    clean(runtime, road_of(side))
    again = retry_quarantine(runtime, road_of(side))
    assert (again.tried, again.moved) == (2, 0)
    done = retry_quarantine(runtime, road_of(side, failing=False))
    assert (done.tried, done.moved) == (2, 2)
    assert len(select(runtime, f'SELECT user_name FROM "{table(side, "user")}"')) == 6
    assert audit(runtime, deep=True).ok


def test_a_move_that_was_planned_under_other_rules_leaves_what_fails_in_quarantine(
    runtime: Runtime, side: Side
) -> None:
    post(runtime, topic(side, "user"), [*users(3, 0), b'{"ind": "x"}'])
    drain(runtime, "land")
    clean(runtime, road_of(side))
    pipeline = road_of(side, failing=False)
    clean_table, rejects = pipeline.tables_of(runtime.tables, pipeline.generation(runtime.store))
    reader = QuarantineReader(pipeline, rejects, runtime.engine, pipeline_reader(runtime, pipeline))
    job = CleanJob(pipeline, reader, runtime.tables, runtime.engine)
    from pinflow.steps import Steps

    class KilledError(Exception):
        pass

    def killed(*_: object) -> Any:
        raise KilledError

    job.prepare = killed  # type: ignore[method-assign, assignment]
    with pytest.raises(KilledError):
        Steps(runtime.store, job).advance()
    assert clean_table.step_of(pipeline.job) == 1  # planned, not done
    clean(runtime, road_of(side))  # a worker whose rule still fails takes the plan up
    assert [offset for _, offset, *_ in quarantine(runtime, side)] == [0, 3]
    assert audit(runtime, deep=True).ok


@pytest.mark.parametrize("point", ["planned", "prepared", "receipted", "half-committed"])
def test_killed_anywhere_the_step_comes_to_the_same(
    runtime: Runtime, side: Side, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`tests/crash` kills the process; here the step is broken off by an exception at the same places."""

    class KilledError(PinflowError):
        pass

    def hit(_kind: str, where: str) -> None:
        if where == point:
            raise KilledError("killed")

    post(runtime, topic(side, "user"), users(7, 2, 5))
    drain(runtime, "land")
    with monkeypatch.context() as patched:
        patched.setattr("pinflow.steps.steps.hit", hit)
        with pytest.raises(KilledError):
            clean(runtime, road_of(side))
    clean(runtime, road_of(side))
    assert [offset for _, offset, *_ in quarantine(runtime, side)] == [2, 5]
    assert len(select(runtime, f'SELECT ind FROM "{table(side, "user")}"')) == 5
    assert audit(runtime, deep=True).ok
