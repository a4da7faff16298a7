"""The lake: objects, the landing zone, and tables."""

from pinflow.lake.landing.zone import Landed, Landing
from pinflow.lake.store.objects import Store
from pinflow.lake.store.registry import open_store
from pinflow.lake.tables.table import Column, Table

__all__ = ["Column", "Landed", "Landing", "Store", "Table", "open_store"]
