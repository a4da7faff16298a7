"""Plans and receipts: what they say, and how they stand as objects of the lake."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pinflow.errors import CorruptError, FencedError, TerminalError
from pinflow.failpoints import hit
from pinflow.lake.tables.commits import RowOffsets

if TYPE_CHECKING:
    from pinflow.lake.store.objects import Store
    from pinflow.lake.tables.table import Table

__all__ = [
    "Plan",
    "Receipt",
    "Slice",
    "Tally",
    "last_plan",
    "last_receipt",
    "pending_plan",
    "plan_path",
    "put_plan",
    "put_receipt",
    "read_plan",
    "read_receipt",
    "remove_plans",
    "rules_of_attempt",
]


class Slice(msgspec.Struct, frozen=True, omit_defaults=True):
    """Consecutive records of one partition: positions `start` up to, not including, `end`.

    `objects` are the landing objects that hold them, for jobs that read the landing zone; of the last only as many
    records as are left. `offsets` name records one by one, for steps that mean only some.
    """

    partition: int
    start: str
    end: str
    records: int
    objects: list[str] = []
    skip: int = 0
    offsets: list[int] = []

    @property
    def places(self) -> RowOffsets:
        """The records that are named one by one."""
        return RowOffsets(self.partition, self.offsets)


class Plan(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one step covers, and where every partition stands after it."""

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
    def moves(self) -> bool:
        """Whether the step moves records out of quarantine, and takes none in."""
        return any(piece.offsets for piece in self.slices)


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


def put_plan(store: Store, plan: Plan) -> bool:
    """Put a plan if there is none of its step; of several callers exactly one gets True.

    Raises:
        FencedError: Plans of later steps have come and gone: the caller has slept through them.
    """
    if not store.put_if_absent(plan_path(plan.job, plan.step), msgspec.json.encode(plan)):
        return False
    mark = store.get(_mark_path(plan.job))
    if mark is not None and plan.step < int(mark):
        raise FencedError(
            f"other workers of {plan.job!r} are far beyond step {plan.step}",
            where=store.child(_mark_path(plan.job)),
            hint="start this worker again",
        )
    return True


def put_receipt(store: Store, receipt: Receipt) -> None:
    """Put a receipt; it counts once its step is committed."""
    store.put(_receipt_path(receipt.job, receipt.step), msgspec.json.encode(receipt))


def rules_of_attempt(store: Store, plan: Plan) -> str:
    """The rules by which a step that is not committed was done last: those of its receipt, or else of its plan."""
    data = store.get(_receipt_path(plan.job, plan.step))
    attempt = msgspec.json.decode(data, type=Receipt).rules if data is not None else ""
    return attempt or plan.rules


def pending_plan(store: Store, job: str, step: int) -> Plan | None:
    """The plan of the step after a committed one, if there is one."""
    data = store.get(plan_path(job, step + 1))
    return _decoded(store, job, step + 1, data) if data is not None else None


def last_plan(store: Store, job: str, table: Table) -> Plan | None:
    """The plan of a job's last commit; None before the first."""
    step = table.version_of(job) if table.exists() else 0
    return read_plan(store, job, step) if step > 0 else None


def remove_plans(store: Store, job: str, before: int) -> int:
    """Remove plans and receipts of the steps before one, and return how many objects; safe to repeat.

    1. The mark says that they go: a worker that has slept since then finds it after it has put its plan.
    2. They go, the oldest first.
    """
    paths = sorted(
        path
        for path in store.list(f"plans/{job}")
        if (name := path.rpartition("/")[2].partition(".")[0]).isdigit() and int(name) < before
    )
    if not paths:
        return 0
    mark = store.get(_mark_path(job))
    if mark is None or int(mark) < before:
        store.put(_mark_path(job), str(before).encode())
    hit("maintain", "plans-marked")
    for path in paths:
        store.delete(path)
    hit("maintain", "plans-removed")
    return len(paths)


def last_receipt(store: Store, job: str, table: Table) -> Receipt | None:
    """What a job has come to, as of its last commit; None before the first."""
    step = table.version_of(job) if table.exists() else 0
    return read_receipt(store, job, step) if step > 0 else None


def plan_path(job: str, step: int) -> str:
    """Where the plan of a step stands."""
    return f"plans/{job}/{step:010d}.json"


def _receipt_path(job: str, step: int) -> str:
    return f"plans/{job}/{step:010d}.done.json"


def _mark_path(job: str) -> str:
    return f"plans/{job}/removed-before"


def read_plan(store: Store, job: str, step: int) -> Plan:
    """The plan of a committed step.

    Raises:
        CorruptError: It is gone.
    """
    return _decoded(store, job, step, _must(store, plan_path(job, step)))


def _decoded(store: Store, job: str, step: int, data: bytes) -> Plan:
    """A plan as it was read.

    Raises:
        TerminalError: It is of a job whose name differs in case only, and the lake cannot distinguish the two.
    """
    plan = msgspec.json.decode(data, type=Plan)
    if plan.job != job:
        raise TerminalError(
            f"the lake cannot distinguish the jobs {job!r} and {plan.job!r}: their names differ only in case",
            where=store.child(plan_path(job, step)),
            hint="rename one of the two topics, or set lake.url to a lake that is case-sensitive",
        )
    return plan


def read_receipt(store: Store, job: str, step: int) -> Receipt:
    """The receipt of a committed step.

    Raises:
        CorruptError: It is gone.
    """
    plan = read_plan(store, job, step)
    if plan.swaps:
        return Receipt(job, step, _swapped(store, plan))
    return msgspec.json.decode(_must(store, _receipt_path(job, step)), type=Receipt)


class _Swapped(msgspec.Struct):
    """What is asked here of a generation."""

    step: int = 0
    totals: dict[int, Tally] = {}


def _swapped(store: Store, plan: Plan) -> dict[int, Tally]:
    for path in sorted(store.list(f"generations/{plan.swaps}"), reverse=True):
        found = msgspec.json.decode(store.get(path) or b"{}", type=_Swapped)
        if found.step == plan.step:
            return found.totals
    raise CorruptError(
        "a committed step has lost its generation",
        where=store.child(f"generations/{plan.swaps}"),
        hint="pinflow audit --deep",
    )


def _must(store: Store, path: str) -> bytes:
    data = store.get(path)
    if data is None:
        raise CorruptError(
            "a committed step has lost its record", where=store.child(path), hint="pinflow audit --deep"
        )
    return data
