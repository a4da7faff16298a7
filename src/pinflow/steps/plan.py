"""Plans and receipts, and their JSON, also as earlier versions wrote it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar

import msgspec

from pinflow.errors import CorruptError
from pinflow.lake.tables.protocol import RowOffsets
from pinflow.steps.slices import ForeignSlice, LandedSlice, LogSlice, RowSlice, Slice

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Kind", "Plan", "Receipt", "Tally", "add_tallies", "slices_of"]

S = TypeVar("S", LogSlice, LandedSlice, ForeignSlice, RowSlice)

Kind = Literal["land", "adopt", "clean", "move", "remove", "swap"]
"""What a step does.

`land`, `adopt`: copy records to the landing zone, from the log or from the zone of another sink. `clean`: make clean
rows and rejects of records. `move`: make clean rows of rejects. `remove`: remove superseded rows. `swap`: replace
tables by those that a replay has built.
"""


class Plan(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one step covers, and the position of every partition after it."""

    kind: Kind
    job: str
    step: int
    slices: list[Slice]
    positions: dict[int, str]
    worker: str
    made_at: int
    """Milliseconds since 1970 UTC, later than that of the step before. Steps that need a time take this one, so that
    a repeated step has the same result."""
    command: str = ""
    """The command that finishes the step, if no worker of the job can."""
    since: int = 0
    """When the worker started, nanoseconds since 1970 UTC: of two workers the younger holds the job."""
    rules: str = ""
    """A fingerprint of the worker's rules: under other rules the step has another result."""
    swaps: str = ""
    """The table whose generations the step swaps. The generation has the sums of the step."""

    @property
    def is_held(self) -> bool:
        """Whether only the command that planned the step can finish it."""
        return bool(self.command)

    @property
    def records(self) -> int:
        """How many records the step covers; rows that are in a table already do not count."""
        return sum(piece.records for piece in self.slices if not isinstance(piece, RowSlice))

    @property
    def row_offsets(self) -> list[RowOffsets]:
        """The rows that the step names one by one."""
        return [piece.row_offsets for piece in self.slices if isinstance(piece, RowSlice)]


class Tally(msgspec.Struct, frozen=True, omit_defaults=True):
    """Records covered, rows made of them, and records rejected.

    `cells` counts by field the cells of the rows that had a text and that a rule made NULL. `latest` is the latest
    time of acceptance of the covered records, microseconds since 1970 UTC: records that follow in the partition count
    as accepted no earlier. Version 0.1 wrote neither.
    """

    records: int = 0
    rows: int = 0
    rejected: int = 0
    cells: dict[str, int] = {}
    latest: int = 0

    def __add__(self, other: Tally) -> Tally:
        cells = dict(self.cells)
        for field, count in other.cells.items():
            cells[field] = cells.get(field, 0) + count
        return Tally(
            self.records + other.records,
            self.rows + other.rows,
            self.rejected + other.rejected,
            cells,
            max(self.latest, other.latest),
        )


class Receipt(msgspec.Struct, frozen=True, omit_defaults=True):
    """The tally of each partition over all steps up to this one.

    `moved` names the records that this step moved out of quarantine.
    """

    job: str
    step: int
    totals: dict[int, Tally]
    moved: list[RowOffsets] = []
    rules: str = ""
    """The rules by which the step was done; version 0.1 wrote none."""


def slices_of(plan: Plan, kind: type[S]) -> list[S]:
    """The slices of a plan, checked to be of one kind.

    Raises:
        CorruptError: A slice is of another kind: the plan is not one of the job that reads it.
    """
    found = [piece for piece in plan.slices if isinstance(piece, kind)]
    if len(found) != len(plan.slices):
        raise CorruptError(
            f"step {plan.step} of {plan.job!r} has slices that are not {kind.__name__}s",
            where=f"plans/{plan.job}",
            hint="pinflow audit --deep",
        )
    return found


def add_tallies(totals: Mapping[int, Tally], tallies: Mapping[int, Tally]) -> dict[int, Tally]:
    """The sums of each partition after one more step."""
    return {**totals, **{number: totals.get(number, Tally()) + tally for number, tally in tallies.items()}}
