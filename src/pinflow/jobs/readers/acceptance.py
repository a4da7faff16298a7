"""When records count as accepted: never earlier than the record before them in their partition.

Across partitions the time of acceptance decides which of two records of a post is the later one. The embedded log's
times only rise. Times of other logs may run backwards within a partition: clocks are set, leaders change, producers
send times of their own. The offsets are right then, so each record gets the running maximum of the times, over all
steps of a job. A time in the future is replaced by the time of the step's plan: a single one would put its partition
ahead for years.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pinflow.log import Chunk
    from pinflow.steps.plan import Tally

__all__ = ["Acceptance"]

FUTURE_US = 3_600_000_000
"""An hour ahead of the worker's clock: correct clocks never differ by as much."""


class Acceptance:
    """The times of acceptance in one step.

    Args:
        before: Partition → the sums over the steps before it.
        planned_at: When the step was planned, milliseconds since 1970 UTC; None if no time can lie in the future.
    """

    def __init__(self, before: Mapping[int, Tally], planned_at: int | None) -> None:
        self._planned_us = None if planned_at is None else planned_at * 1000
        self._before = {partition: tally.latest for partition, tally in before.items()}
        self._latest = self._before

    def correct_times(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Yield the chunks of the step with times that never run backwards within a partition.

        The chunks of a partition come in the order of their offsets. May be called again with the same chunks.
        """
        self._latest = dict(self._before)
        for chunk in chunks:
            times = chunk.timestamps
            if not times:
                yield chunk
                continue
            times = self._replace_future_times(times)
            latest = self._latest.get(chunk.partition, 0)
            if times[0] < latest or sorted(times) != times:
                times = list(accumulate(times, max, initial=latest))[1:]
            if times is not chunk.timestamps:
                chunk = msgspec.structs.replace(chunk, timestamps=times)  # noqa: PLW2901 - the same records
            self._latest[chunk.partition] = times[-1]
            yield chunk

    def _replace_future_times(self, times: list[int]) -> list[int]:
        planned = self._planned_us
        if planned is None or max(times) <= planned + FUTURE_US:
            return times
        return [time if time <= planned + FUTURE_US else planned for time in times]

    def add_latest(self, tallies: Mapping[int, Tally]) -> dict[int, Tally]:
        """The tallies of the step with the latest time of each partition; call it after all chunks were read."""
        return {
            partition: msgspec.structs.replace(tally, latest=self._latest.get(partition, 0))
            for partition, tally in tallies.items()
        }
