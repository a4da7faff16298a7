"""The lake: objects, the landing zone, and tables."""

from pinflow.lake.landing.zone import Landed, Landing
from pinflow.lake.store.objects import Store
from pinflow.lake.store.registry import open_store
from pinflow.lake.tables.protocol import Column, Snapshot, Table, Tables

__all__ = ["Column", "Landed", "Landing", "Snapshot", "Store", "Table", "Tables", "open_store"]
