"""A partition as `EventLog.describe` shows it: its place in the order of reading, and how its records are numbered."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["CountedOffsets", "Partition", "ShardRange"]


class CountedOffsets(NamedTuple):
    """The offsets of a log that counts its records.

    Attributes:
        begin: The first offset that is still kept.
        next: The offset that the next record gets.
    """

    begin: int
    next: int


class ShardRange(NamedTuple):
    """The numbers of a log that does not count its records, and that places them by the hash of their routes.

    Attributes:
        first: The number of the first record, or one before it.
        last: The number of the last record, or one after it; None while the partition is open.
        low_hash: The lowest hash of the routes that go to it.
        high_hash: The highest one.
    """

    first: int
    last: int | None
    low_hash: int
    high_hash: int


class Partition(NamedTuple):
    """A partition of a topic.

    One that is `closed` takes nothing more. It was split or merged into others, which name it in `parents`: their
    records come after all of its own.
    """

    number: int
    closed: bool = False
    parents: tuple[int, ...] = ()
    numbering: CountedOffsets | ShardRange = CountedOffsets(0, 0)
