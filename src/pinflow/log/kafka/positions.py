"""Positions: `<offset>@<topic id>`, or `<offset>-<passed>@<topic id>`.

`passed` counts the offsets before this one that held no record for who read up to here: those that were gone before
it began, the markers of transactions, and what compaction took. So records can be counted by offsets. The topic id
tells a topic from one of the same name made later. A bare offset is a position too, of a topic whose id is not known.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pinflow.errors import CorruptError

__all__ = ["KafkaPosition"]

TEXT = re.compile(r"(\d{1,19})(?:-(\d{1,19}))?(?:@(\S+))?", re.ASCII)


class KafkaPosition(NamedTuple):
    """A place in a partition."""

    offset: int
    passed: int = 0
    topic_id: str = ""

    @classmethod
    def parse(cls, text: str) -> KafkaPosition:
        """Read one.

        Raises:
            CorruptError: It is no position of this log.
        """
        found = TEXT.fullmatch(text)
        if found is None:
            raise CorruptError(f"{text!r} is no position of a Kafka log", hint="pinflow audit")
        return cls(int(found[1]), int(found[2] or 0), found[3] or "")

    def __str__(self) -> str:
        passed = f"-{self.passed}" if self.passed else ""
        return f"{self.offset}{passed}@{self.topic_id}" if self.topic_id else f"{self.offset}{passed}"

    def after(self, last: int, records: int) -> KafkaPosition:
        """The position after so many records, the last of which has offset `last`."""
        offset = last + 1
        return self._replace(offset=offset, passed=self.passed + offset - self.offset - records)
