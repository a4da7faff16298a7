"""Steps of jobs (plan, do, receipt, commit), and the loop that runs them."""

from pinflow.steps.observer import Observer
from pinflow.steps.plan import Plan, Receipt, Tally
from pinflow.steps.slices import ForeignSlice, LandedSlice, LogSlice, RowSlice, Slice
from pinflow.steps.standing import Standing
from pinflow.steps.steps import Job, Prepared, Steps

__all__ = [
    "ForeignSlice",
    "Job",
    "LandedSlice",
    "LogSlice",
    "Observer",
    "Plan",
    "Prepared",
    "Receipt",
    "RowSlice",
    "Slice",
    "Standing",
    "Steps",
    "Tally",
]
