"""Plan, do, receipt, commit: how every job moves, and the loop that it moves in."""

from pinflow.steps.ledger import Plan, Slice, Tally
from pinflow.steps.steps import Prepared, Steps

__all__ = ["Plan", "Prepared", "Slice", "Steps", "Tally"]
