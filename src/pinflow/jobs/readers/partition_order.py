"""In which order the partitions of a topic are read: parents before the partitions that were made of them.

A partition that was split or merged leaves the log when its retention has passed. If a job had not read it to its end
by then, records are lost, and the remaining partitions do not show it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from pinflow.log import EventLog, Partition

__all__ = ["PartitionOrder"]


class PartitionOrder:
    """Reads the partitions of one topic in order, round after round. Not safe to share between threads.

    Args:
        log: Opens the log; called when it is first needed.
        topic: The name of the topic.
    """

    def __init__(self, log: Callable[[], EventLog], topic: str) -> None:
        self._log = log
        self._topic = topic
        self._finished: set[int] = set()

    def walk(
        self, partitions: Sequence[Partition], positions: Mapping[int, str], read: Callable[[Partition], bool]
    ) -> None:
        """Call `read` for each partition whose parents are finished.

        Args:
            partitions: The partitions that the log has now.
            positions: The position of the job in each partition.
            read: Reads one partition, and returns whether it found anything.

        Raises:
            GapError: A partition has left the log, and it is unknown whether it was read to its end.
        """
        for number in find_unaccounted(partitions, positions, self._finished):
            self._log().read(self._topic, number, positions[number], max_records=1, max_bytes=1)
            self._finished.add(number)  # it did not raise: its URL says to skip gaps
        unfinished: set[int] = set()
        # Children have higher numbers.
        for each in sorted(partitions, key=lambda partition: partition.number):
            if unfinished.intersection(each.parents) or read(each) or not each.closed:
                unfinished.add(each.number)
            else:
                self._finished.add(each.number)


def find_unaccounted(
    partitions: Sequence[Partition], positions: Mapping[int, str], finished: Collection[int]
) -> list[int]:
    """Partitions that a job has begun and that have left the log, without a sign that they were read to their end.

    A sign is that the job has begun one of their children, or that they are in `finished`. If the children have left
    the log as well, a partition is unaccounted for as long as the log has a new partition with unknown parents. A
    partition with a higher number than all in the log belongs to a topic that was deleted and created again.
    """
    if not partitions:
        return []  # the topic is being created or deleted
    listed = {each.number for each in partitions}
    new = [each for each in partitions if each.number not in positions]
    unknown = {parent for each in new for parent in each.parents if parent not in listed | {*positions}}
    found = []
    for number in sorted(positions.keys() - listed - {*finished}):
        children = [each.number for each in partitions if number in each.parents]
        if children:
            doubtful = not any(child in positions for child in children)
        else:
            doubtful = number > max(listed) or any(parent > number for parent in unknown - {*finished})
        if doubtful:
            found.append(number)
    return found
