"""Which partition a record goes to: as asked, else by key, else by the post's number, else in turn."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pinflow.datasets.numbers import post_number_of
from pinflow.gateway.answer import Placed
from pinflow.gateway.refusal import Refusal, RefusalReason, refusal_of
from pinflow.log import ProduceBatch, Records, partition_for, size_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pinflow.gateway.answer import Posted
    from pinflow.log import AppendResult

    ReadNumber = Callable[[bytes | None], int | None]

__all__ = ["REFUSED", "Routed", "Turn", "members_of", "route"]

REFUSED = -1
"""Stands for the partition, and the offset, of a record that is not appended."""

BY_LOG = -2
"""Stands for the partition of a record that the log chooses; notes of earlier versions hold it too."""


class Turn:
    """Whose turn it is among the partitions, for records that nothing ties to one."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next = 0

    def take(self, partitions: int) -> int:
        """The next partition."""
        turn = self._next % partitions
        self._next = turn + 1
        return turn


class Routed(NamedTuple):
    """The records of one request, sorted by partition.

    Attributes:
        batches: What to append, one batch a partition; of a request that is cut, of each piece.
        members: For each batch, which records of the request it holds, in order; empty if one batch holds all.
        partitions: The partition of each record of the request, `REFUSED` for those in `refused`.
        refused: Why a record is not appended, by its index.
        cuts: The records, by index, before which the request is cut, as `members_of` does.
    """

    batches: list[ProduceBatch]
    members: list[list[int]]
    partitions: list[int]
    refused: dict[int, Refusal]
    cuts: Sequence[int] = ()

    def place(self, appended: Sequence[AppendResult]) -> Placed:
        """Where the records are, given what became of each batch."""
        if not self.members and appended and not appended[0].refused:
            (whole,) = appended
            by_log = whole.partitions is not None
            partitions = list(whole.partitions) if whole.partitions is not None else self.partitions
            return Placed(partitions, list(whole.offsets), self.refused, by_log)
        partitions, offsets, refused = (
            list(self.partitions),
            [REFUSED] * len(self.partitions),
            dict(self.refused),
        )
        everyone: list[Sequence[int]] = [range(len(partitions))]
        for became, members in zip(appended, self.members or everyone, strict=False):
            for at, index in enumerate(members):
                if at in became.refused:
                    partitions[index] = REFUSED
                    refused[index] = refusal_of(became.refused[at])
                    continue
                offsets[index] = became.offsets[at]
                if became.partitions is not None:
                    partitions[index] = became.partitions[at]
        return Placed(partitions, offsets, refused, any(each.partitions is not None for each in appended))


def route(
    topic: str,
    posted: Posted,
    partitions: int,
    turn: Turn,
    *,
    max_record_bytes: int | None,
    by_log: bool = False,
) -> Routed:
    """Sort the records of one request by partition, keeping their order within each.

    Args:
        topic: The topic they go to.
        posted: The records.
        partitions: How many partitions the topic has.
        turn: Round robin, for records that nothing else places.
        max_record_bytes: The cap of key, value and headers together; None where the whole body is smaller than that.
        by_log: Leave to the log what is not asked for by number: only the routes are chosen here.
    """
    if by_log:
        return _route_by_log(topic, posted, turn, max_record_bytes)
    read_number = post_number_of(topic)
    chosen = _chosen(posted, partitions, turn, read_number)
    refused = _find_out_of_range(chosen, partitions) if posted.partitions is not None else {}
    if max_record_bytes is not None:
        refused |= _find_oversized(posted, max_record_bytes)
    for index in refused:
        chosen[index] = REFUSED
    if not refused and chosen.count(chosen[0]) == len(chosen):
        return Routed(
            [ProduceBatch(topic, chosen[0], Records(posted.values, posted.keys, posted.headers))],
            [],
            chosen,
            refused,
        )
    spread = posted.keys is not None or posted.partitions is not None
    cuts = _cuts(posted.values, chosen, read_number) if spread else []
    groups = members_of(chosen, cuts)
    behind = frozenset(cuts)
    batches = [
        ProduceBatch(topic, chosen[members[0]], _pick(posted, members), later=members[0] in behind)
        for members in groups
    ]
    return Routed(batches, groups, chosen, refused, cuts)


def members_of(partitions: Sequence[int], cuts: Sequence[int] = ()) -> list[list[int]]:
    """Which records of a request, by index, make up each of its batches: those of one partition, cut before `cuts`."""
    found: list[list[int]] = []
    for start, stop in pairwise([0, *cuts, len(partitions)]):
        groups: dict[int, list[int]] = {}
        for index in range(start, stop):
            partition = partitions[index]
            if partition in groups:
                groups[partition].append(index)
            else:
                groups[partition] = [index]
        groups.pop(REFUSED, None)
        found += groups.values()
    return found


