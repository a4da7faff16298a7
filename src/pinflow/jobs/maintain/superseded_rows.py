"""Removing superseded rows: a job of its own that plans, does and commits steps.

A row stays superseded once the table has a later record of its post, so it can be removed at any time;
`datasets/superseded.sql` finds such rows. The receipts of the job `maintain/<folder>` count the removed rows for ever.
<folder> is the folder of the table's generation: a fresh generation begins with no rows removed.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from pinflow.datasets import over_ranked
from pinflow.engine import View, as_int
from pinflow.lake.landing.zone import ADOPTED
from pinflow.lake.tables.protocol import Remove
from pinflow.steps.plan import Plan, Tally
from pinflow.steps.slices import RowSlice, Slice
from pinflow.steps.standing import read_standing
from pinflow.steps.steps import Job, Prepared

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pinflow.engine import Engine
    from pinflow.jobs.pipelines import Pipeline
    from pinflow.jobs.runtime import Runtime
    from pinflow.lake.store.objects import Store
    from pinflow.lake.tables.protocol import Snapshot, Table, Tables

__all__ = ["Clocks", "RemovalJob", "clocks_of", "count_superseded", "removal_name", "removed_rows"]

ROWS_A_STEP = 10_000
"""Rows named in one removal: with 50,000 the library's recursion over the list ends the process."""

ROWS_A_QUERY = 200_000
"""Rows found by one query: each query reads the whole table, and this many rows fit into any memory."""

CLOCK_SLACK_US = 3_600_000_000
"""An hour: if clocks of brokers, gateways and producers differ by more, one of them is wrong."""

NEVER_US = 1 << 60
"""More microseconds than have passed since 1970: with this slack only offsets count."""


class RemovalJob(Job):
    """A `Job` that removes the superseded rows of one table."""

    kind = "remove"

    def __init__(self, pipeline: Pipeline, tables: Tables, engine: Engine, clocks: Clocks) -> None:
        self.table = pipeline.open_table(tables)
        self.name = removal_name(self.table.folder)
        self._find = partial(_find_superseded, self.table, engine, clocks)
        self._found: list[tuple[int, int]] = []

    def fetch_next(self, positions: dict[int, str]) -> Sequence[Slice]:  # noqa: ARG002
        """See `Job`: the oldest superseded rows, each by its partition and offset."""
        found: dict[int, list[int]] = {}
        if not self._found:
            self._found = self._find()
        taken, self._found = self._found[:ROWS_A_STEP], self._found[ROWS_A_STEP:]
        for partition, offset in taken:
            found.setdefault(partition, []).append(offset)
        return [RowSlice(partition, offsets) for partition, offsets in sorted(found.items())]

    def prepare(self, plan: Plan, before: Mapping[int, Tally]) -> Prepared:  # noqa: ARG002 - a row is a row
        """See `Job`: the tally counts rows removed."""
        tallies = {each.partition: Tally(len(each.offsets), len(each.offsets)) for each in plan.row_offsets}
        return Prepared(tallies, [(self.table, Remove(plan.row_offsets))])


def removal_name(folder: str) -> str:
    """The job that removes superseded rows of a generation, named by the folder of its table."""
    return f"maintain/{folder}"


def removed_rows(store: Store, table: Table | Snapshot) -> dict[int, int]:
    """Partition → superseded rows that were ever removed from this generation of a table."""
    totals = read_standing(store, removal_name(table.folder), table).totals
    return {number: tally.rows for number, tally in totals.items()}


class Clocks(NamedTuple):
    """How exactly times of acceptance order two records of different partitions.

    The times may be off by `slack_us` microseconds; from `exact_from_us` (microseconds since 1970 UTC) on they are
    exact.
    """

    slack_us: int
    exact_from_us: int


def clocks_of(runtime: Runtime, pipeline: Pipeline) -> Clocks:
    """How exact the times of a pipeline's records are.

    The times of an adopted zone are those at which its files were written, however long the records had waited before.
    They cannot order records of different partitions.
    """
    if any(landed.path.startswith(f"{ADOPTED}/") for landed in runtime.landing.objects(pipeline.topic)):
        return Clocks(NEVER_US, NEVER_US)
    exact_from = runtime.log.exact_from
    return Clocks(CLOCK_SLACK_US, NEVER_US if exact_from is None else exact_from)


def count_superseded(pipeline: Pipeline, tables: Tables, engine: Engine, clocks: Clocks) -> int:
    """How many rows `RemovalJob` would remove from a table now."""
    sql = f"SELECT count(*) AS rows FROM ({_superseded_sql(clocks)}) AS found"  # noqa: S608
    return as_int(_query(pipeline.open_table(tables), engine, sql)[0][0])


def _find_superseded(table: Table, engine: Engine, clocks: Clocks) -> list[tuple[int, int]]:
    """Partition and offset of superseded rows, the oldest first."""
    rows = _query(table, engine, f"{_superseded_sql(clocks)} LIMIT {ROWS_A_QUERY}")
    return [(as_int(row[0]), as_int(row[1])) for row in rows]


def _superseded_sql(clocks: Clocks) -> str:
    sql = over_ranked("superseded").replace("{table}", "kept")
    return sql.replace("{slack}", str(clocks.slack_us)).replace("{exact_from}", str(clocks.exact_from_us))


def _query(table: Table, engine: Engine, sql: str) -> list[tuple[object, ...]]:
    session = engine.session([_view_of_posts(table)])
    try:
        return session.ask(sql, where="pinflow/datasets/superseded.sql").rows
    finally:
        session.close()


def _view_of_posts(table: Table) -> View:
    columns = {
        "ind": "int",
        "_topic": "string",
        "_partition": "int",
        "_offset": "bigint",
        "_accepted_at": "timestamp",
    }
    return View("kept", table.snapshot(), columns, f"SELECT {', '.join(columns)} FROM {{table}}")  # noqa: S608
