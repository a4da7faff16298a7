"""Which partitions are read first, and which have left the log without anything to show that they were read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pinflow.jobs.readers.partition_order import PartitionOrder, find_unaccounted
from pinflow.log import Partition

if TYPE_CHECKING:
    from pinflow.log import EventLog

OPEN, LEFT, RIGHT, MERGED = (
    Partition(0),
    Partition(1, parents=(0,)),
    Partition(2, parents=(0,)),
    Partition(3, parents=(1, 2)),
)


def closed(partition: Partition) -> Partition:
    return partition._replace(closed=True)


def no_log() -> EventLog:
    raise AssertionError("nothing is asked of the log")


def walked(lineage: PartitionOrder, partitions: list[Partition], full: set[int]) -> list[int]:
    """The partitions read, in order, when these have something."""
    seen: list[int] = []

    def read(partition: Partition) -> bool:
        seen.append(partition.number)
        return partition.number in full

    lineage.walk(partitions, dict.fromkeys([0], "p"), read)
    return seen


def test_children_wait_until_their_parents_are_finished() -> None:
    lineage = PartitionOrder(no_log, "t")
    whole = [MERGED, closed(RIGHT), closed(LEFT), closed(OPEN)]
    assert walked(lineage, whole, {0}) == [0]
    assert walked(lineage, whole, {2}) == [0, 1, 2]
    assert walked(lineage, whole, set()) == [0, 1, 2, 3]
    assert walked(lineage, [OPEN, LEFT], set()) == [0], "one that is open may hold more before its children"


@pytest.mark.parametrize(
    ("listed", "begun", "finished", "found"),
    [
        ([OPEN], [0], [], []),
        ([], [0], [], []),
        ([closed(OPEN), LEFT, RIGHT], [0], [], []),
        ([LEFT, RIGHT], [0], [], [0]),
        ([LEFT, RIGHT], [], [], []),
        ([LEFT, RIGHT], [0], [0], []),
        ([LEFT, RIGHT], [0, 2], [], []),
        ([RIGHT], [0, 1], [], [0]),
        ([MERGED], [0], [], [0]),
        ([MERGED], [0], [0], []),
        ([MERGED], [0], [1, 2], []),
        ([MERGED], [0, 1], [], [0, 1]),
        ([MERGED], [0, 1, 3], [], []),
        ([MERGED], [1, 2, 3], [], []),
        ([MERGED], [], [], []),
        ([Partition(4)], [0], [], []),
        ([OPEN, Partition(1)], [3], [], [3]),
        ([OPEN, Partition(1)], [0, 3], [3], []),
    ],
)
def test_what_has_left_the_log_is_accounted_for_by_what_came_after_it(
    listed: list[Partition], begun: list[int], finished: list[int], found: list[int]
) -> None:
    assert find_unaccounted(listed, dict.fromkeys(begun, "p"), finished) == found
