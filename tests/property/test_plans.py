"""Plan, do, commit: whatever is interrupted wherever, every record ends in the tables exactly once."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

import pytest
from arro3.core import Array, DataType
from arro3.core import Table as Arrow
from hypothesis import given, settings
from hypothesis import strategies as st

from pinflow.errors import FencedError
from pinflow.lake import Column, Store, Table, open_store
from pinflow.lake.tables.delta_rs import DeltaRsTable
from pinflow.lake.tables.protocol import Append, Change
from pinflow.steps import Plan, Prepared, Slice, Steps, Tally
from pinflow.steps.plan import slices_of
from pinflow.steps.slices import LogSlice
from pinflow.steps.standing import read_standing
from pinflow.steps.steps import Job

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


COLUMNS = [Column("partition", "int"), Column("offset", "bigint")]


class Killed(BaseException):
    """The process is gone."""


class Fuse:
    """Counts the writes, and ends the process before or after one of them."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.after = False

    def light(self, writes: int, *, after: bool) -> None:
        self.left, self.after = writes, after

    def burn(self, write: Any) -> Any:
        if self.left is None:
            return write()
        self.left -= 1
        if self.left >= 0:
            return write()
        if self.after:
            write()
        raise Killed


class FusedStore(Store):
    """A real store on a fuse."""

    fuse: Fuse

    def put(self, path: str, data: bytes) -> None:
        self.fuse.burn(lambda: super(FusedStore, self).put(path, data))

    def put_if_absent(self, path: str, data: bytes) -> bool:
        return bool(self.fuse.burn(lambda: super(FusedStore, self).put_if_absent(path, data)))


class FusedTable(DeltaRsTable):
    """A real table on a fuse."""

    fuse: Fuse

    def commit(self, job: str, step: int, change: Change) -> bool:
        return bool(self.fuse.burn(lambda: super(FusedTable, self).commit(job, step, change)))


class CountingJob(Job):
    """Moves the numbers below each partition's end to a table; every seventh is rejected."""

    name = "count/numbers"
    kind = "clean"

    def __init__(self, store: Store, fuse: Fuse, ends: dict[int, int]) -> None:
        self.table = FusedTable(store, "numbers", COLUMNS)
        self.rejects = FusedTable(store, "rejects", COLUMNS)
        self.table.fuse = self.rejects.fuse = fuse
        self.ends = ends

    def fetch_next(self, positions: dict[int, str]) -> Sequence[Slice]:
        found: list[Slice] = []
        for partition, end in self.ends.items():
            start = int(positions.get(partition, "0"))
            if start < end:
                stop = min(end, start + 5)
                found.append(LogSlice(partition, str(start), str(stop), stop - start))
        return found

    def prepare(self, plan: Plan, before: Mapping[int, Tally]) -> Prepared:  # noqa: ARG002
        rows: list[tuple[int, int]] = []
        rejects: list[tuple[int, int]] = []
        slices = slices_of(plan, LogSlice)
        for piece in slices:
            for offset in range(int(piece.start), int(piece.end)):
                (rejects if offset % 7 == 0 else rows).append((piece.partition, offset))
        tallies = {
            piece.partition: Tally(
                piece.records,
                sum(p == piece.partition for p, _ in rows),
                sum(p == piece.partition for p, _ in rejects),
            )
            for piece in slices
        }
        return Prepared(tallies, [(self.rejects, Append(arrow(rejects))), (self.table, Append(arrow(rows)))])


def arrow(rows: list[tuple[int, int]]) -> Arrow:
    partitions = Array([partition for partition, _ in rows], type=DataType.int32())
    offsets = Array([offset for _, offset in rows], type=DataType.int64())
    return Arrow.from_arrays([partitions, offsets], names=["partition", "offset"])


def fused_store(folder: str, fuse: Fuse) -> FusedStore:
    real = open_store(folder)
    store = FusedStore(real._objects, real.url)
    store.fuse = fuse
    return store


def rows_of(table: Table) -> list[tuple[int, int]]:
    return sorted(
        (row["partition"], row["offset"])
        for row in table.snapshot().select('SELECT partition, "offset" FROM this')
    )


