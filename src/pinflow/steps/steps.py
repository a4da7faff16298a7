"""Plan, do, commit: how every job moves.

A job moves in numbered steps, and a step goes like this:

1. **Plan.** Which positions of which partitions the step covers is written to `plans/<job>/<step>.json`, if absent.
   It is the write-ahead record, and the fence: of two workers only one can put it.
2. **Do.** The job prepares what the plan names. It is deterministic in the plan, so doing it again is harmless.
3. **Receipt.** What came of it, summed up over all steps so far, goes to `plans/<job>/<step>.done.json`.
4. **Commit.** The prepared rows are appended table by table, each commit carrying the transaction (job, step). The
   last table's commit is the commit of the step.

A step may leave something to do after its commit (`Job.after_commit`): a worker that starts does it first.

A worker that starts reads the step that its table says is committed, and that step's plan and receipt. If the next
plan is there too, its owner died between 1 and 4, and the worker takes it up. A plan that appears while a worker
runs is another worker's. Of two the younger holds the job, whichever of them put the plan, so that never both give way:
the older is fenced, the younger takes the plan up.

*Deterministic in the plan* holds under one set of rules. A worker under others is fenced by a plan of one that runs.
One that is left by a dead worker it does by its own rules, and what that one had put of it beside the last table is
replaced.
"""

from __future__ import annotations

import os
import socket
import time
from abc import abstractmethod
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from pinflow.errors import CorruptError, FencedError, HeldError
from pinflow.failpoints import hit
from pinflow.steps.ledger import (
    Plan,
    Receipt,
    Slice,
    Tally,
    pending_plan,
    plan_path,
    put_plan,
    put_receipt,
    read_plan,
    read_receipt,
    rules_of_attempt,
)
from pinflow.steps.spelling import giving_up, spelled_today

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from arro3.core.types import ArrowStreamExportable

    from pinflow.lake.store.objects import Store
    from pinflow.lake.tables.commits import RowOffsets, Span
    from pinflow.lake.tables.table import Table

__all__ = ["Job", "Prepared", "Removal", "Steps"]


class Prepared(NamedTuple):
    """A step that is done but not committed: its tally a partition, and the rows of each table, in commit order.

    `spans` are the records that the step covers, for jobs that go by rules.
    """

    tallies: dict[int, Tally]
    writes: Sequence[tuple[Table, ArrowStreamExportable | Removal]]
    moved: Sequence[RowOffsets] = ()
    spans: Sequence[Span | RowOffsets] = ()


class Removal(NamedTuple):
    """Rows that a step takes away, where others append."""

    places: Sequence[RowOffsets]


class Job(Protocol):
    """What a job brings to the mechanism. A job names it as its base, and so has the defaults.

    Attributes:
        name: Names the plans and the transactions: `land/topic`, `batch/topic`, `stream/topic`.
        command: The one command that can do the job's steps; empty where any worker of the job can take one up.
        rules: Names the rules that the steps follow: with others it is another text. Empty where there are none.
        table: The table whose commit is the commit of a step: always the last that a step writes.
    """

    name: str
    table: Table
    command: str = ""
    rules: str = ""

    @abstractmethod
    def fetch_next(self, positions: dict[int, str]) -> Sequence[Slice]:
        """The slices of the next step, given where each partition stands; nothing when there is nothing to do now.

        It may read the records already and keep them, so that `prepare` need not read them again.
        """

    @abstractmethod
    def prepare(self, plan: Plan, before: Mapping[int, Tally]) -> Prepared:
        """Do the step. Deterministic in the plan, and in what the steps before it came to, a partition."""

    def after_commit(self, plan: Plan, receipt: Receipt) -> None:  # noqa: ARG002 - most jobs have nothing left
        """Do what a step leaves to do after its commit. Safe to repeat: a worker that starts calls it first."""
        return

    def renew(self) -> None:
        """Look again at what the job keeps and others may replace, such as its tables. Called after a failure."""
        return


