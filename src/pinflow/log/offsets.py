"""Positions that say nothing but an offset, as text.

The embedded log has no others. A zone that another sink wrote has them too, as its files are named by offsets, and a
log that `keeps_offsets` reads on from them.
"""

from __future__ import annotations

import re

from pinflow.errors import CorruptError

__all__ = ["offset_of", "position_at"]

OFFSET = re.compile(r"\d{1,19}", re.ASCII)


def position_at(offset: int) -> str:
    """The position of the record with this offset."""
    return str(offset)


def offset_of(position: str) -> int:
    """The offset that a position says.

    Raises:
        CorruptError: It says more than that, or something else: another log made it.
    """
    if OFFSET.fullmatch(position) is None:
        raise CorruptError(
            f"{position!r} is not a position of this log",
            hint="pinflow audit; is log.url the one of this lake?",
        )
    return int(position)
