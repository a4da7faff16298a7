"""What kind of value each part of a query gives, noted on the tree before it is translated.

The columns of the tables that a query reads have kinds that whoever runs it may know; those of subqueries follow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from pinflow.engine.duckdb.dialect.casts import TARGETS
from pinflow.engine.duckdb.dialect.functions import FUNCTIONS
from pinflow.engine.duckdb.dialect.nodes import UnsupportedError, kind_of, template

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["note_kinds"]


def note_kinds(tree: exp.Expr, columns: Mapping[str, str]) -> None:
    """Note on every node the kind of value that it gives, where that is known.

    Args:
        tree: A query of Spark, parsed and checked.
        columns: Kind by name, for the columns of every table that is not a subquery.
    """
    shared = {each.alias for each in tree.find_all(exp.CTE)}
    tables = {} if shared else columns  # a name of WITH may hide a table
    selects = sorted(tree.find_all(exp.Select), key=lambda select: select.depth, reverse=True)
    for select in selects:
        for node in _own_nodes(select):
            kind = _kind_of_column(node, select, tables) if isinstance(node, exp.Column) else _kind(node)
            if kind is not None:
                node.meta["kind"] = kind


def _own_nodes(select: exp.Select) -> Iterator[exp.Expr]:
    """The nodes of a SELECT, inner ones first, without those of SELECTs within it."""
    inner = list(select.walk(prune=lambda node: isinstance(node, exp.Select) and node is not select))
    return (node for node in reversed(inner) if node is not select)


def _kind(node: exp.Expr) -> str | None:
    if isinstance(node, exp.Cast):
        known = TARGETS.get(node.to.this)
        return known[1] if known else None
    if isinstance(node, exp.Div):
        return "double"
    if isinstance(node, exp.DPipe):
        return "text"
    if isinstance(node, exp.Window):
        return kind_of(node.this)
    if isinstance(node, exp.Anonymous):
        return _kind_of_call(node)
    return kind_of(node)


def _kind_of_call(call: exp.Anonymous) -> str | None:
    known = FUNCTIONS.get(call.name.lower())
    if known is None or not known.least <= len(call.expressions) <= known.most:
        return None
    stand_ins: list[exp.Expr] = [
        part if isinstance(part, exp.Literal) else template("", kind=kind_of(part))
        for part in call.expressions
    ]
    try:
        return kind_of(known.build(stand_ins))
    except UnsupportedError:  # for the translation to say, which knows the place
        return None


def _kind_of_column(column: exp.Column, select: exp.Select, columns: Mapping[str, str]) -> str | None:
    found = [
        _kind_from(source, column.name, columns)
        for source in _sources(select)
        if column.table in {"", source.alias_or_name}
    ]
    return found[0] if len(found) == 1 else None


def _sources(select: exp.Select) -> list[exp.Expr]:
    first = select.args.get("from_")
    joined = [join.this for join in select.args.get("joins") or []]
    return [first.this, *joined] if first is not None else joined


def _kind_from(source: exp.Expr, name: str, columns: Mapping[str, str]) -> str | None:
    if isinstance(source, exp.Table):
        return columns.get(name)
    if not (isinstance(source, exp.Subquery) and isinstance(source.this, exp.Select)):
        return None
    inner = source.this
    for each in inner.expressions:
        if each.alias_or_name == name and not each.is_star:
            return kind_of(each.unalias())
    if any(each.is_star for each in inner.expressions):
        return _kind_of_column(exp.column(name), inner, columns)
    return None