class Steps:
    """One worker's way through the steps of one job. Does nothing before the first `advance`.

    `since` is when the worker started (nanoseconds since 1970 UTC). Without it, what the job fetches is meant for this
    moment only: it is fenced by every other worker, and fences the older ones.
    """

    def __init__(self, store: Store, job: Job, *, since: int | None = None) -> None:
        self._store = store
        self._job = job
        self._since = time.time_ns() if since is None else since
        self._yields = since is None
        self._rules = job.rules
        self._kind = job.name.partition("/")[0]
        self._worker = f"{socket.gethostname()}:{os.getpid()}"
        self._command = job.command
        self._step = -1
        self._made_at = 0
        self._positions: dict[int, str] = {}
        self._totals: dict[int, Tally] = {}

    def advance(self, *, pending_only: bool = False) -> Plan | None:
        """Take one step; with `pending_only` just one that another worker has planned and not committed.

        Returns:
            The plan of the step that was committed, or None when there was nothing to do.

        Raises:
            FencedError: Another worker advances this job, and this one gives way.
            HeldError: A command has begun a step that it has to finish.
        """
        plan = self._taken_up() if self._step < 0 else None
        if plan is not None:  # whose tables hold what the last attempt has put, by whichever rules
            plan = msgspec.structs.replace(plan, rules=rules_of_attempt(self._store, plan))
        else:
            if pending_only:
                return None
            slices = self._job.fetch_next(self._positions)
            if not slices:
                return None
            plan = self._planned(slices)
        hit(self._kind, "planned")
        prepared = self._job.prepare(plan, self._totals)
        hit(self._kind, "prepared")
        totals = dict(self._totals)
        for partition, tally in prepared.tallies.items():
            totals[partition] = totals.get(partition, Tally()) + tally
        receipt = Receipt(self._job.name, plan.step, totals, list(prepared.moved), self._rules)
        put_receipt(self._store, receipt)
        hit(self._kind, "receipted")
        if not self._commit(plan, prepared):
            self._step = -1  # an older worker was faster with this one: go on from what is on record
            return plan
        hit(self._kind, "committed")
        self._job.after_commit(plan, receipt)
        self._step, self._positions, self._totals = plan.step, plan.positions, totals
        self._made_at = plan.made_at
        return plan

    def _commit(self, plan: Plan, prepared: Prepared) -> bool:
        *others, (last, last_rows) = prepared.writes
        for table, rows in others:
            written = _write(table, self._job.name, plan.step, rows)
            if not written and plan.rules != self._rules and not isinstance(rows, Removal):
                table.replace(prepared.spans, rows)
            hit(self._kind, "half-committed")
        if _write(last, self._job.name, plan.step, last_rows):
            return True
        if self._outranks(plan):
            return False
        raise FencedError(
            f"another worker of {self._job.name!r} has committed step {plan.step}",
            where=last.url,
            hint="let that worker run, or stop it and start this one again",
        )

    def _outranks(self, plan: Plan) -> bool:
        if self._yields or plan.rules != self._rules or plan.command:
            return False
        return (plan.since, plan.worker) < (self._since, self._worker)

    def _taken_up(self) -> Plan | None:
        """Find where the job stands; the plan that is put but not committed, if there is one."""
        self._step = self._job.table.version_of(self._job.name)
        self._job.table.require_writable()
        if self._step > 0:
            last = read_plan(self._store, self._job.name, self._step)
            receipt = read_receipt(self._store, self._job.name, self._step)
            self._job.after_commit(last, receipt)
            self._positions = last.positions
            self._made_at = last.made_at
            self._totals = receipt.totals
        self._require_whole_table()
        plan = pending_plan(self._store, self._job.name, self._step)
        if plan is not None and spelled_today(plan.command) != spelled_today(self._command):
            finish = spelled_today(plan.command) or f"pinflow {self._kind} --drain"
            give_up = f", {giving_up(plan.command)}  gives it up" if plan.swaps else ""
            raise HeldError(
                f"step {plan.step} of {self._job.name!r} was begun by another command: {plan.worker}",
                where=self._store.child(plan_path(self._job.name, plan.step)),
                hint=f"{finish}  finishes it{give_up}",
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
                hint=f"bring the table back from a copy; or: {table.mend}",
            )

    def _planned(self, slices: Sequence[Slice]) -> Plan:
        step = self._step + 1
        plan = Plan(
            job=self._job.name,
            step=step,
            slices=list(slices),
            positions=self._positions | {piece.partition: piece.end for piece in slices},
            worker=self._worker,
            made_at=max(time.time_ns() // 1_000_000, self._made_at + 1),
            command=self._command,
            since=self._since,
            rules=self._rules,
        )
        if put_plan(self._store, plan):
            return plan
        other = read_plan(self._store, self._job.name, step)
        if self._outranks(other):
            return other
        kind = HeldError if other.command else FencedError
        raise kind(
            f"another worker of {self._job.name!r} has planned step {step}: {other.worker}",
            where=self._store.child(plan_path(self._job.name, step)),
            hint=spelled_today(other.command) or "let that worker run, or stop it and start this one again",
        )


def _write(table: Table, job: str, step: int, rows: ArrowStreamExportable | Removal) -> bool:
    if isinstance(rows, Removal):
        return table.remove(job, step, rows.places)
    return table.append(job, step, rows)
