"""When records count as accepted: never earlier than one before them in their partition.

Across partitions the time of acceptance says which of two records of a post is the later one. The embedded log's times
only rise. Those of others may run backwards within a partition: clocks are set, leaders change, producers put in their
own. There the offsets are right and the running maximum counts, over all steps of a job.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pinflow.lake.ledger import Tally
    from pinflow.log import Chunk

__all__ = ["Acceptance"]


class Acceptance:
    """The times of one step; `before` is what the steps before it came to, a partition."""

    def __init__(self, before: Mapping[int, Tally]) -> None:
        self._before = {partition: tally.latest for partition, tally in before.items()}
        self._latest = self._before

    def in_order(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """All chunks of the step as they come, in each partition in the order of offsets; no time runs backwards.

        May be called again, where they are read again.
        """
        self._latest = dict(self._before)
        for chunk in chunks:
            times = chunk.timestamps
            if not times:
                yield chunk
                continue
            latest = self._latest.get(chunk.partition, 0)
            if times[0] < latest or sorted(times) != times:
                times = list(accumulate(times, max, initial=latest))[1:]
                chunk = msgspec.structs.replace(chunk, timestamps=times)  # noqa: PLW2901 - the same records
            self._latest[chunk.partition] = times[-1]
            yield chunk

    def noted(self, tallies: Mapping[int, Tally]) -> dict[int, Tally]:
        """The tallies of the step with the latest time of each partition; call when all chunks have come."""
        return {
            partition: msgspec.structs.replace(tally, latest=self._latest.get(partition, 0))
            for partition, tally in tallies.items()
        }
