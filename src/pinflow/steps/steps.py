"""Steps of a job: plan, do, receipt, commit.

A job moves in numbered steps. Each step is taken like this:

1. **Plan.** Write the positions that the step covers to `plans/<job>/<step>.json`, if absent. The plan is the
   write-ahead record, and the fence: of two workers only one can put it.
2. **Do.** The job prepares what the plan names. This is deterministic in the plan, so it can be repeated.
3. **Receipt.** Write the sums over all steps so far to `plans/<job>/<step>.done.json`.
4. **Commit.** Append the prepared rows table by table; each commit carries the transaction (job, step). The commit to
   the last table is the commit of the step.

A step may leave work to do after its commit (`Job.after_commit`); a worker that starts does it first.

A worker that starts reads from its table which step was committed last, and then that step's plan and receipt. If the
next plan exists too, its owner died between 1 and 4, and the worker resumes the step. A plan that appears while a
worker runs is another worker's. Of the two workers the younger holds the job, whichever of them put the plan, so that
never both give way: the older is fenced, and the younger resumes the plan.

*Deterministic in the plan* holds under one set of rules. A worker with other rules is fenced by the plan of a running
worker. The plan of a dead worker it does by its own rules, and replaces the rows that the dead worker had committed to
other tables than the last.
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
from pinflow.lake.tables.protocol import Append, Replace
from pinflow.steps.commands import giving_up, spelled_today
from pinflow.steps.ledger import (
    plan_path,
    put_plan,
    put_receipt,
    read_plan,
    rules_of_attempt,
)
from pinflow.steps.observer import Observer
from pinflow.steps.plan import Plan, Receipt, add_tallies
from pinflow.steps.slices import RowSlice
from pinflow.steps.standing import Standing, lost_plan, standing_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pinflow.lake.store.objects import Store
    from pinflow.lake.tables.protocol import Change, RowOffsets, Span, Table
    from pinflow.steps.plan import Kind, Tally
    from pinflow.steps.slices import Slice

__all__ = ["Job", "Prepared", "Steps", "this_worker"]


class Prepared(NamedTuple):
    """A step that is done but not committed: the tally of each partition, and the change of each table in commit order.

    `spans` are the records that the step covers, for jobs that follow rules.
    """

    tallies: dict[int, Tally]
    changes: Sequence[tuple[Table, Change]]
    moved: Sequence[RowOffsets] = ()
    spans: Sequence[Span | RowOffsets] = ()


class Job(Protocol):
    """What `Steps` needs of a job. Jobs name this protocol as their base, and so have the defaults.

    Attributes:
        name: Names the plans and the transactions: `land/topic`, `batch/topic`, `stream/topic`.
        command: The only command that can do the job's steps; empty if any worker of the job can resume one.
        kind: What its steps do.
        rules: A fingerprint of the rules that the steps follow; empty if they follow none.
        table: The table whose commit is the commit of a step: the last that a step writes.
    """

    name: str
    kind: Kind
    table: Table
    command: str = ""
    rules: str = ""

    @abstractmethod
    def fetch_next(self, positions: dict[int, str]) -> Sequence[Slice]:
        """The slices of the next step after these positions; empty if there is nothing to do now.

        It may read the records and keep them, so that `prepare` need not read them again.
        """

    @abstractmethod
    def prepare(self, plan: Plan, before: Mapping[int, Tally]) -> Prepared:
        """Do the step. Deterministic in the plan, and in the sums of each partition before it."""

    def after_commit(self, plan: Plan, receipt: Receipt) -> None:  # noqa: ARG002 - most jobs have nothing to do
        """Do what is left after the step's commit. Must be safe to repeat: a worker that starts calls it first."""
        return

    def renew(self) -> None:
        """Read again what the job keeps and others may replace, such as its tables. Called after a failure."""
        return


