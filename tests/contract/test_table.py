"""What every table does, in a folder and in a bucket: steps that count once, beside others, kept small."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from arro3.core import Array, DataType
from arro3.core import Table as Arrow

from pinflow.lake import Column, Store, Table, open_store
from pinflow.lake.tables.commits import RowOffsets
from pinflow.lake.tables.upkeep import checkpoint, clean_log, compact, vacuum
from tests.contract.lakes import LAKES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

COLUMNS = (Column("ind", "int"), Column("_partition", "int"), Column("_offset", "bigint"))


@pytest.fixture(params=sorted(LAKES))
def store(request: pytest.FixtureRequest) -> Store:
    return open_store(LAKES[request.param](request))


@pytest.fixture
def open_again(store: Store) -> Callable[[], Table]:
    """Opens the same table again and again, as several processes would."""
    return lambda: Table(store, "posts", COLUMNS)


@pytest.fixture
def table(open_again: Callable[[], Table]) -> Table:
    return open_again()


def rows(offsets: Sequence[int], partition: int = 0) -> Arrow:
    count = len(offsets)
    arrays = [
        Array([n % 7 for n in offsets], type=DataType.int32()),
        Array([partition] * count, type=DataType.int32()),
        Array(list(offsets), type=DataType.int64()),
    ]
    return Arrow.from_arrays(arrays, names=[column.name for column in COLUMNS])


def offsets(table: Table) -> list[int]:
    return [row["_offset"] for row in table.select("SELECT _offset FROM this ORDER BY _offset")]


def test_a_table_that_is_not_there_is_empty_and_is_not_made_by_looking(store: Store, table: Table) -> None:
    assert not table.exists()
    assert (table.files(), table.num_rows(), table.num_commits(), table.select("SELECT 1 FROM this")) == (
        [],
        0,
        0,
        [],
    )
    assert list(store.list("")) == []


def test_a_step_counts_once_whoever_takes_it(table: Table, open_again: Callable[[], Table]) -> None:
    other = open_again()
    assert other.version_of("job") == 0
    assert table.append("job", 1, rows([1, 2]))
    assert not table.append("job", 1, rows([1, 2]))
    assert not other.append("job", 1, rows([1, 2]))
    assert other.append("job", 2, rows([3]))
    assert table.version_of("job") == 2
    assert offsets(table) == [1, 2, 3]
    assert table.num_rows() == 3


def test_jobs_that_share_a_table_do_not_hinder_each_other(open_again: Callable[[], Table]) -> None:
    one, other = open_again(), open_again()
    for step in range(1, 5):
        assert one.append("one", step, rows([step]))
        assert other.append("other", step, rows([10 * step]))
    assert offsets(one) == [1, 2, 3, 4, 10, 20, 30, 40]
    assert (one.version_of("one"), one.version_of("other")) == (4, 4)
    assert one.num_commits() == 8


def test_rows_go_with_a_step_of_their_own_beside_appends(open_again: Callable[[], Table]) -> None:
    table, other = open_again(), open_again()
    table.append("job", 1, rows([1, 2, 3]))
    assert other.append("job", 2, rows([10, 11], partition=1))
    assert table.remove("removal", 1, [RowOffsets(0, [1, 3])])
    assert not other.remove("removal", 1, [RowOffsets(0, [1, 3])])
    assert offsets(other) == [2, 10, 11]
    assert other.remove(
        "removal", 2, [RowOffsets(0, [77])]
    )  # none of them is there: the step counts all the same
    assert other.append("job", 3, rows([12], partition=1))
    assert table.version_of("removal") == 2
    assert table.stamp("removal", 3)
    assert not other.stamp("removal", 3)
    assert offsets(table) == [2, 10, 11, 12]


def test_a_pinned_table_does_not_move(table: Table, open_again: Callable[[], Table]) -> None:
    assert not table.pinned().exists()
    for step in (1, 2, 3):
        table.append("job", step, rows([step]))
    now, before = table.pinned(), table.pinned("job", at_most=1)
    open_again().append("job", 4, rows([4]))
    assert offsets(now) == [1, 2, 3]
    assert (now.version_of("job"), now.num_rows(), now.num_commits()) == (3, 3, 3)
    assert offsets(before) == [1]
    assert table.num_commits() == 4
    assert offsets(table) == [1, 2, 3, 4]


def test_one_who_asks_again_and_again_sees_every_commit_of_others(
    table: Table, open_again: Callable[[], Table]
) -> None:
    other = open_again()
    seen = []
    for step in range(1, 25):  # past a checkpoint in a bucket
        other.append("job", step, rows([step]))
        seen.append(table.num_commits())
    assert seen == list(range(1, 25))
    assert table.append("mine", 1, rows([100]))
    assert table.version_of("job") == 24
    assert table.num_rows() == 25


def test_upkeep_makes_it_smaller_and_nothing_else_different(
    store: Store, table: Table, open_again: Callable[[], Table]
) -> None:
    for step in range(1, 11):
        table.append("job", step, rows([step]))
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
    assert fresh.version_of("job") == 10
    assert not table.append("job", 10, rows([10]))
    assert table.append("job", 11, rows([11]))
    assert len(fresh.files()) == 2
