"""The constructs that are supported: class of the syntax tree → the parts of it that may be there.

Anything else in a query is unsupported, so that nothing new in the SQL parser gets through unnoticed.
"""

from __future__ import annotations

from sqlglot import exp

from pinflow.engine.duckdb.dialect.nodes import UnsupportedError

__all__ = ["CONSTRUCTS", "check"]

_BINARY = "this expression"

CONSTRUCTS: dict[type[exp.Expr], frozenset[str]] = {
    construct: frozenset(parts.split())
    for construct, parts in {
        # queries
        exp.Select: "expressions from_ joins where group having order limit offset distinct with_",
        exp.Union: "this expression distinct with_ order limit offset",
        exp.With: "expressions",
        exp.CTE: "this alias",
        exp.Subquery: "this alias",
        exp.From: "this",
        exp.Table: "this alias",
        exp.TableAlias: "this columns",
        exp.Values: "expressions alias",
        exp.Join: "this on using side kind",
        exp.Where: "this",
        exp.Group: "expressions",
        exp.Having: "this",
        exp.Order: "expressions",
        exp.Ordered: "this desc nulls_first",
        exp.Limit: "expression",
        exp.Offset: "expression",
        exp.Distinct: "expressions",
        # names and values
        exp.Alias: "this alias",
        exp.Column: "this table",
        exp.Identifier: "this quoted",
        exp.Star: "",
        exp.Literal: "this is_string",
        exp.Boolean: "this",
        exp.Null: "",
        exp.Tuple: "expressions",
        exp.Paren: "this",
        # operators
        exp.And: _BINARY,
        exp.Or: _BINARY,
        exp.Not: "this",
        exp.EQ: _BINARY,
        exp.NEQ: _BINARY,
        exp.GT: _BINARY,
        exp.GTE: _BINARY,
        exp.LT: _BINARY,
        exp.LTE: _BINARY,
        exp.NullSafeEQ: _BINARY,
        exp.NullSafeNEQ: _BINARY,
        exp.Is: _BINARY,
        exp.In: "this expressions query",
        exp.Between: "this low high",
        exp.Like: _BINARY + " negate",
        exp.RegexpLike: _BINARY,
        exp.Exists: "this",
        exp.Neg: "this",
        exp.Add: _BINARY,
        exp.Sub: _BINARY,
        exp.Mul: _BINARY,
        exp.Div: _BINARY + " typed safe",
        exp.DPipe: _BINARY + " safe",
        # expressions with a syntax of their own
        exp.Case: "this ifs default",
        exp.If: "this true false",
        exp.Cast: "this to",
        exp.TryCast: "this to safe",
        exp.DataType: "this expressions nested",
        exp.DataTypeParam: "this",
        exp.Anonymous: "this expressions",
        exp.Window: "this partition_by order over",
    }.items()
}


def check(tree: exp.Expr) -> None:
    """Refuse a query with any construct, or part of one, that is not listed.

    Raises:
        UnsupportedError: At the first such node.
    """
    for node in tree.walk():
        kind = type(node)
        if kind not in CONSTRUCTS:
            raise UnsupportedError(
                node,
                f"{_shown(node)} is not supported on DuckDB",
                "write it with plain SELECT, JOIN and CASE",
            )
        for part, value in node.args.items():
            if value and part not in CONSTRUCTS[kind]:
                what = f"{kind.__name__.upper()} with {part.strip('_')} is not supported on DuckDB: {_shown(node)}"
                raise UnsupportedError(node, what, "write it with plain SELECT, JOIN and CASE")


def _shown(node: exp.Expr) -> str:
    text = " ".join(node.sql("spark", comments=False).split())
    return f"`{text}`" if len(text) <= 60 else f"`{text[:57]}…`"
