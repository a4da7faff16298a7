"""Positions in a shard, and the offsets that its records get in lineage.

Sequence numbers do not fit 64 bits and say nothing of how many records there are. So the pipeline counts: a record's
offset is its shard's number followed by its index in the shard, counted from where the shard was first read. A shard
that came of a split or a merge has a higher number than those it was made of, and so have its records.
"""

from __future__ import annotations

from typing import NamedTuple

from pinflow.errors import CorruptError

__all__ = ["ShardPosition", "first_offset", "shard_id", "shard_number"]

COUNT_BITS = 40
"""A shard takes 1,000 records a second at most: in 34 years as many as fit. 2^23 shards are left."""


class ShardPosition(NamedTuple):
    """A position in a shard.

    Attributes:
        before: How many records were read before it.
        sequence: The sequence number of the last of them; empty before the first.
        made: When the stream was created, milliseconds since 1970 UTC: a stream made again is another one.
    """

    before: int
    sequence: str
    made: int

    def __str__(self) -> str:
        return f"{self.before}:{self.sequence}:{self.made}"

    @staticmethod
    def of(position: str) -> ShardPosition:
        """Read a position.

        Raises:
            CorruptError: It is not a position of a Kinesis log.
        """
        before, _, rest = position.partition(":")
        sequence, _, made = rest.partition(":")
        if not (before.isdigit() and made.isdigit() and (sequence.isdigit() or not sequence)):
            raise CorruptError(
                f"{position!r} is not a position of a Kinesis log",
                hint="pinflow audit; is log.url the one of this lake?",
            )
        return ShardPosition(int(before), sequence, int(made))


def first_offset(shard: int, before: int) -> int:
    """The offset of a shard's record that has `before` records before it."""
    return shard << COUNT_BITS | before


def shard_id(number: int) -> str:
    """Kinesis' name of a shard."""
    return f"shardId-{number:012d}"


def shard_number(name: str) -> int:
    """The number in Kinesis' name of a shard."""
    return int(name.removeprefix("shardId-"))
