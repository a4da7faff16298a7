"""Looking at the database of a source: whether it can be read, and what had better be otherwise."""

from __future__ import annotations

from msgspec import Struct

from pinflow.source.database import count_rows, existing
from pinflow.source.protocol import Server
from pinflow.source.tables import TABLES

__all__ = ["Examination", "examine"]


class Examination(Struct, frozen=True):
    """What was found: the server, and table → rows."""

    server: Server
    rows: dict[str, int]


def examine(url: str) -> Examination:
    """Log in, find the tables with all their columns, count their rows, and hear what the server says of itself.

    Raises:
        PinflowError: As `existing`.
    """
    with existing(url, long=True) as database, database.connect() as connection:
        for table in TABLES:
            database.backend.selection(connection, table)
        return Examination(database.backend.examine(connection), count_rows(connection))
