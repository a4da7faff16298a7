"""Hash keys of Kinesis where the log places no records itself: the partitions share their range evenly.

Kinesis gives each shard a range of hash keys, and a new stream's shards equal ones. So here too an `ExplicitHashKey`
chooses the partition whose range holds it. A partition key is hashed by the log's own rule, not by Kinesis'.
"""

from __future__ import annotations

import re

__all__ = ["HASHES", "hash_of_text", "partition_of", "range_of"]

HASHES = 1 << 128
"""How many there are: as many as MD5 has."""

TEXT = re.compile(r"0|[1-9][0-9]{0,38}", re.ASCII)


def hash_of_text(text: str) -> int | None:
    """The hash key in an `ExplicitHashKey`, None if it is not a valid one."""
    if not TEXT.fullmatch(text):
        return None
    found = int(text)
    return found if found < HASHES else None


def partition_of(hash_key: int, partitions: int) -> int:
    """The partition of a hash key."""
    return hash_key * partitions // HASHES


def range_of(partition: int, partitions: int) -> tuple[int, int]:
    """The first and the last hash key of a partition."""
    return -(-partition * HASHES // partitions), -(-(partition + 1) * HASHES // partitions) - 1