class Steps:
    """Takes the steps of one job for one worker. Does nothing before the first call.

    `since` is when the worker started (nanoseconds since 1970 UTC). Without it the worker yields to every other worker,
    since the slices that its job fetches hold for this moment only; it still fences older workers.
    """

    def __init__(
        self, store: Store, job: Job, *, since: int | None = None, observer: Observer | None = None
    ) -> None:
        self._store = store
        self._job = job
        self._since = time.time_ns() if since is None else since
        self._yields = since is None
        self._observer = observer or Observer()
        self._scope = job.name.partition("/")[0]
        self._worker = this_worker()
        self._standing: Standing | None = None

    def advance(self, *, pending_only: bool = False) -> Plan | None:
        """Take one step; with `pending_only` only one that another worker has planned and not committed.

        Returns:
            The plan of the committed step, or None if there was nothing to do.

        Raises:
            FencedError: Another worker advances this job, and this one gives way.
            HeldError: A command has begun a step that only it can finish.
        """
        plan = self.pending()
        if plan is None:
            slices = [] if pending_only else self._job.fetch_next(self.standing().positions)
            if not slices:
                return None
            plan = self.plan(slices)
        self.perform(plan)
        return plan

    def standing(self) -> Standing:
        """The standing of the job: read from the lake at first, and kept up to date with this worker's steps.

        Raises:
            CorruptError: Commits of the table are missing, or the plan or receipt of its last step.
            HeldError: A command has begun a step that only it can finish.
        """
        if self._standing is None:
            step = self._job.table.step_of(self._job.name)
            self._job.table.require_writable()
            standing = standing_at(self._store, self._job.name, step)
            if standing.plan is not None and standing.receipt is not None:
                self._job.after_commit(standing.plan, standing.receipt)
            self._require_whole_table(step)
            if standing.pending is not None and spelled_today(standing.pending.command) != spelled_today(
                self._job.command
            ):
                raise self._held_error(standing.pending)
            self._standing = standing
        return self._standing

    def pending(self) -> Plan | None:
        """The step that is planned and not committed, if there is one; perform it before planning another."""
        plan = self.standing().pending
        if plan is None:
            return None
        # its tables hold the rows of the last attempt, by the rules of that attempt
        return msgspec.structs.replace(plan, rules=rules_of_attempt(self._store, plan))

    def plan(self, slices: Sequence[Slice]) -> Plan:
        """1. Plan the next step, or return the plan of an older worker that put one first and gives way.

        Raises:
            FencedError: Another worker has planned the step, and this one gives way.
            HeldError: A command has planned it.
        """
        standing = self.standing()
        made_at = standing.plan.made_at if standing.plan is not None else 0
        moved = {piece.partition: piece.end for piece in slices if not isinstance(piece, RowSlice)}
        plan = Plan(
            kind=self._job.kind,
            job=self._job.name,
            step=standing.step + 1,
            slices=list(slices),
            positions=standing.positions | moved,
            worker=self._worker,
            made_at=max(time.time_ns() // 1_000_000, made_at + 1),
            command=self._job.command,
            since=self._since,
            rules=self._job.rules,
        )
        if put_plan(self._store, plan):
            return plan
        other = read_plan(self._store, self._job.name, plan.step)
        if self._outranks(other):
            return other
        kind = HeldError if other.is_held else FencedError
        raise kind(
            f"another worker of {self._job.name!r} has planned step {plan.step}: {other.worker}",
            where=self._store.child(plan_path(self._job.name, plan.step)),
            hint=spelled_today(other.command) or "let that worker run, or stop it and start this one again",
        )

    def perform(self, plan: Plan) -> None:
        """Do a planned step and commit it. Safe to repeat, here and by another worker.

        Raises:
            FencedError: Another worker has committed it, and this one gives way.
        """
        started = time.monotonic()
        self._observer.planned(plan)
        hit(self._scope, "planned")
        before = self.standing().totals
        prepared = self._job.prepare(plan, before)  # 2. do
        hit(self._scope, "prepared")
        totals = add_tallies(before, prepared.tallies)
        receipt = Receipt(self._job.name, plan.step, totals, list(prepared.moved), self._job.rules)
        put_receipt(self._store, receipt)  # 3. receipt
        hit(self._scope, "receipted")
        if not self._commit(plan, prepared):  # 4. commit
            self._standing = None  # an older worker committed it first: read the standing again
            return
        hit(self._scope, "committed")
        self._job.after_commit(plan, receipt)
        self._standing = Standing(plan.step, plan, receipt)
        self._observer.committed(plan, receipt, time.monotonic() - started)

    def _commit(self, plan: Plan, prepared: Prepared) -> bool:
        *others, (last, last_change) = prepared.changes
        for table, change in others:
            written = table.commit(self._job.name, plan.step, change)
            if not written and plan.rules != self._job.rules and isinstance(change, Append):
                table.commit(self._job.name, plan.step, Replace(prepared.spans, change.rows))
            hit(self._scope, "half-committed")
        if last.commit(self._job.name, plan.step, last_change):
            return True
        if self._outranks(plan):
            return False
        raise FencedError(
            f"another worker of {self._job.name!r} has committed step {plan.step}",
            where=last.url,
            hint="let that worker run, or stop it and start this one again",
        )

    def _outranks(self, plan: Plan) -> bool:
        if self._yields or plan.rules != self._job.rules or plan.is_held:
            return False
        return (plan.since, plan.worker) < (self._since, self._worker)

    def _held_error(self, plan: Plan) -> HeldError:
        finish = spelled_today(plan.command) or f"pinflow {self._scope} --drain"
        give_up = f", or {giving_up(plan.command)} to give it up" if plan.kind == "swap" else ""
        return HeldError(
            f"step {plan.step} of {self._job.name!r} was begun by another command: {plan.worker}",
            where=self._store.child(plan_path(self._job.name, plan.step)),
            hint=f"run {finish} to finish it{give_up}",
        )

    def _require_whole_table(self, step: int) -> None:
        name, table = self._job.name, self._job.table
        ahead = lost_plan(self._store, name, table, step)
        if ahead is not None:
            raise CorruptError(
                f"table {table.name!r} has lost commits: it knows step {step} of {name!r}, not {ahead.step - 1}",
                where=table.url,
                hint=f"restore the table from a copy, or: {table.mend}",
            )


def this_worker() -> str:
    """The name of this process in plans and reports: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"
