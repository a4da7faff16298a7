"""The standing of a job, read at once: its last committed step, the sums so far, and the planned next step."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pinflow.steps.ledger import pending_plan, read_plan, read_receipt
from pinflow.steps.plan import Plan, Receipt, Tally

if TYPE_CHECKING:
    from pinflow.lake.store.objects import Store
    from pinflow.lake.tables.protocol import StepTable

__all__ = ["Standing", "lost_plan", "read_standing", "read_step", "standing_at"]


class Standing(NamedTuple):
    """The progress of a job.

    Attributes:
        step: Its last committed step, 0 before the first.
        plan: The plan of that step; None before the first.
        receipt: The receipt of that step, with the sums so far; None before the first.
        pending: The plan of the step after it, if there is one: its worker is doing it, or has died.
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


def read_standing(store: Store, job: str, table: StepTable) -> Standing:
    """The standing of a job by its table, or by a snapshot of it as of then.

    Raises:
        CorruptError: The plan or the receipt of its last step is missing.
    """
    return standing_at(store, job, read_step(job, table))


def read_step(job: str, table: StepTable) -> int:
    """The last committed step of a job; 0 if its table does not exist, which is not created."""
    return table.step_of(job) if table.exists() else 0


def standing_at(store: Store, job: str, step: int) -> Standing:
    """The standing of a job after a committed step; see `read_standing`."""
    plan = read_plan(store, job, step) if step else None
    receipt = read_receipt(store, plan) if plan is not None else None
    return Standing(step, plan, receipt, pending_plan(store, job, step))


def lost_plan(store: Store, job: str, table: StepTable, step: int) -> Plan | None:
    """A plan that shows that the table has lost commits after `step`; None where it has not.

    A plan is put only when the step before it is committed: so one that is two ahead shows a commit that is gone.
    """
    ahead = pending_plan(store, job, step + 1)
    return ahead if ahead is not None and table.step_of(job) == step else None