LIVES = st.lists(
    st.tuples(
        st.dictionaries(st.integers(0, 2), st.integers(1, 9), max_size=3),  # what came in meanwhile
        st.integers(0, 9),  # writes before the end
        st.booleans(),  # whether the last write was made
    ),
    max_size=6,
)


@settings(max_examples=25, deadline=None)
@given(LIVES)
def test_every_record_ends_exactly_once_wherever_workers_are_killed(
    lives: list[tuple[dict[int, int], int, bool]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        fuse = Fuse()
        store = fused_store(folder, fuse)
        ends: dict[int, int] = {0: 3}
        for arrived, writes, after in lives:
            for partition, count in arrived.items():
                ends[partition] = ends.get(partition, 0) + count
            fuse.light(writes, after=after)
            steps = Steps(store, CountingJob(store, fuse, ends))
            try:
                while steps.advance():
                    pass
            except Killed:
                continue
        fuse.left = None
        job = CountingJob(store, fuse, ends)
        steps = Steps(store, job)
        while steps.advance():
            pass

        expected = sorted((partition, offset) for partition, end in ends.items() for offset in range(end))
        assert rows_of(job.table) == [row for row in expected if row[1] % 7]
        assert rows_of(job.rejects) == [row for row in expected if row[1] % 7 == 0]
        receipt = read_standing(store, job.name, job.table).receipt
        assert receipt is not None
        assert {number: tally.records for number, tally in receipt.totals.items()} == ends
        assert all(tally.records == tally.rows + tally.rejected for tally in receipt.totals.values())


def test_of_two_workers_one_advances_and_the_other_is_fenced(tmp_path: Path) -> None:
    fuse = Fuse()
    store = fused_store(str(tmp_path), fuse)
    ends = {0: 5}
    first, second = (Steps(store, CountingJob(store, fuse, ends)) for _ in range(2))
    assert first.advance() is not None
    assert second.advance() is None
    ends[0] = 10
    assert second.advance() is not None
    ends[0] = 20
    with pytest.raises(FencedError, match="has planned step 2"):
        first.advance()
    while second.advance():
        pass
    assert len(rows_of(CountingJob(store, fuse, ends).table)) == len([n for n in range(20) if n % 7])


def test_of_two_workers_that_meet_the_older_is_fenced_whichever_was_first(tmp_path: Path) -> None:
    fuse = Fuse()
    store = fused_store(str(tmp_path), fuse)
    ends = {0: 5}
    older, younger = (Steps(store, CountingJob(store, fuse, ends), since=since) for since in (1, 2))
    assert younger.advance() is not None
    assert older.advance() is None
    for end in (10, 15):
        ends[0] = end
        assert older.advance() is not None  # puts the plan, and commits
        younger.advance()  # finds it, or what is on record after it, and is not fenced
    ends[0] = 20
    while younger.advance():
        pass
    with pytest.raises(FencedError, match="has planned step"):
        older.advance()
    assert len(rows_of(CountingJob(store, fuse, ends).table)) == len([n for n in range(20) if n % 7])


def test_a_worker_that_slept_through_its_successor_cannot_commit(tmp_path: Path) -> None:
    fuse = Fuse()
    store = fused_store(str(tmp_path), fuse)
    ends = {0: 5}

    class SleepyJob(CountingJob):
        def prepare(self, plan: Plan, before: Mapping[int, Tally]) -> Prepared:
            successor = Steps(store, CountingJob(store, fuse, self.ends))
            while successor.advance():
                pass
            return super().prepare(plan, before)

    sleepy = Steps(store, SleepyJob(store, fuse, ends))
    with pytest.raises(FencedError, match="has committed step 1"):
        sleepy.advance()
    assert len(rows_of(CountingJob(store, fuse, ends).table)) == 4


def test_a_plan_is_written_before_anything_is_done(tmp_path: Path) -> None:
    fuse = Fuse()
    store = fused_store(str(tmp_path), fuse)
    fuse.light(1, after=False)
    with pytest.raises(Killed):
        Steps(store, CountingJob(store, fuse, {0: 5})).advance()
    assert [path.name for path in tmp_path.glob("plans/**/*.json")] == ["0000000001.json"]
    assert not (tmp_path / "tables" / "numbers" / "_delta_log" / "00000000000000000001.json").exists()