def _cuts(values: Sequence[bytes | None], chosen: list[int], read_number: ReadNumber) -> list[int]:
    """Where to cut a request, so that no piece holds a post in two partitions.

    Records of a post that are in several partitions follow each other by their times, and those of one batch share one.
    So what comes later in the request has to be in a later batch. Only where records choose their partitions does a
    post have several.
    """
    cuts: list[int] = []
    partition_of: dict[int, int] = {}
    for index, (value, partition) in enumerate(zip(values, chosen, strict=True)):
        number = read_number(value)
        if number is None or partition == REFUSED:
            continue
        if partition_of.setdefault(number, partition) != partition:
            cuts.append(index)
            partition_of = {number: partition}
    return cuts


def _route_by_log(topic: str, posted: Posted, turn: Turn, max_record_bytes: int | None) -> Routed:
    values, keys, asked = posted.values, posted.keys, posted.partitions
    refused = _find_oversized(posted, max_record_bytes) if max_record_bytes is not None else {}
    refused |= _find_negative(posted)
    read_number = post_number_of(topic)
    routes = [
        _route_of(value, keys[index] if keys is not None else None, turn, read_number)
        for index, value in enumerate(values)
    ]
    groups: dict[int, list[int]] = {}
    for index in range(len(values)):
        wanted = asked[index] if asked is not None else None
        if index not in refused:
            groups.setdefault(BY_LOG if wanted is None else wanted, []).append(index)
    batches = [
        ProduceBatch(
            topic,
            None if partition == BY_LOG else partition,
            _pick(posted, members),
            [routes[i] for i in members],
        )
        for partition, members in groups.items()
    ]
    chosen = [REFUSED] * len(values)
    for partition, members in groups.items():
        for index in members:
            chosen[index] = partition
    return Routed(batches, list(groups.values()), chosen, refused)


def _pick(posted: Posted, members: list[int]) -> Records:
    values, keys, headers = posted.values, posted.keys, posted.headers
    return Records(
        [values[i] for i in members],
        [keys[i] for i in members] if keys is not None else None,
        [headers[i] for i in members] if headers is not None else None,
    )


def _route_of(value: bytes | None, key: bytes | None, turn: Turn, read_number: ReadNumber) -> bytes:
    """What a record's partition follows from: its key, else its post's number, else its turn."""
    if key is not None:
        return _plain(key)
    number = read_number(value)
    return b"%d" % (turn.take(1 << 30) if number is None else number)


def _chosen(posted: Posted, partitions: int, turn: Turn, read_number: ReadNumber) -> list[int]:
    values, keys, asked = posted.values, posted.keys, posted.partitions
    if keys is None and asked is None:
        return [_by_number(number, partitions, turn) for number in map(read_number, values)]
    chosen = []
    for index, value in enumerate(values):
        wanted = asked[index] if asked is not None else None
        key = keys[index] if keys is not None else None
        if wanted is not None:
            chosen.append(wanted)
        elif key is not None:
            chosen.append(partition_for(_plain(key), partitions))
        else:
            chosen.append(_by_number(read_number(value), partitions, turn))
    return chosen


def _plain(key: bytes) -> bytes:
    """A key as it is hashed: a JSON string without its quotes, so that `"17"`, 17 and post 17 go to one partition."""
    if key[:1] != b'"':
        return key
    try:
        return _string(key).encode()
    except (msgspec.DecodeError, UnicodeEncodeError):
        return key


_string = msgspec.json.Decoder(str).decode


def _by_number(number: int | None, partitions: int, turn: Turn) -> int:
    return turn.take(partitions) if number is None else partition_for(b"%d" % number, partitions)


def _find_out_of_range(chosen: list[int], partitions: int) -> dict[int, Refusal]:
    return {
        index: Refusal(RefusalReason.PARTITION, f"the topic has partitions 0 to {partitions - 1}")
        for index, partition in enumerate(chosen)
        if not 0 <= partition < partitions
    }


def _find_negative(posted: Posted) -> dict[int, Refusal]:
    return {
        index: Refusal(RefusalReason.PARTITION, "a partition is not negative")
        for index, wanted in enumerate(posted.partitions or [])
        if wanted is not None and wanted < 0
    }


def _find_oversized(posted: Posted, limit: int) -> dict[int, Refusal]:
    keys = posted.keys or [None] * len(posted.values)
    headers = posted.headers or [()] * len(posted.values)
    return {
        index: Refusal(RefusalReason.TOO_LARGE, f"the record is larger than {limit} bytes")
        for index, (value, key, more) in enumerate(zip(posted.values, keys, headers, strict=True))
        if len(value or b"") + len(key or b"") + size_of(more) > limit
    }
