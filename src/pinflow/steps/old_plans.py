"""Reading plans, also as they were written before they had a kind and their slices a tag."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pinflow.steps.plan import Plan
from pinflow.steps.slices import ForeignSlice, LandedSlice, LogSlice, RowSlice, Slice

if TYPE_CHECKING:
    from pinflow.steps.plan import Kind

__all__ = ["decode_plan"]


class _PlanHead(msgspec.Struct):
    """The part of a plan that shows which version wrote it."""

    kind: str = ""


class _OldSlice(msgspec.Struct):
    """A slice without a tag: its meaning follows from the fields that are set, and from the job."""

    partition: int
    start: str
    end: str
    records: int
    objects: list[str] = []
    skip: int = 0
    offsets: list[int] = []


class _OldPlan(msgspec.Struct):
    """A plan without a kind."""

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
    """Decode a plan that this version or an earlier one wrote."""
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
