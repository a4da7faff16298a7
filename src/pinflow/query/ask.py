"""query: the questions of `pinflow.queries`, and free SQL, over the latest rows of the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pinflow.datasets import LINEAGE
from pinflow.engine import Result, Session, View
from pinflow.errors import AbsentError, ChangedTableError
from pinflow.jobs.pipelines import NULLED, QUARANTINE, Road, Side, roads, side_roads
from pinflow.queries import Question, questions
from pinflow.queries.columns import columns_read

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pinflow.jobs.runtime import Parts
    from pinflow.lake.tables.table import Table

__all__ = ["ask", "open_side", "run_sql"]


def ask(parts: Parts, side: Side, asked: Iterable[Question] | None = None) -> dict[str, Result]:
    """Answer questions (all of them by default) from the latest rows of one side, by name."""
    wanted = list(questions().values() if asked is None else asked)
    session = open_side(parts, side, wanted)
    try:
        return {each.name: session.ask(each.sql, where=each.path) for each in wanted}
    finally:
        session.close()


def open_side(parts: Parts, side: Side, asked: Iterable[Question]) -> Session:
    """A session in which `pin`, `geo` and `user` are the latest rows of one side, in the columns that are asked for."""
    _made(parts, side_roads(side, parts.config.id))
    read = [columns_read(each.sql) for each in asked]
    wanted = None if None in read else frozenset[str]().union(*(each for each in read if each is not None))
    return parts.engine.session(
        [msgspec.structs.replace(view, name=name) for name, view in _latest(parts, side, wanted).items()]
    )


def run_sql(parts: Parts, sql: str) -> Result:
    """Run one SELECT in the engine's own SQL over the latest rows of the six tables and what stands beside them.

    Those are their quarantines, and the samples of their cells that became NULL by a rule.

    Raises:
        UsageError: It is not one SELECT, or reaches for anything else.
    """
    _made(parts, roads(parts.config.id))
    views = [*_latest(parts, "batch").values(), *_latest(parts, "stream").values(), *_beside(parts)]
    session = parts.engine.session(views)
    try:
        return session.run(sql)
    finally:
        session.close()


def _made(parts: Parts, needed: Iterable[Road]) -> None:
    """Check that at least one table is there.

    Raises:
        AbsentError: There is none.
    """
    if not any(road.open_table(parts.store).exists() for road in needed):
        raise AbsentError(
            "there are no tables yet", where=parts.store.url, hint="pinflow demo, or pinflow up"
        )


def _latest(parts: Parts, side: Side, wanted: frozenset[str] | None = None) -> dict[str, View]:
    """Dataset → its latest rows, named as the table; of the clean columns those that are wanted, all by default."""
    views = {}
    for road in side_roads(side, parts.config.id):
        clean = road.dataset.clean
        columns = {name: kind for name, kind in clean.items() if wanted is None or name in wanted | {"ind"}}
        sql = road.dataset.latest(columns)
        views[road.dataset.name] = _view(road.table, road.open_table(parts.store), columns | LINEAGE, sql)
    return views


def _beside(parts: Parts) -> list[View]:
    views = []
    for road in roads(parts.config.id):
        views.append(_view(road.quarantine, road.open_quarantine(parts.store), QUARANTINE))
        views.append(_view(road.nulled, road.open_nulled(parts.store), NULLED))
    return views


def _view(name: str, table: Table, columns: dict[str, str], sql: str = "SELECT * FROM {table}") -> View:
    """A view of a table; one that another program has changed is missed only by the questions that need it."""
    try:
        return View(name, table.files(), columns, sql)
    except ChangedTableError as changed:
        return View(name, [], columns, sql, changed)
