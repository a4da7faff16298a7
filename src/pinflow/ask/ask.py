"""query: the questions of `pinflow.queries`, and free SQL, over the latest rows of the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinflow.datasets import LINEAGE
from pinflow.engine import Result, Session, View
from pinflow.errors import AbsentError, ChangedTableError
from pinflow.jobs.pipelines import NULLED, QUARANTINE, Pipeline, Side, pipelines, side_pipelines
from pinflow.queries import Question, questions
from pinflow.queries.columns import columns_read

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pinflow.jobs.runtime import Runtime
    from pinflow.lake.tables.protocol import Table

__all__ = ["ask", "open_side", "run_sql"]


def ask(runtime: Runtime, side: Side, asked: Iterable[Question] | None = None) -> dict[str, Result]:
    """Answer questions (all of them by default) from the latest rows of one side, by name."""
    wanted = list(questions().values() if asked is None else asked)
    session = open_side(runtime, side, wanted)
    try:
        return {each.name: session.ask(each.sql, where=each.path) for each in wanted}
    finally:
        session.close()


def open_side(runtime: Runtime, side: Side, asked: Iterable[Question]) -> Session:
    """A session in which `pin`, `geo` and `user` are the latest rows of one side, in the columns that are asked for."""
    _require_tables(runtime, side_pipelines(side, runtime.config.id))
    read = [columns_read(each.sql) for each in asked]
    wanted = None if None in read else frozenset[str]().union(*(each for each in read if each is not None))
    return runtime.engine.session(
        [view._replace(name=name) for name, view in _latest_views(runtime, side, wanted).items()]
    )


def run_sql(runtime: Runtime, sql: str) -> Result:
    """Run one SELECT in the engine's own SQL over the latest rows of the six tables, and over their side tables.

    Those are their quarantines, and the samples of their cells that became NULL by a rule.

    Raises:
        UsageError: It is not one SELECT, or reaches for anything else.
    """
    _require_tables(runtime, pipelines(runtime.config.id))
    views = [
        *_latest_views(runtime, "batch").values(),
        *_latest_views(runtime, "stream").values(),
        *_side_views(runtime),
    ]
    session = runtime.engine.session(views)
    try:
        return session.run(sql)
    finally:
        session.close()


def _require_tables(runtime: Runtime, needed: Iterable[Pipeline]) -> None:
    """Check that at least one table exists.

    Raises:
        AbsentError: No table exists yet.
    """
    if not any(pipeline.open_table(runtime.tables).exists() for pipeline in needed):
        raise AbsentError(
            "there are no tables yet", where=runtime.store.url, hint="pinflow demo, or pinflow up"
        )


def _latest_views(runtime: Runtime, side: Side, wanted: frozenset[str] | None = None) -> dict[str, View]:
    """Dataset → its latest rows, named as the table; of the clean columns those that are wanted, all by default."""
    views = {}
    for pipeline in side_pipelines(side, runtime.config.id):
        clean = pipeline.dataset.clean
        columns = {name: kind for name, kind in clean.items() if wanted is None or name in wanted | {"ind"}}
        sql = pipeline.dataset.latest(columns)
        views[pipeline.dataset.name] = _view(
            pipeline.table, pipeline.open_table(runtime.tables), columns | LINEAGE, sql
        )
    return views


def _side_views(runtime: Runtime) -> list[View]:
    views = []
    for pipeline in pipelines(runtime.config.id):
        views.append(_view(pipeline.quarantine, pipeline.open_quarantine(runtime.tables), QUARANTINE))
        views.append(_view(pipeline.nulled, pipeline.open_nulled(runtime.tables), NULLED))
    return views


def _view(name: str, table: Table, columns: dict[str, str], sql: str = "SELECT * FROM {table}") -> View:
    """A view of a table; if another program has changed it, only the questions that read it fail."""
    try:
        return View(name, table.snapshot(), columns, sql)
    except ChangedTableError as changed:
        return View(name, None, columns, sql, changed)
