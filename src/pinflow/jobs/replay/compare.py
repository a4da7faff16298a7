"""What a replay changes in the answers to questions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pinflow.datasets import LINEAGE
from pinflow.engine import View
from pinflow.jobs.pipelines import QUARANTINE
from pinflow.sql_files import read_sql
from pinflow.steps.plan import Tally

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pinflow.engine import Session
    from pinflow.jobs.pipelines import Pipeline
    from pinflow.jobs.runtime import Runtime
    from pinflow.steps.generations import Generation

__all__ = ["CellsChange", "Difference", "ReasonChange", "compare", "compare_cells"]

PACKAGE = "pinflow.jobs.replay"


class ReasonChange(msgspec.Struct, frozen=True):
    """A reason of quarantine, and how many records have it before and after."""

    reason: str
    before: int
    after: int


class CellsChange(msgspec.Struct, frozen=True):
    """A field of the records, and how many of its cells a rule made NULL before and after."""

    field: str
    before: int
    after: int


class Difference(msgspec.Struct, frozen=True):
    """The latest rows of the posts: their number before and after, those added and removed, and changes by column."""

    before: int
    after: int
    added: int
    removed: int
    changed: dict[str, int]
    reasons: list[ReasonChange]

    @property
    def any(self) -> bool:
        """Whether anything differs."""
        reasons = any(each.before != each.after for each in self.reasons)
        return bool(self.added or self.removed or any(self.changed.values()) or reasons)


def compare(runtime: Runtime, pipeline: Pipeline, generation: Generation, *, partial: bool) -> Difference:
    """Compare the current generation with a build; with `partial` only the records that the build covers."""
    old, old_rejects = pipeline.tables_of(runtime.tables, pipeline.generation(runtime.store))
    new, new_rejects = pipeline.tables_of(runtime.tables, generation)
    columns, latest = pipeline.dataset.clean | LINEAGE, pipeline.dataset.latest(pipeline.dataset.clean)
    bound = "TRUE"
    if partial:
        row_offsets = "SELECT _partition, _offset FROM {table}"
        session = runtime.engine.session(
            [
                View("kept", new.snapshot(), columns, row_offsets),
                View("rejects", new_rejects.snapshot(), QUARANTINE, row_offsets),
            ]
        )
        bound = _read_bound(session)
    upto = f"(SELECT * FROM {{table}} WHERE {bound}) AS covered"  # noqa: S608
    session = runtime.engine.session(
        [
            View("old_rows", old.snapshot(), columns, latest.replace("{table}", upto)),
            View("new_rows", new.snapshot(), columns, latest),
            View(
                "old_rejects",
                old_rejects.snapshot(),
                QUARANTINE,
                f"SELECT reason FROM {{table}} WHERE {bound}",  # noqa: S608
            ),
            View("new_rejects", new_rejects.snapshot(), QUARANTINE, "SELECT reason FROM {table}"),
        ]
    )
    try:
        return _read_difference(session, list(pipeline.dataset.clean))
    finally:
        session.close()


def compare_cells(before: Iterable[Tally], after: Iterable[Tally]) -> list[CellsChange]:
    """The counted cells under the old and under the new rules; an earlier version counted none."""
    old, new = (sum(tallies, Tally()).cells for tallies in (before, after))
    return [
        CellsChange(field, old.get(field, 0), new.get(field, 0)) for field in sorted(old.keys() | new.keys())
    ]


def _read_bound(session: Session) -> str:
    try:
        rows = session.ask(read_sql(PACKAGE, "upto"), where="replay").rows
    finally:
        session.close()
    return " OR ".join(f"(_partition = {row[0]} AND _offset <= {row[1]})" for row in rows) or "FALSE"


def _read_difference(session: Session, columns: list[str]) -> Difference:
    changes = ", ".join(
        f"count(CASE WHEN o.ind IS NOT NULL AND n.ind IS NOT NULL AND NOT o.`{name}` <=> n.`{name}` THEN 1 END)"
        for name in columns
    )
    (row,) = session.ask(read_sql(PACKAGE, "changes").replace("{changes}", changes), where="replay").rows
    before, after, added, removed, *changed = map(_int, row)
    reasons = [
        ReasonChange(str(reason), _int(had), _int(has))
        for reason, had, has in session.ask(read_sql(PACKAGE, "reasons"), where="replay").rows
    ]
    return Difference(before, after, added, removed, dict(zip(columns, changed, strict=True)), reasons)


def _int(value: object) -> int:
    return int(str(value))
