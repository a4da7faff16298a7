"""Where a job stands, read at once: its last committed step, what it has come to, and what is planned next."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from pinflow.steps.ledger import pending_plan, read_plan, read_receipt
from pinflow.steps.plan import Plan, Receipt, Tally

if TYPE_CHECKING:
    from pinflow.lake.store.objects import Store

__all__ = ["Standing", "StepTable", "read_standing", "read_step", "standing_at"]


class StepTable(Protocol):
    """What says which steps are committed: a table, or a snapshot of one."""

    def exists(self) -> bool:
        """Whether it is there."""

    def step_of(self, job: str) -> int:
        """The last step that a job committed."""


class Standing(NamedTuple):
    """Where a job stands.

    Attributes:
        step: Its last committed step, 0 before the first.
        plan: The plan of that step; None before the first.
        receipt: The receipt of that step, which a step that is not committed yet would add to; None before the first.
        pending: The plan of the step after it, if one was put: its worker is at it, or has died.
    """

    step: int = 0
    plan: Plan | None = None
    receipt: Receipt | None = None
    pending: Plan | None = None

    @property
    def positions(self) -> dict[int, str]:
        """Partition → the position up to which the job has committed."""
        return self.plan.positions if self.plan is not None else {}

    @property
    def totals(self) -> dict[int, Tally]:
        """Partition → the sums over all steps."""
        return self.receipt.totals if self.receipt is not None else {}

    @property
    def total(self) -> Tally:
        """The sums over all steps and partitions."""
        return sum(self.totals.values(), Tally())

    @property
    def held_by(self) -> Plan | None:
        """The pending step, where only the command that has planned it can finish it."""
        return self.pending if self.pending is not None and self.pending.command else None


def read_standing(store: Store, job: str, table: StepTable) -> Standing:
    """Where a job stands by its table; by a snapshot, where it stood then.

    Raises:
        CorruptError: The plan or the receipt of its last step is gone.
    """
    return standing_at(store, job, read_step(job, table))


def read_step(job: str, table: StepTable) -> int:
    """The last committed step of a job, 0 where its table is not there; makes none."""
    return table.step_of(job) if table.exists() else 0


def standing_at(store: Store, job: str, step: int) -> Standing:
    """Where a job stands after a step that is committed; see `read_standing`."""
    plan = read_plan(store, job, step) if step else None
    receipt = read_receipt(store, plan) if plan is not None else None
    return Standing(step, plan, receipt, pending_plan(store, job, step))
