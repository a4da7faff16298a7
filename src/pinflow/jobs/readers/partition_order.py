"""In which order the partitions of a topic are read: those that others were made of come first.

A partition that was split or merged leaves the log when its retention has passed. Where it was read to its end before,
nothing is lost; where it was not, its records are gone, and no partition that is left says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from pinflow.log import EventLog, Partition

__all__ = ["PartitionOrder"]


class PartitionOrder:
    """Reads the partitions of one topic in their order, survey after survey. Not safe to share.

    Args:
        log: Opened when first needed.
        topic: Its name.
    """

    def __init__(self, log: Callable[[], EventLog], topic: str) -> None:
        self._log = log
        self._topic = topic
        self._finished: set[int] = set()

    def walk(
        self, partitions: Sequence[Partition], positions: Mapping[int, str], read: Callable[[Partition], bool]
    ) -> None:
        """Have each partition read whose parents are finished.

        Args:
            partitions: Those that the log has.
            positions: Where the job stands.
            read: Reads one; told back is whether anything was found.

        Raises:
            GapError: A partition has left the log, and it cannot be told whether it was read to its end.
        """
        for number in find_unaccounted(partitions, positions, self._finished):
            self._log().read(self._topic, number, positions[number], max_records=1, max_bytes=1)
            self._finished.add(number)  # the log was told to pass over gaps
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
    """Partitions that a job has begun, that have left the log, and that nothing shows to have been read to their end.

    A partition made of it that has been begun does show that; so does `finished`. One whose children have left the log
    as well is unaccounted for as long as there is any whose own parents are unknown. One with a higher number than all
    that are there belongs to a topic that was deleted and made again.
    """
    if not partitions:
        return []  # the topic is being made, or deleted: nothing is known of it now
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
