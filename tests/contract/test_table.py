"""What every table does, in a folder and in a bucket: steps that count once, beside others, kept small."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from arro3.core import Array, DataType
from arro3.core import Table as Arrow

from pinflow.lake import Column, Snapshot, Store, open_store
from pinflow.lake.tables.delta_rs import DeltaRsTable
from pinflow.lake.tables.protocol import Append, Nothing, Remove, RowOffsets
from pinflow.lake.tables.upkeep import checkpoint, clean_log, compact, vacuum
from tests.contract.lakes import LAKES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

COLUMNS = (Column("ind", "int"), Column("_partition", "int"), Column("_offset", "bigint"))


@pytest.fixture(params=sorted(LAKES))
def store(request: pytest.FixtureRequest) -> Store:
    return open_store(LAKES[request.param](request))


@pytest.fixture
def open_again(store: Store) -> Callable[[], DeltaRsTable]:
    """Opens the same table again and again, as several processes would."""
    return lambda: DeltaRsTable(store, "posts", COLUMNS)


@pytest.fixture
def table(open_again: Callable[[], DeltaRsTable]) -> DeltaRsTable:
    return open_again()


def rows(offsets: Sequence[int], partition: int = 0) -> Arrow:
    count = len(offsets)
    arrays = [
        Array([n % 7 for n in offsets], type=DataType.int32()),
        Array([partition] * count, type=DataType.int32()),
        Array(list(offsets), type=DataType.int64()),
    ]
    return Arrow.from_arrays(arrays, names=[column.name for column in COLUMNS])


def offsets(table: DeltaRsTable | Snapshot) -> list[int]:
    return [row["_offset"] for row in table.select("SELECT _offset FROM this ORDER BY _offset")]


def test_a_table_that_is_not_there_is_empty_and_is_not_made_by_looking(
    store: Store, table: DeltaRsTable
) -> None:
    assert not table.exists()
    assert (
        table.snapshot().files(),
        table.snapshot().num_rows(),
        table.version(),
        table.snapshot().select("SELECT 1 FROM this"),
    ) == (
        [],
        0,
        0,
        [],
    )
    assert list(store.list("")) == []


def test_a_step_counts_once_whoever_takes_it(
    table: DeltaRsTable, open_again: Callable[[], DeltaRsTable]
) -> None:
    other = open_again()
    assert other.step_of("job") == 0
    assert table.commit("job", 1, Append(rows([1, 2])))
    assert not table.commit("job", 1, Append(rows([1, 2])))
    assert not other.commit("job", 1, Append(rows([1, 2])))
    assert other.commit("job", 2, Append(rows([3])))
    assert table.step_of("job") == 2
    assert offsets(table) == [1, 2, 3]
    assert table.snapshot().num_rows() == 3


def test_jobs_that_share_a_table_do_not_hinder_each_other(open_again: Callable[[], DeltaRsTable]) -> None:
    one, other = open_again(), open_again()
    for step in range(1, 5):
        assert one.commit("one", step, Append(rows([step])))
        assert other.commit("other", step, Append(rows([10 * step])))
    assert offsets(one) == [1, 2, 3, 4, 10, 20, 30, 40]
    assert (one.step_of("one"), one.step_of("other")) == (4, 4)
    assert one.version() == 8


def test_rows_go_with_a_step_of_their_own_beside_appends(open_again: Callable[[], DeltaRsTable]) -> None:
    table, other = open_again(), open_again()
    table.commit("job", 1, Append(rows([1, 2, 3])))
    assert other.commit("job", 2, Append(rows([10, 11], partition=1)))
    assert table.commit("removal", 1, Remove([RowOffsets(0, [1, 3])]))
    assert not other.commit("removal", 1, Remove([RowOffsets(0, [1, 3])]))
    assert offsets(other) == [2, 10, 11]
    nowhere = Remove([RowOffsets(0, [77])])  # none of them is there: the step counts all the same
    assert other.commit("removal", 2, nowhere)
    assert other.commit("job", 3, Append(rows([12], partition=1)))
    assert table.step_of("removal") == 2
    assert table.commit("removal", 3, Nothing())
    assert not other.commit("removal", 3, Nothing())
    assert offsets(table) == [2, 10, 11, 12]


def test_a_snapshot_does_not_move(table: DeltaRsTable, open_again: Callable[[], DeltaRsTable]) -> None:
    assert not table.snapshot().exists()
    for step in (1, 2, 3):
        table.commit("job", step, Append(rows([step])))
    now, before = table.snapshot(), table.snapshot("job", at_most=1)
    open_again().commit("job", 4, Append(rows([4])))
    assert offsets(now) == [1, 2, 3]
    assert (now.step_of("job"), now.num_rows()) == (3, 3)
    assert offsets(before) == [1]
    assert table.version() == 4
    assert offsets(table) == [1, 2, 3, 4]


def test_one_who_asks_again_and_again_sees_every_commit_of_others(
    table: DeltaRsTable, open_again: Callable[[], DeltaRsTable]
) -> None:
    other = open_again()
    seen = []
    for step in range(1, 25):  # past a checkpoint in a bucket
        other.commit("job", step, Append(rows([step])))
        seen.append(table.version())
    assert seen == list(range(1, 25))
    assert table.commit("mine", 1, Append(rows([100])))
    assert table.step_of("job") == 24
    assert table.snapshot().num_rows() == 25


def test_upkeep_makes_it_smaller_and_nothing_else_different(
    store: Store, table: DeltaRsTable, open_again: Callable[[], DeltaRsTable]
) -> None:
    for step in range(1, 11):
        table.commit("job", step, Append(rows([step])))
    checkpoint(table)
    assert compact(table, dry_run=True) == 10
    assert compact(table) == 10
    checkpoint(table)
    assert clean_log(store, table, ["job"]) == 0  # younger than a day
    assert vacuum(store, table, 0, dry_run=True) == 10
    assert vacuum(store, table, 0) == 10
    assert (
        len([path for path in store.list("tables/posts") if path.endswith(".parquet")]) == 3
    )  # two checkpoints
    fresh = open_again()
    assert offsets(fresh) == list(range(1, 11))
    assert fresh.step_of("job") == 10
    assert not table.commit("job", 10, Append(rows([10])))
    assert table.commit("job", 11, Append(rows([11])))
    assert len(fresh.snapshot().files()) == 2
