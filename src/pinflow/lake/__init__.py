"""The lake: landing objects, tables, and the plans by which jobs move."""

from pinflow.lake.landing import Landed, Landing
from pinflow.lake.ledger import Plan, Slice, Tally
from pinflow.lake.plans import Prepared, Steps
from pinflow.lake.store import Store, open_store
from pinflow.lake.tables import Column, Table

__all__ = [
    "Column",
    "Landed",
    "Landing",
    "Plan",
    "Prepared",
    "Slice",
    "Steps",
    "Store",
    "Table",
    "Tally",
    "open_store",
]
