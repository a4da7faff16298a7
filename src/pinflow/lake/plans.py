"""Plan, do, commit: how every job moves.

A job moves in numbered steps, and a step goes like this:

1. **Plan.** Which positions of which partitions the step covers is written to `plans/<job>/<step>.json`, if absent.
   It is the write-ahead record, and the fence: of two workers only one can put it.
2. **Do.** The job prepares what the plan names. It is deterministic in the plan, so doing it again is harmless.
3. **Receipt.** What came of it, summed up over all steps so far, goes to `plans/<job>/<step>.done.json`.
4. **Commit.** The prepared rows are appended table by table, each commit carrying the transaction (job, step). The
   last table's commit is the commit of the step.

A step may leave something to do after its commit (`Settles`): a worker that starts does it before anything else.

A worker that starts reads the step that its table says is committed, and that step's plan and receipt. If the next
plan is there too, its owner died between 1 and 4, and the worker takes it up. A plan that appears while a worker
runs is another worker's: the worker is fenced.
"""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import msgspec

from pinflow.crash import reached
from pinflow.errors import CorruptError, FencedError
from pinflow.lake.tables import Places

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arro3.core.types import ArrowStreamExportable

    from pinflow.lake.store import Store
    from pinflow.lake.tables import Table

__all__ = [
    "Job",
    "Plan",
    "Prepared",
    "Receipt",
    "Removal",
    "Settles",
    "Slice",
    "Steps",
    "Tally",
    "last_plan",
    "last_receipt",
    "pending_plan",
    "put_plan",
    "put_receipt",
    "remove_plans",
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
    def places(self) -> Places:
        """The records that are named one by one."""
        return Places(self.partition, self.offsets)


class Plan(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one step covers, and where every partition stands after it."""

    job: str
    step: int
    slices: list[Slice]
    positions: dict[int, str]
    worker: str
    made_at: int
    """Milliseconds since 1970 UTC; steps that need a time take this one, so that doing them again agrees."""
    command: str = ""
    """The command that finishes the step, where no worker of the job can."""

    @property
    def moves(self) -> bool:
        """Whether the step moves records out of quarantine, and takes none in."""
        return any(piece.offsets for piece in self.slices)


class Tally(msgspec.Struct, frozen=True):
    """Records covered, rows that came of them, and records rejected."""

    records: int = 0
    rows: int = 0
    rejected: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.records + other.records, self.rows + other.rows, self.rejected + other.rejected)


class Receipt(msgspec.Struct, frozen=True, omit_defaults=True):
    """The tally of each partition over all steps up to this one.

    `moved` names the records that this very step moved out of quarantine.
    """

    job: str
    step: int
    totals: dict[int, Tally]
    moved: list[Places] = []


class Prepared(NamedTuple):
    """A step that is done but not committed: its tally a partition, and the rows of each table, in commit order."""

    tallies: dict[int, Tally]
    writes: Sequence[tuple[Table, ArrowStreamExportable | Removal]]
    moved: Sequence[Places] = ()


class Removal(NamedTuple):
    """Rows that a step takes away, where others append."""

    places: Sequence[Places]


class Job(Protocol):
    """What a job brings to the mechanism."""

    name: str
    """Names the plans and the transactions: `land/topic`, `batch/topic`, `stream/topic`."""

    @property
    def table(self) -> Table:
        """The table whose commit is the commit of a step: always the last that a step writes."""

    def survey(self, positions: dict[int, str]) -> Sequence[Slice]:
        """The slices of the next step, given where each partition stands; nothing when there is nothing to do now."""

    def prepare(self, plan: Plan) -> Prepared:
        """Do the step. Deterministic in the plan."""


@runtime_checkable
class Settles(Protocol):
    """A job whose steps may leave something to do after their commit."""

    def settle(self, receipt: Receipt) -> None:
        """Do it. Safe to repeat."""


class Steps:
    """One worker's way through the steps of one job. Does nothing before the first `advance`."""

    def __init__(self, store: Store, job: Job) -> None:
        self._store = store
        self._job = job
        self._kind = job.name.partition("/")[0]
        self._worker = f"{socket.gethostname()}:{os.getpid()}"
        self._step = -1
        self._positions: dict[int, str] = {}
        self._totals: dict[int, Tally] = {}

    def advance(self, *, pending_only: bool = False) -> Plan | None:
        """Take one step; with `pending_only` just one that another worker has planned and not committed.

        Returns:
            The plan of the step that was committed, or None when there was nothing to do.

        Raises:
            FencedError: Another worker advances this job.
        """
        plan = self._taken_up() if self._step < 0 else None
        if plan is None:
            if pending_only:
                return None
            slices = self._job.survey(self._positions)
            if not slices:
                return None
            plan = self._planned(slices)
        reached(self._kind, "planned")
        prepared = self._job.prepare(plan)
        reached(self._kind, "prepared")
        totals = dict(self._totals)
        for partition, tally in prepared.tallies.items():
            totals[partition] = totals.get(partition, Tally()) + tally
        receipt = Receipt(self._job.name, plan.step, totals, list(prepared.moved))
        put_receipt(self._store, receipt)
        reached(self._kind, "receipted")
        self._commit(plan, prepared)
        reached(self._kind, "committed")
        if isinstance(self._job, Settles):
            self._job.settle(receipt)
        self._step, self._positions, self._totals = plan.step, plan.positions, totals
        return plan

    def _commit(self, plan: Plan, prepared: Prepared) -> None:
        *others, (last, last_rows) = prepared.writes
        for table, rows in others:
            _write(table, self._job.name, plan.step, rows)
            reached(self._kind, "half-committed")
        if not _write(last, self._job.name, plan.step, last_rows):
            raise FencedError(
                f"another worker of {self._job.name!r} has committed step {plan.step}",
                where=last.url,
                hint="let that worker run, or stop it and start this one again",
            )

    def _taken_up(self) -> Plan | None:
        """Find where the job stands; the plan that is put but not committed, if there is one."""
        self._step = self._job.table.version_of(self._job.name)
        if self._step > 0:
            self._positions = _read_plan(self._store, self._job.name, self._step).positions
            receipt = _read_receipt(self._store, self._job.name, self._step)
            if isinstance(self._job, Settles):
                self._job.settle(receipt)
            self._totals = receipt.totals
        self._require_whole_table()
        plan = pending_plan(self._store, self._job.name, self._step)
        if plan is not None and plan.command:
            raise FencedError(
                f"step {plan.step} of {self._job.name!r} was begun by another command: {plan.worker}",
                where=self._store.child(_plan_path(self._job.name, plan.step)),
                hint=f"{plan.command}  finishes it",
            )
        return plan

    def _require_whole_table(self) -> None:
        """A plan is put only when the step before is committed: one that is two ahead shows that commits are gone."""
        name, table = self._job.name, self._job.table
        ahead = pending_plan(self._store, name, self._step + 1)
        if ahead is not None and table.version_of(name) == self._step:
            raise CorruptError(
                f"table {table.name!r} has lost commits: it knows step {self._step} of {name!r}, not {ahead.step - 1}",
                where=table.url,
                hint="bring the table back from a copy; pinflow audit says what is missing",
            )

    def _planned(self, slices: Sequence[Slice]) -> Plan:
        step = self._step + 1
        plan = Plan(
            job=self._job.name,
            step=step,
            slices=list(slices),
            positions=self._positions | {piece.partition: piece.end for piece in slices},
            worker=self._worker,
            made_at=time.time_ns() // 1_000_000,
        )
        if not put_plan(self._store, plan):
            other = _read_plan(self._store, self._job.name, step)
            raise FencedError(
                f"another worker of {self._job.name!r} has planned step {step}: {other.worker}",
                where=self._store.child(_plan_path(self._job.name, step)),
                hint=other.command or "let that worker run, or stop it and start this one again",
            )
        return plan


def put_plan(store: Store, plan: Plan) -> bool:
    """Put a plan if there is none of its step; of several callers exactly one gets True.

    Raises:
        FencedError: Plans of later steps have come and gone: the caller has slept through them.
    """
    if not store.put_if_absent(_plan_path(plan.job, plan.step), msgspec.json.encode(plan)):
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


def pending_plan(store: Store, job: str, step: int) -> Plan | None:
    """The plan of the step after a committed one, if there is one."""
    data = store.get(_plan_path(job, step + 1))
    return msgspec.json.decode(data, type=Plan) if data is not None else None


def last_plan(store: Store, job: str, table: Table) -> Plan | None:
    """The plan of a job's last commit; None before the first."""
    step = table.version_of(job) if table.exists() else 0
    return _read_plan(store, job, step) if step > 0 else None


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
    reached("maintain", "plans-marked")
    for path in paths:
        store.delete(path)
    reached("maintain", "plans-removed")
    return len(paths)


def _write(table: Table, job: str, step: int, rows: ArrowStreamExportable | Removal) -> bool:
    if isinstance(rows, Removal):
        return table.remove(job, step, rows.places)
    return table.append(job, step, rows)


def last_receipt(store: Store, job: str, table: Table) -> Receipt | None:
    """What a job has come to, as of its last commit; None before the first."""
    step = table.version_of(job) if table.exists() else 0
    return _read_receipt(store, job, step) if step > 0 else None


def _plan_path(job: str, step: int) -> str:
    return f"plans/{job}/{step:010d}.json"


def _receipt_path(job: str, step: int) -> str:
    return f"plans/{job}/{step:010d}.done.json"


def _mark_path(job: str) -> str:
    return f"plans/{job}/removed-before"


def _read_plan(store: Store, job: str, step: int) -> Plan:
    return msgspec.json.decode(_must(store, _plan_path(job, step)), type=Plan)


def _read_receipt(store: Store, job: str, step: int) -> Receipt:
    return msgspec.json.decode(_must(store, _receipt_path(job, step)), type=Receipt)


def _must(store: Store, path: str) -> bytes:
    data = store.get(path)
    if data is None:
        raise CorruptError(
            "a committed step has lost its record", where=store.child(path), hint="pinflow audit --deep"
        )
    return data
