"""What a step covers. Each kind of slice, by where its records are, has its own type, and its tag on disk."""

from __future__ import annotations

import msgspec

from pinflow.lake.tables.protocol import RowOffsets

__all__ = ["ForeignSlice", "LandedSlice", "LogSlice", "RowSlice", "Slice"]


class LogSlice(msgspec.Struct, frozen=True, tag_field="of", tag="log"):
    """Consecutive records of one partition of the log: positions `start` up to, not including, `end`."""

    partition: int
    start: str
    end: str
    records: int


class LandedSlice(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="of", tag="landed"):
    """Records in `objects` of the landing zone, in order, without the first `skip` records of the first object.

    Of the last object only the first records count, up to `records` in all.
    """

    partition: int
    start: str
    end: str
    records: int
    objects: list[str]
    skip: int = 0


class ForeignSlice(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="of", tag="foreign"):
    """Records in `files` of a zone that another sink wrote, in order, without the first `skip` records of the first."""

    partition: int
    start: str
    end: str
    records: int
    files: list[str]
    skip: int = 0


class RowSlice(msgspec.Struct, frozen=True, tag_field="of", tag="rows"):
    """Rows of one partition that are in a table already, by their offsets. Such slices move no position."""

    partition: int
    offsets: list[int]

    @property
    def row_offsets(self) -> RowOffsets:
        """The rows in the form that a change of a table has."""
        return RowOffsets(self.partition, self.offsets)


Slice = LogSlice | LandedSlice | ForeignSlice | RowSlice
