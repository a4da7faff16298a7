"""What a plan and a receipt say, and how they are written: JSON, also as earlier versions wrote it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar

import msgspec

from pinflow.errors import CorruptError
from pinflow.lake.tables.protocol import RowOffsets
from pinflow.steps.slices import ForeignSlice, LandedSlice, LogSlice, RowSlice, Slice

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Kind", "Plan", "Receipt", "Tally", "add_tallies", "decode_plan", "slices_of"]

S = TypeVar("S", LogSlice, LandedSlice, ForeignSlice, RowSlice)

Kind = Literal["land", "adopt", "clean", "move", "remove", "swap"]
"""What a step does.

`land`, `adopt`: records go to the landing zone, from the log or from the zone of another sink. `clean`: records become
clean rows or rejects. `move`: rejects become clean rows. `remove`: superseded rows go. `swap`: the tables that a
replay has built take the place of those before.
"""


class Plan(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one step covers, and where every partition stands after it."""

    kind: Kind
    job: str
    step: int
    slices: list[Slice]
    positions: dict[int, str]
    worker: str
    made_at: int
    """Milliseconds since 1970 UTC, later than that of the job's step before; steps that need a time take this one, so
    that doing them again agrees."""
    command: str = ""
    """The command that finishes the step, where no worker of the job can."""
    since: int = 0
    """When the worker started, nanoseconds since 1970 UTC: of two, the younger holds the job."""
    rules: str = ""
    """A fingerprint of the rules that the worker goes by: under others the step comes to something else."""
    swaps: str = ""
    """The table whose generations the step swaps. What it came to stands with the one that is put."""

    @property
    def records(self) -> int:
        """How many records the step takes in; rows that are in a table already do not count."""
        return sum(piece.records for piece in self.slices if not isinstance(piece, RowSlice))

    @property
    def row_offsets(self) -> list[RowOffsets]:
        """The rows that the step names one by one."""
        return [piece.row_offsets for piece in self.slices if isinstance(piece, RowSlice)]


class Tally(msgspec.Struct, frozen=True, omit_defaults=True):
    """Records covered, rows that came of them, and records rejected.

    `cells` counts, by field, the cells of the rows that had a text and became NULL by a rule. `latest` is the greatest
    time of acceptance among the records covered, microseconds since 1970 UTC: records that follow in the partition are
    accepted no earlier. What version 0.1 wrote has neither.
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

    `moved` names the records that this very step moved out of quarantine.
    """

    job: str
    step: int
    totals: dict[int, Tally]
    moved: list[RowOffsets] = []
    rules: str = ""
    """Those by which the step was done; empty in what version 0.1 wrote."""


def slices_of(plan: Plan, kind: type[S]) -> list[S]:
    """The slices of a plan all of whose slices are of one kind.

    Raises:
        CorruptError: One is of another: the plan is not of the job that reads it.
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
    """The sums of each partition with those of one more step."""
    return {**totals, **{number: totals.get(number, Tally()) + tally for number, tally in tallies.items()}}


class _PlanHead(msgspec.Struct):
    """As much of a plan as says how the rest is written."""

    kind: str = ""


class _OldSlice(msgspec.Struct):
    """A slice up to version 0.2: what it means follows from what is there, and from the job."""

    partition: int
    start: str
    end: str
    records: int
    objects: list[str] = []
    skip: int = 0
    offsets: list[int] = []


class _OldPlan(msgspec.Struct):
    """A plan up to version 0.2, which has no kind."""

    job: str
    step: int
    slices: list[_OldSlice]
    positions: dict[int, str]
    worker: str
    made_at: int
    command: str = ""
    since: int = 0
    rules: str = ""
    swaps: str = ""


def decode_plan(data: bytes) -> Plan:
    """A plan as it was written, by this version or an earlier one."""
    if msgspec.json.decode(data, type=_PlanHead).kind:
        return msgspec.json.decode(data, type=Plan)
    old = msgspec.json.decode(data, type=_OldPlan)
    kind = _kind_of(old)
    return Plan(
        kind,
        old.job,
        old.step,
        [_slice_of(piece, kind) for piece in old.slices],
        old.positions,
        old.worker,
        old.made_at,
        old.command,
        old.since,
        old.rules,
        old.swaps,
    )


def _kind_of(old: _OldPlan) -> Kind:
    job = old.job.partition("/")[0]
    if old.swaps:
        return "swap"
    if job == "land":
        return "adopt" if old.command else "land"
    if job == "maintain":
        return "remove"
    return "move" if any(piece.offsets for piece in old.slices) else "clean"


def _slice_of(old: _OldSlice, kind: Kind) -> Slice:
    if kind in {"move", "remove"}:
        return RowSlice(old.partition, old.offsets)
    if kind == "adopt":
        return ForeignSlice(old.partition, old.start, old.end, old.records, old.objects, old.skip)
    if old.objects:
        return LandedSlice(old.partition, old.start, old.end, old.records, old.objects, old.skip)
    return LogSlice(old.partition, old.start, old.end, old.records)
