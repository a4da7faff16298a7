"""Removing superseded rows: a job of its own, by plan, do, commit.

A row is superseded for good once a later record of its post is there, so it can go at any time. What went is counted
for ever in the receipts of the job `maintain/<folder>`, where <folder> is the table's generation: a fresh generation
begins with nothing removed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinflow.engine import View
from pinflow.lake.ledger import Plan, Slice, Tally, last_receipt
from pinflow.lake.plans import Prepared, Removal

if TYPE_CHECKING:
    from pinflow.engine import Engine
    from pinflow.jobs.sides import Road
    from pinflow.lake.store import Store
    from pinflow.lake.tables import Table

__all__ = ["RemovalJob", "count_superseded", "removal_name", "removed_rows"]

ROWS_A_STEP = 10_000
"""Rows named in one removal: with 50,000 the library's recursion over the list ends the process."""

ROWS_A_LOOK = 200_000
"""Rows looked for at once: a look reads the whole table, and this many fit any memory."""


class RemovalJob:
    """`lake.plans.Job` that removes the superseded rows of one table."""

    def __init__(self, road: Road, store: Store, engine: Engine) -> None:
        self.table = road.open_table(store)
        self.name = removal_name(self.table)
        self._road = road
        self._engine = engine
        self._known: list[tuple[int, int]] = []

    def survey(self, positions: dict[int, str]) -> list[Slice]:  # noqa: ARG002
        """See `lake.plans.Job`: the oldest superseded rows, each by its place."""
        found: dict[int, list[int]] = {}
        if not self._known:
            self._known = _superseded(self._road, self.table, self._engine)
        taken, self._known = self._known[:ROWS_A_STEP], self._known[ROWS_A_STEP:]
        for partition, offset in taken:
            found.setdefault(partition, []).append(offset)
        return [
            Slice(partition, str(min(offsets)), str(max(offsets) + 1), len(offsets), offsets=offsets)
            for partition, offsets in sorted(found.items())
        ]

    def prepare(self, plan: Plan) -> Prepared:
        """See `lake.plans.Job`: the tally counts rows removed."""
        tallies = {piece.partition: Tally(piece.records, piece.records) for piece in plan.slices}
        return Prepared(tallies, [(self.table, Removal([piece.places for piece in plan.slices]))])


def removal_name(table: Table) -> str:
    """The name of the job that removes superseded rows of this generation of a table."""
    return f"maintain/{table.folder}"


def removed_rows(store: Store, table: Table) -> dict[int, int]:
    """Partition → superseded rows that were removed from this generation of a table, ever."""
    receipt = last_receipt(store, removal_name(table), table)
    return {number: tally.rows for number, tally in receipt.totals.items()} if receipt is not None else {}


def count_superseded(road: Road, store: Store, engine: Engine) -> int:
    """Superseded rows that are in a table now."""
    table = road.open_table(store)
    session = engine.session([_places(table)])
    try:
        (row,) = session.ask(f"SELECT count(*) AS rows FROM ({_SUPERSEDED}) AS found", where="maintain").rows  # noqa: S608
    finally:
        session.close()
    return _int(row[0])


def _superseded(road: Road, table: Table, engine: Engine) -> list[tuple[int, int]]:
    """Partition and offset of superseded rows, the oldest first."""
    session = engine.session([_places(table)])
    try:
        found = session.ask(
            f"{_SUPERSEDED} ORDER BY _offset LIMIT {ROWS_A_LOOK}", where=f"maintain {road.table}"
        )
    finally:
        session.close()
    return [(_int(row[0]), _int(row[1])) for row in found.rows]


def _int(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"a number is none: {value!r}")
    return value


def _places(table: Table) -> View:
    columns = {"ind": "int", "_partition": "int", "_offset": "bigint"}
    return View("kept", table.files(), columns, "SELECT ind, _partition, _offset FROM {table}")


_SUPERSEDED = """
SELECT _partition, _offset
FROM (
  SELECT *, row_number() OVER (PARTITION BY ind ORDER BY _offset DESC, _partition DESC) AS newest FROM kept
) AS ranked
WHERE newest > 1 AND _partition IS NOT NULL AND _offset IS NOT NULL
"""
"""Rows that another program has added have no place, and are left alone."""
