"""What the rules of the dialect layer build with.

A rule returns a *template*: DuckDB's own text with `<0>`, `<1>` for the expressions inside it. It is held in an
`exp.Anonymous`, which no rule leaves in the tree otherwise, so nothing rewrites it on the way out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from sqlglot import exp

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["NUMBERS", "UnsupportedError", "failing", "kind_of", "render", "template"]

HOLE = re.compile(r"<(\d+|\*)>")

NUMBERS = ("int", "decimal", "double")
"""The kinds that are numbers, the wider last. The others are `text`, `bool`, `time` and `null`."""


class UnsupportedError(Exception):
    """A node has no translation."""

    def __init__(self, node: exp.Expr, what: str, hint: str) -> None:
        super().__init__(what)
        self.node = node
        self.what = what
        self.hint = hint


def template(text: str, *operands: exp.Expr, kind: str | None = None) -> exp.Anonymous:
    """DuckDB text with expressions in its holes; `<*>` takes all of them; `kind` is what it gives, if known."""
    made = exp.Anonymous(this=text, expressions=[operand.copy() for operand in operands])
    made.meta["kind"] = kind
    return made


def render(text: str, operands: list[str]) -> str:
    """Fill the holes of a template."""
    return HOLE.sub(lambda hole: ", ".join(operands) if hole[1] == "*" else operands[int(hole[1])], text)


def failing(message: str, like: str) -> str:
    """DuckDB text that stops the query when it is reached, of the type that the text `like` has.

    `error()` would do, but DuckDB takes it for a side effect and refuses to read an alias of what holds it.
    """
    return f"list_extract([{like}], CAST({message} AS INTEGER))"


def _common(kinds: Iterable[str | None]) -> str | None:
    found = set(kinds) - {"null"}
    if None in found or not found:
        return None
    if found <= set(NUMBERS):
        return max(found, key=lambda kind: NUMBERS.index(cast("str", kind)))
    return found.pop() if len(found) == 1 else None


def kind_of(node: exp.Expr | None) -> str | None:
    """What a node gives, as far as its text alone shows: the type of a column is not known here."""
    if node is None:
        return "null"
    if "kind" in node.meta:
        return cast("str | None", node.meta["kind"])
    if isinstance(node, (exp.Paren, exp.Neg)):
        return kind_of(node.this)
    if isinstance(node, exp.Case):
        branches = [kind_of(branch.args["true"]) for branch in node.args["ifs"]]
        return _common([*branches, kind_of(node.args.get("default"))])
    if isinstance(node, (exp.Add, exp.Sub, exp.Mul)):
        kind = _common([kind_of(node.this), kind_of(node.expression)])
        return kind if kind in NUMBERS else None
    return _kind_of_leaf(node)


def _kind_of_leaf(node: exp.Expr) -> str | None:
    if isinstance(node, exp.Literal):
        return "text" if node.is_string else _number(node.name)
    if isinstance(node, exp.Null):
        return "null"
    return "bool" if isinstance(node, (exp.Predicate, exp.Boolean, exp.Not, exp.Connector)) else None


def _number(text: str) -> str:
    if text.isdecimal():
        return "int"
    return "double" if "e" in text.lower() else "decimal"
