"""Positions: `<offset>@<topic id>`, or `<offset>-<passed>@<topic id>`.

`passed` counts the offsets before this one at which the reader found no record: those that were gone before it began,
the markers of transactions, and what compaction removed. So records can be counted by offsets. A topic that is made
later under the same name has another topic id. A bare offset is a position too, of a topic whose id is not known.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pinflow.errors import CorruptError

__all__ = ["KafkaPosition"]

TEXT = re.compile(r"(\d{1,19})(?:-(\d{1,19}))?(?:@(\S+))?", re.ASCII)


class KafkaPosition(NamedTuple):
    """A position in a partition of a Kafka topic."""

    offset: int
    passed: int = 0
    topic_id: str = ""

    @classmethod
    def parse(cls, text: str) -> KafkaPosition:
        """Read a position.

        Raises:
            CorruptError: It is not a position of this log.
        """
        found = TEXT.fullmatch(text)
        if found is None:
            raise CorruptError(f"{text!r} is not a position of a Kafka log", hint="pinflow audit")
        return cls(int(found[1]), int(found[2] or 0), found[3] or "")

    def __str__(self) -> str:
        passed = f"-{self.passed}" if self.passed else ""
        return f"{self.offset}{passed}@{self.topic_id}" if self.topic_id else f"{self.offset}{passed}"

    def after(self, last: int, records: int) -> KafkaPosition:
        """The position after `records` more records, the last of which has offset `last`."""
        offset = last + 1
        return self._replace(offset=offset, passed=self.passed + offset - self.offset - records)
