"""What a step covers, by where its records are. Each kind is a type of its own, named on disk by its tag."""

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
    """The same records as `objects` of the landing zone hold them, in order, without the first `skip` of the first.

    Of the last object only as many records count as are left.
    """

    partition: int
    start: str
    end: str
    records: int
    objects: list[str]
    skip: int = 0


class ForeignSlice(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="of", tag="foreign"):
    """Records in `files` of a zone that another sink wrote, in order, without the first `skip` of the first."""

    partition: int
    start: str
    end: str
    records: int
    files: list[str]
    skip: int = 0


class RowSlice(msgspec.Struct, frozen=True, tag_field="of", tag="rows"):
    """Rows of one partition that are in a table already, by their offsets. A step of such slices moves no position."""

    partition: int
    offsets: list[int]

    @property
    def row_offsets(self) -> RowOffsets:
        """The rows as a change of a table names them."""
        return RowOffsets(self.partition, self.offsets)


Slice = LogSlice | LandedSlice | ForeignSlice | RowSlice
