"""Cells that had a text and became NULL by a rule: counted in receipts, status and audit, and kept as samples."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from deltalake import DeltaTable, QueryBuilder, write_deltalake
from tests.road import drain, post, rows, select, table, topic

from pinflow.config import Maintain
from pinflow.datasets import LINEAGE
from pinflow.engine import LONGEST_SAMPLE, MOST_SAMPLES
from pinflow.jobs.clean.clean import CleanJob, road_reader
from pinflow.jobs.maintain.maintain import maintain
from pinflow.jobs.pipelines import Road, side_roads
from pinflow.jobs.replay.quarantine import retry_quarantine
from pinflow.jobs.replay.replay import replay
from pinflow.jobs.reports.audit import audit
from pinflow.jobs.reports.status import status
from pinflow.jobs.runtime import Parts
from pinflow.steps import Steps
from pinflow.steps.ledger import last_receipt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pinflow.config import Settings
    from pinflow.jobs.pipelines import Side


@pytest.fixture
def parts(settings: Settings) -> Iterator[Parts]:
    with Parts(settings) as parts:
        yield parts


@pytest.fixture(params=["batch", "stream"])
def side(request: pytest.FixtureRequest) -> Side:
    side: Side = request.param
    return side


def road_of(parts: Parts, side: Side, name: str = "user") -> Road:
    return next(each for each in side_roads(side, parts.config.id) if each.dataset.name == name)


def counted(parts: Parts, side: Side, name: str = "user") -> dict[str, int]:
    """The cells that status counts; audit counts the same, and finds nothing wrong."""
    (found,) = [each.nulled for each in status(parts) if each.topic == topic(side, name)]
    for deep in (False, True):
        audited = audit(parts, deep=deep)
        assert audited.problems == []
        summed: dict[str, int] = {}
        for line in audited.lines:
            for field, count in line.nulled.items() if line.topic == topic(side, name) else ():
                summed[field] = summed.get(field, 0) + count
        assert summed == found
    return found


def samples(parts: Parts, side: Side, name: str = "user") -> list[tuple[object, ...]]:
    sql = f'SELECT ind, field, text FROM "{table(side, name)}_nulled" ORDER BY ALL'
    return select(parts, sql)


def test_every_field_whose_text_became_null_is_counted_with_its_text(parts: Parts, side: Side) -> None:
    pins = rows(
        {"index": 1, "follower_count": "many", "save_location": "Local save in  ", "title": "x"},
        {"index": 2, "follower_count": "12k", "save_location": "Local save in /data/art"},
        {"index": 3, "follower_count": -5, "category": ""},
    )
    geos = rows({"ind": 1, "latitude": "north", "longitude": True, "timestamp": "yesterday", "country": ""})
    post(parts, topic(side, "pin"), pins)
    post(parts, topic(side, "geo"), geos, partition=1)
    post(parts, topic(side, "user"), rows({"ind": 1, "age": {"a": 1}, "date_joined": " ", "first_name": " "}))
    drain(parts)
    assert counted(parts, side, "pin") == {"follower_count": 2, "save_location": 1}
    assert samples(parts, side, "pin") == [
        (1, "follower_count", "many"),
        (1, "save_location", "Local save in  "),
        (3, "follower_count", "-5"),
    ]
    assert counted(parts, side, "geo") == {"latitude": 1, "longitude": 1, "timestamp": 1}
    assert samples(parts, side, "geo") == [
        (1, "latitude", "north"),
        (1, "longitude", "true"),
        (1, "timestamp", "yesterday"),
    ]
    assert counted(parts, side) == {"age": 1, "date_joined": 1}
    assert samples(parts, side) == [(1, "age", '{"a":1}'), (1, "date_joined", " ")]
    where = f'SELECT DISTINCT _topic, _partition, _offset FROM "{table(side, "geo")}_nulled"'
    assert select(parts, where) == [(topic(side, "geo"), 1, 0)]


def test_what_was_empty_a_placeholder_null_or_absent_is_not_counted(parts: Parts, side: Side) -> None:
    nothing = {
        "title": "No Title Data Available",
        "description": "No description available",
        "category": None,
    }
    nothing |= {"follower_count": "User Info Error", "poster_name": "User Info Error", "save_location": ""}
    post(parts, topic(side, "pin"), rows({"index": 1} | nothing))
    post(parts, topic(side, "geo"), rows({"ind": 1, "latitude": "", "longitude": None}))
    post(parts, topic(side, "user"), [*rows({"ind": 1, "age": ""}, {"age": "x"}), b"x"])
    drain(parts)
    for name in ("pin", "geo", "user"):
        assert counted(parts, side, name) == {}
        assert not road_of(parts, side, name).open_nulled(parts.store).exists()
        assert samples(parts, side, name) == []


def test_clean_rows_are_stored_with_the_columns_that_they_always_had(parts: Parts, side: Side) -> None:
    post(parts, topic(side, "user"), rows({"ind": 1, "age": "x"}))
    drain(parts)
    road = road_of(parts, side)
    stored = [field.name for field in DeltaTable(road.open_table(parts.store).url).schema().fields]
    assert stored == list(road.dataset.clean | LINEAGE)


def test_a_step_keeps_some_samples_of_a_field_and_counts_all(parts: Parts, side: Side) -> None:
    many = MOST_SAMPLES + 50
    values = rows(*({"ind": n, "age": "x" * 2 * LONGEST_SAMPLE} for n in range(many)))
    post(parts, topic(side, "user"), values)
    drain(parts)
    assert counted(parts, side) == {"age": many}
    kept = [(n, "age", "x" * LONGEST_SAMPLE) for n in range(MOST_SAMPLES)]
    assert samples(parts, side) == kept
    post(parts, topic(side, "user"), rows({"ind": 999, "age": "y"}))
    drain(parts)
    assert counted(parts, side) == {"age": many + 1}
    assert samples(parts, side) == [*kept, (999, "age", "y")]


def test_cells_of_rows_that_are_superseded_or_removed_stay_counted(parts: Parts, side: Side) -> None:
    for age in ("x", "y", 20):
        post(parts, topic(side, "user"), rows({"ind": 1, "age": age}))
        drain(parts)
    for _ in range(2):
        assert counted(parts, side) == {"age": 2}
        assert samples(parts, side) == [(1, "age", "x"), (1, "age", "y")]
        assert maintain(parts).problems == []


def without_cells(path: Path) -> None:
    """What an earlier version would have written."""
    written: dict[str, Any] = json.loads(path.read_bytes())
    for tally in written["totals"].values():
        tally.pop("cells", None)
    path.write_text(json.dumps(written))


def test_receipts_of_an_earlier_version_count_no_cells_and_the_next_steps_do(
    parts: Parts, side: Side
) -> None:
    post(parts, topic(side, "user"), rows({"ind": 1, "age": 20}))
    drain(parts)
    for receipt in (parts.settings.home / "lake" / "plans").glob("**/*.done.json"):
        without_cells(receipt)
    assert counted(parts, side) == {}
    post(parts, topic(side, "user"), rows({"ind": 2, "age": "x"}))
    drain(parts)
    assert counted(parts, side) == {"age": 1}


def test_a_generation_of_an_earlier_version_has_its_samples_in_a_folder_beside(
    parts: Parts, side: Side
) -> None:
    post(parts, topic(side, "user"), rows({"ind": 1, "age": 20}))
    drain(parts)
    road = road_of(parts, side)
    assert replay(parts, road).swapped
    for generation in (parts.settings.home / "lake" / "generations").glob("**/*.json"):
        without_cells(generation)
    post(parts, topic(side, "user"), rows({"ind": 2, "age": "x"}))
    drain(parts)
    assert counted(parts, side) == {"age": 1}
    suffix = road.generation(parts.store).table.removeprefix(road.table)
    assert suffix.startswith(".g1-")
    assert road.open_nulled(parts.store).folder == f"{road.table}_nulled{suffix}"
    assert samples(parts, side) == [(2, "age", "x")]


def lenient(road: Road) -> Road:
    """The road by a rule that reads one more age."""
    others = ", ".join(name for name in (*road.dataset.raw, *LINEAGE) if name != "age")
    read = f"SELECT {others}, CASE age WHEN 'forty' THEN '40' ELSE age END AS age FROM raw"
    sql = road.dataset.clean_sql.replace("FROM raw\n", f"FROM ({read}) AS raw\n")
    assert sql != road.dataset.clean_sql
    return road._replace(dataset=msgspec.structs.replace(road.dataset, clean_sql=sql))


def test_a_rule_that_reads_more_makes_fewer_cells_null_after_a_replay(parts: Parts, side: Side) -> None:
    values = rows(*({"ind": n, "age": age} for n, age in enumerate(["forty", "forty", "old", 7])))
    post(parts, topic(side, "user"), values)
    drain(parts)
    road = road_of(parts, side)
    assert counted(parts, side) == {"age": 3}
    same = replay(parts, road)
    assert [(cell.field, cell.before, cell.after) for cell in same.cells or []] == [("age", 3, 3)]
    parts.engine._translated.clear()  # type: ignore[attr-defined]
    for dry_run in (True, False):
        done = replay(parts, lenient(road), dry_run=dry_run)
        assert [(cell.field, cell.before, cell.after) for cell in done.cells or []] == [("age", 3, 1)]
    assert counted(parts, side) == {"age": 1}
    assert samples(parts, side) == [(2, "age", "old")]
    assert select(parts, f'SELECT ind FROM "{table(side, "user")}" WHERE age = 40 ORDER BY ind') == [
        (0,),
        (1,),
    ]


def test_a_dry_run_that_covers_less_than_the_job_compares_no_cells(parts: Parts) -> None:
    post(parts, topic("stream", "user"), rows({"ind": 1, "age": "x"}))
    drain(parts)
    post(parts, topic("stream", "user"), rows({"ind": 2, "age": "x"}))
    drain(parts, "stream")
    assert replay(parts, road_of(parts, "stream"), dry_run=True).cells is None


def test_samples_of_a_generation_that_is_left_go_with_it(settings: Settings, side: Side) -> None:
    config = msgspec.structs.replace(settings.config, maintain=Maintain(retention_hours=0))
    with Parts(msgspec.structs.replace(settings, config=config)) as parts:
        post(parts, topic(side, "user"), rows({"ind": 1, "age": "x"}))
        drain(parts)
        road = road_of(parts, side)
        left = settings.home / "lake" / "tables" / road.nulled
        assert left.is_dir()
        assert replay(parts, road).swapped
        assert road.table in maintain(parts).generations
        assert not list(left.rglob("*.json"))
        assert counted(parts, side) == {"age": 1}
        assert samples(parts, side) == [(1, "age", "x")]


def rejecting(road: Road) -> Road:
    """The road by an older rule, under which every record was rejected."""
    sql = "SELECT *, 'an older rule' AS _reason FROM parsed"
    return road._replace(dataset=msgspec.structs.replace(road.dataset, reject_sql=sql))


def test_cells_of_records_that_leave_quarantine_are_counted_then(parts: Parts, side: Side) -> None:
    post(parts, topic(side, "user"), [*rows({"ind": 1, "age": "x"}, {"ind": 2, "age": 3}), b"x"], partition=1)
    drain(parts, "land")
    road = road_of(parts, side)
    older = CleanJob(rejecting(road), road_reader(parts, road), parts.store, parts.new_engine(1))
    assert Steps(parts.store, older).advance() is not None
    assert counted(parts, side) == {}
    assert retry_quarantine(parts, road).moved == 2
    assert counted(parts, side) == {"age": 1}
    assert samples(parts, side) == [(1, "age", "x")]
    receipt = last_receipt(parts.store, road.job, road.open_table(parts.store))
    assert receipt is not None
    assert {number: tally.cells for number, tally in receipt.totals.items()} == {1: {"age": 1}}


def test_samples_beyond_the_count_are_a_difference(parts: Parts, side: Side) -> None:
    post(parts, topic(side, "user"), rows({"ind": 1, "age": "x"}))
    drain(parts)
    url = road_of(parts, side).open_nulled(parts.store).url
    copy = QueryBuilder().register("t", DeltaTable(url)).execute("SELECT * FROM t").read_all()
    write_deltalake(url, copy, mode="append")
    name = f"{table(side, 'user')}_nulled"
    assert audit(parts).problems == [f"{name}: the table holds 2 samples, its job's receipts say 1 cells"]
    deep = audit(parts, deep=True).problems
    assert f"{name} partition 0: 1 samples of age are there twice" in deep
    assert f"{name} partition 0: 2 samples of age, receipts say 1 cells" in deep


def test_many_small_tables_of_samples_are_joined(parts: Parts, side: Side) -> None:
    for n in range(9):
        post(parts, topic(side, "user"), rows({"ind": n, "age": "x"}))
        drain(parts)
    before = samples(parts, side)
    joined = {each.table: each.joined for each in maintain(parts).tables}
    assert joined[f"{table(side, 'user')}_nulled"] >= 9
    assert samples(parts, side) == before
    assert counted(parts, side) == {"age": 9}
