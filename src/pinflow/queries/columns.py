"""Which columns a question reads, so that no others are loaded for it."""

from __future__ import annotations

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

__all__ = ["columns_read"]


def columns_read(sql: str) -> frozenset[str] | None:
    """The columns that a SELECT in Spark SQL reads, in lower case, of whichever table.

    None where it reads all of a table, or cannot be parsed, which the engine reports.
    """
    try:
        tree = parse_one(sql, dialect="spark")
    except SqlglotError:
        return None
    named = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    for star in tree.find_all(exp.Star):
        select = star.find_ancestor(exp.Select)
        if isinstance(star.parent, exp.Select | exp.Column) and select is not None:
            sources = [select.args.get("from_"), *select.args.get("joins", [])]
            tables = [source.this for source in sources if source is not None]
            if any(isinstance(table, exp.Table) and table.name.lower() not in named for table in tables):
                return None
    return frozenset(column.name.lower() for column in tree.find_all(exp.Column))
