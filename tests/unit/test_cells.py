"""Cells that had a text and became NULL by a rule: counted in receipts, status and audit, and kept as samples."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
from deltalake import DeltaTable, QueryBuilder, write_deltalake
from tests.pipeline import drain, post, rows, select, table, topic

from pinflow.config import Maintain
from pinflow.datasets import LINEAGE
from pinflow.engine import LONGEST_SAMPLE, MOST_SAMPLES
from pinflow.jobs.clean.clean import CleanJob, pipeline_reader
from pinflow.jobs.maintain.maintain import maintain
from pinflow.jobs.pipelines import Pipeline, side_pipelines
from pinflow.jobs.replay.quarantine import retry_quarantine
from pinflow.jobs.replay.replay import replay
from pinflow.jobs.reports.audit import audit
from pinflow.jobs.reports.status import status
from pinflow.jobs.runtime import Runtime
from pinflow.steps import Steps
from pinflow.steps.standing import read_standing

if TYPE_CHECKING:
    from pathlib import Path

    from pinflow.config import Settings
    from pinflow.jobs.pipelines import Side


def road_of(runtime: Runtime, side: Side, name: str = "user") -> Pipeline:
    return next(each for each in side_pipelines(side, runtime.config.id) if each.dataset.name == name)


def counted(runtime: Runtime, side: Side, name: str = "user") -> dict[str, int]:
    """The cells that status counts; audit counts the same, and finds nothing wrong."""
    (found,) = [each.nulled for each in status(runtime) if each.topic == topic(side, name)]
    for deep in (False, True):
        audited = audit(runtime, deep=deep)
        assert audited.problems == []
        summed: dict[str, int] = {}
        for line in audited.lines:
            for field, count in line.nulled.items() if line.topic == topic(side, name) else ():
                summed[field] = summed.get(field, 0) + count
        assert summed == found
    return found


def samples(runtime: Runtime, side: Side, name: str = "user") -> list[tuple[object, ...]]:
    sql = f'SELECT ind, field, text FROM "{table(side, name)}_nulled" ORDER BY ALL'
    return select(runtime, sql)


def test_every_field_whose_text_became_null_is_counted_with_its_text(runtime: Runtime, side: Side) -> None:
    pins = rows(
        {"index": 1, "follower_count": "many", "save_location": "Local save in  ", "title": "x"},
        {"index": 2, "follower_count": "12k", "save_location": "Local save in /data/art"},
        {"index": 3, "follower_count": -5, "category": ""},
    )
    geos = rows({"ind": 1, "latitude": "north", "longitude": True, "timestamp": "yesterday", "country": ""})
    post(runtime, topic(side, "pin"), pins)
    post(runtime, topic(side, "geo"), geos, partition=1)
    post(
        runtime, topic(side, "user"), rows({"ind": 1, "age": {"a": 1}, "date_joined": " ", "first_name": " "})
    )
    drain(runtime)
    assert counted(runtime, side, "pin") == {"follower_count": 2, "save_location": 1}
    assert samples(runtime, side, "pin") == [
        (1, "follower_count", "many"),
        (1, "save_location", "Local save in  "),
        (3, "follower_count", "-5"),
    ]
    assert counted(runtime, side, "geo") == {"latitude": 1, "longitude": 1, "timestamp": 1}
    assert samples(runtime, side, "geo") == [
        (1, "latitude", "north"),
        (1, "longitude", "true"),
        (1, "timestamp", "yesterday"),
    ]
    assert counted(runtime, side) == {"age": 1, "date_joined": 1}
    assert samples(runtime, side) == [(1, "age", '{"a": 1}'), (1, "date_joined", " ")]
    where = f'SELECT DISTINCT _topic, _partition, _offset FROM "{table(side, "geo")}_nulled"'
    assert select(runtime, where) == [(topic(side, "geo"), 1, 0)]


def test_what_was_empty_a_placeholder_null_or_absent_is_not_counted(runtime: Runtime, side: Side) -> None:
    nothing = {
        "title": "No Title Data Available",
        "description": "No description available",
        "category": None,
    }
    nothing |= {"follower_count": "User Info Error", "poster_name": "User Info Error", "save_location": ""}
    post(runtime, topic(side, "pin"), rows({"index": 1} | nothing))
    post(runtime, topic(side, "geo"), rows({"ind": 1, "latitude": "", "longitude": None}))
    post(runtime, topic(side, "user"), [*rows({"ind": 1, "age": ""}, {"age": "x"}), b"x"])
    drain(runtime)
    for name in ("pin", "geo", "user"):
        assert counted(runtime, side, name) == {}
        assert not road_of(runtime, side, name).open_nulled(runtime.tables).exists()
        assert samples(runtime, side, name) == []


def test_clean_rows_are_stored_with_the_columns_that_they_always_had(runtime: Runtime, side: Side) -> None:
    post(runtime, topic(side, "user"), rows({"ind": 1, "age": "x"}))
    drain(runtime)
    pipeline = road_of(runtime, side)
    stored = [field.name for field in DeltaTable(pipeline.open_table(runtime.tables).url).schema().fields]
    assert stored == list(pipeline.dataset.clean | LINEAGE)


def test_a_step_keeps_some_samples_of_a_field_and_counts_all(runtime: Runtime, side: Side) -> None:
    many = MOST_SAMPLES + 50
    values = rows(*({"ind": n, "age": "x" * 2 * LONGEST_SAMPLE} for n in range(many)))
    post(runtime, topic(side, "user"), values)
    drain(runtime)
    assert counted(runtime, side) == {"age": many}
    kept = [(n, "age", "x" * LONGEST_SAMPLE) for n in range(MOST_SAMPLES)]
    assert samples(runtime, side) == kept
    post(runtime, topic(side, "user"), rows({"ind": 999, "age": "y"}))
    drain(runtime)
    assert counted(runtime, side) == {"age": many + 1}
    assert samples(runtime, side) == [*kept, (999, "age", "y")]


def test_cells_of_rows_that_are_superseded_or_removed_stay_counted(runtime: Runtime, side: Side) -> None:
    for age in ("x", "y", 20):
        post(runtime, topic(side, "user"), rows({"ind": 1, "age": age}))
        drain(runtime)
    for _ in range(2):
        assert counted(runtime, side) == {"age": 2}
        assert samples(runtime, side) == [(1, "age", "x"), (1, "age", "y")]
        assert maintain(runtime).problems == []


def without_cells(path: Path) -> None:
    """What an earlier version would have written."""
    written: dict[str, Any] = json.loads(path.read_bytes())
    for tally in written["totals"].values():
        tally.pop("cells", None)
    path.write_text(json.dumps(written))


def test_receipts_of_an_earlier_version_count_no_cells_and_the_next_steps_do(
    runtime: Runtime, side: Side
) -> None:
    post(runtime, topic(side, "user"), rows({"ind": 1, "age": 20}))
    drain(runtime)
    for receipt in (runtime.settings.home / "lake" / "plans").glob("**/*.done.json"):
        without_cells(receipt)
    assert counted(runtime, side) == {}
    post(runtime, topic(side, "user"), rows({"ind": 2, "age": "x"}))
    drain(runtime)
    assert counted(runtime, side) == {"age": 1}


def test_a_generation_of_an_earlier_version_has_its_samples_in_a_folder_beside(
    runtime: Runtime, side: Side
) -> None:
    post(runtime, topic(side, "user"), rows({"ind": 1, "age": 20}))
    drain(runtime)
    pipeline = road_of(runtime, side)
    assert replay(runtime, pipeline).swapped
    for generation in (runtime.settings.home / "lake" / "generations").glob("**/*.json"):
        without_cells(generation)
    post(runtime, topic(side, "user"), rows({"ind": 2, "age": "x"}))
    drain(runtime)
    assert counted(runtime, side) == {"age": 1}
    suffix = pipeline.generation(runtime.store).table.removeprefix(pipeline.table)
    assert suffix.startswith(".g1-")
    assert pipeline.open_nulled(runtime.tables).folder == f"{pipeline.table}_nulled{suffix}"
    assert samples(runtime, side) == [(2, "age", "x")]


def lenient(pipeline: Pipeline) -> Pipeline:
    """The pipeline by a rule that reads one more age."""
    others = ", ".join(name for name in (*pipeline.dataset.raw, *LINEAGE) if name != "age")
    read = f"SELECT {others}, CASE age WHEN 'forty' THEN '40' ELSE age END AS age FROM raw"
    sql = pipeline.dataset.clean_sql.replace("FROM raw\n", f"FROM ({read}) AS raw\n")
    assert sql != pipeline.dataset.clean_sql
    return pipeline._replace(dataset=msgspec.structs.replace(pipeline.dataset, clean_sql=sql))


def test_a_rule_that_reads_more_makes_fewer_cells_null_after_a_replay(runtime: Runtime, side: Side) -> None:
    values = rows(*({"ind": n, "age": age} for n, age in enumerate(["forty", "forty", "old", 7])))
    post(runtime, topic(side, "user"), values)
    drain(runtime)
    pipeline = road_of(runtime, side)
    assert counted(runtime, side) == {"age": 3}
    same = replay(runtime, pipeline)
    assert [(cell.field, cell.before, cell.after) for cell in same.cells or []] == [("age", 3, 3)]
    runtime.engine._translated.clear()  # type: ignore[attr-defined]
    for dry_run in (True, False):
        done = replay(runtime, lenient(pipeline), dry_run=dry_run)
        assert [(cell.field, cell.before, cell.after) for cell in done.cells or []] == [("age", 3, 1)]
    assert counted(runtime, side) == {"age": 1}
    assert samples(runtime, side) == [(2, "age", "old")]
    assert select(runtime, f'SELECT ind FROM "{table(side, "user")}" WHERE age = 40 ORDER BY ind') == [
        (0,),
        (1,),
    ]


def test_a_dry_run_that_covers_less_than_the_job_compares_no_cells(runtime: Runtime) -> None:
    post(runtime, topic("stream", "user"), rows({"ind": 1, "age": "x"}))
    drain(runtime)
    post(runtime, topic("stream", "user"), rows({"ind": 2, "age": "x"}))
    drain(runtime, "stream")
    assert replay(runtime, road_of(runtime, "stream"), dry_run=True).cells is None


def test_samples_of_a_generation_that_is_left_go_with_it(settings: Settings, side: Side) -> None:
    config = msgspec.structs.replace(settings.config, maintain=Maintain(retention_hours=0))
    with Runtime(msgspec.structs.replace(settings, config=config)) as runtime:
        post(runtime, topic(side, "user"), rows({"ind": 1, "age": "x"}))
        drain(runtime)
        pipeline = road_of(runtime, side)
        left = settings.home / "lake" / "tables" / pipeline.nulled
        assert left.is_dir()
        assert replay(runtime, pipeline).swapped
        assert pipeline.table in maintain(runtime).generations
        assert not list(left.rglob("*.json"))
        assert counted(runtime, side) == {"age": 1}
        assert samples(runtime, side) == [(1, "age", "x")]


def rejecting(pipeline: Pipeline) -> Pipeline:
    """The pipeline by an older rule, under which every record was rejected."""
    sql = "SELECT *, 'an older rule' AS _reason FROM parsed"
    return pipeline._replace(dataset=msgspec.structs.replace(pipeline.dataset, reject_sql=sql))


def test_cells_of_records_that_leave_quarantine_are_counted_then(runtime: Runtime, side: Side) -> None:
    post(
        runtime, topic(side, "user"), [*rows({"ind": 1, "age": "x"}, {"ind": 2, "age": 3}), b"x"], partition=1
    )
    drain(runtime, "land")
    pipeline = road_of(runtime, side)
    older = CleanJob(
        rejecting(pipeline), pipeline_reader(runtime, pipeline), runtime.tables, runtime.new_engine(1)
    )
    assert Steps(runtime.store, older).advance() is not None
    assert counted(runtime, side) == {}
    assert retry_quarantine(runtime, pipeline).moved == 2
    assert counted(runtime, side) == {"age": 1}
    assert samples(runtime, side) == [(1, "age", "x")]
    receipt = read_standing(runtime.store, pipeline.job, pipeline.open_table(runtime.tables)).receipt
    assert receipt is not None
    assert {number: tally.cells for number, tally in receipt.totals.items()} == {1: {"age": 1}}


def test_samples_beyond_the_count_are_a_difference(runtime: Runtime, side: Side) -> None:
    post(runtime, topic(side, "user"), rows({"ind": 1, "age": "x"}))
    drain(runtime)
    url = road_of(runtime, side).open_nulled(runtime.tables).url
    copy = QueryBuilder().register("t", DeltaTable(url)).execute("SELECT * FROM t").read_all()
    write_deltalake(url, copy, mode="append")
    name = f"{table(side, 'user')}_nulled"
    assert audit(runtime).problems == [f"{name}: the table holds 2 samples, its job's receipts say 1 cells"]
    deep = audit(runtime, deep=True).problems
    assert f"{name} partition 0: 1 samples of age occur twice" in deep
    assert f"{name} partition 0: 2 samples of age, receipts say 1 cells" in deep


def test_many_small_tables_of_samples_are_joined(runtime: Runtime, side: Side) -> None:
    for n in range(9):
        post(runtime, topic(side, "user"), rows({"ind": n, "age": "x"}))
        drain(runtime)
    before = samples(runtime, side)
    joined = {each.table: each.joined for each in maintain(runtime).tables}
    assert joined[f"{table(side, 'user')}_nulled"] >= 9
    assert samples(runtime, side) == before
    assert counted(runtime, side) == {"age": 9}
