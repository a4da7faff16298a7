"""Operators and clauses that need a hand to mean the same on DuckDB, and the order in which rules are tried."""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlglot import exp

from pinflow.engine.duckdb.dialect.casts import as_text, translate_cast
from pinflow.engine.duckdb.dialect.functions import FUNCTIONS, RANKINGS, regexp_like
from pinflow.engine.duckdb.dialect.nodes import NUMBERS, UnsupportedError, failing, kind_of, template

__all__ = ["RULES"]

Rule = Callable[[exp.Expr], exp.Expr]

INSTEAD = {
    "char_length": "length",
    "collect_list": "a join",
    "ifnull": "coalesce",
    "isnotnull": "IS NOT NULL",
    "isnull": "IS NULL",
    "mean": "avg",
    "nvl": "coalesce",
    "percentile": "median",
    "percentile_approx": "median",
    "regexp": "rlike",
    "substr": "substring",
    "to_timestamp": "try_cast(… AS TIMESTAMP)",
    "try_divide": "CASE WHEN … <> 0 THEN … / … END",
}

MAX_PRECISION = 38
KEPT_SCALE = 6
"""Spark cuts a decimal of more than 38 digits down, but never to fewer than 6 decimals."""

BIGINT_SUM = (
    "CASE WHEN typeof(<0>) = 'HUGEINT' AND <0> NOT BETWEEN -9223372036854775808 AND 9223372036854775807"
    " THEN " + failing("'pinflow: a sum does not fit BIGINT'", "<0>") + " ELSE <0> END"
)
NO_TEXT = (
    "CASE WHEN typeof(<0>) = 'VARCHAR' THEN "
    + failing("'pinflow: text compared with a number is not supported on DuckDB; write try_cast'", "<0>")
    + " ELSE <0> END"
)


def function(node: exp.Expr) -> exp.Expr:
    """Translate a function of the list; any other is not supported."""
    if not isinstance(node, exp.Anonymous):
        return node
    name = node.name.lower()
    if name not in FUNCTIONS:
        hint = f"use {INSTEAD[name]}" if name in INSTEAD else f"supported are: {', '.join(sorted(FUNCTIONS))}"
        raise UnsupportedError(node, f"the function {name} is not supported on DuckDB", hint)
    known = FUNCTIONS[name]
    args = list(node.expressions)
    if not known.least <= len(args) <= known.most:
        hint = (
            f"{known.least} arguments"
            if known.least == known.most
            else f"{known.least} to {known.most} arguments"
        )
        raise UnsupportedError(
            node, f"{name} with {len(args)} arguments is not supported on DuckDB", f"give it {hint}"
        )
    made = known.build(args)
    return _in_bigint(made) if name == "sum" and not isinstance(node.parent, exp.Window) else made


def _in_bigint(total: exp.Expr) -> exp.Expr:
    """A sum of integers goes on beyond BIGINT in DuckDB."""
    return template(BIGINT_SUM, total, kind=kind_of(total))


def text(node: exp.Expr) -> exp.Expr:
    """A NUL character cannot stand in the text of a query for DuckDB."""
    if not (isinstance(node, exp.Literal) and node.is_string and "\0" in node.name):
        return node
    parts = [exp.Literal.string(part) for part in node.name.split("\0")]
    whole: exp.Expr = parts[0]
    for part in parts[1:]:
        whole = template("(<0> || chr(0) || <1>)", whole, part, kind="text")
    return whole


def cast(node: exp.Expr) -> exp.Expr:
    """Translate `cast` and `try_cast`."""
    return translate_cast(node) if isinstance(node, exp.Cast) else node


def rlike(node: exp.Expr) -> exp.Expr:
    """Translate `RLIKE`, the operator."""
    return regexp_like([node.this, node.expression]) if isinstance(node, exp.RegexpLike) else node


def like(node: exp.Expr) -> exp.Expr:
    """A backslash escapes in a pattern of Spark's LIKE; in DuckDB nothing does unless it is named."""
    if not isinstance(node, exp.Like):
        return node
    negated = "NOT " if node.args.get("negate") else ""
    return template(f"(<0> {negated}LIKE <1> ESCAPE '\\')", node.this, node.expression, kind="bool")


def pipe(node: exp.Expr) -> exp.Expr:
    """`||` casts to text on both, but not to the same text."""
    if not isinstance(node, exp.DPipe):
        return node
    return template("(<0> || <1>)", as_text(node.this), as_text(node.expression), kind="text")


def division(node: exp.Expr) -> exp.Expr:
    """`/` is division of doubles, and dividing by zero raises."""
    if not isinstance(node, exp.Div):
        return node
    kinds = {kind_of(node.this), kind_of(node.expression)}
    if "decimal" in kinds and "double" not in kinds:
        raise UnsupportedError(
            node, "division of decimals is a decimal on Spark only", "cast one side to DOUBLE"
        )
    failure = failing("'pinflow: division by zero'", "CAST(NULL AS DOUBLE)")
    text = f"CASE WHEN (<0>) IS NOT NULL AND (<1>) = 0 THEN {failure} ELSE ((<0>) / 1e0) / ((<1>) / 1e0) END"
    return template(text, node.this, node.expression, kind="double")


def _size(node: exp.Expr) -> tuple[int, int]:
    """Precision and scale that Spark gives an operand of decimal arithmetic."""
    found = re.search(r"DECIMAL\((\d+), (\d+)\)", str(node.meta.get("size", "")))
    if found:
        return int(found[1]), int(found[2])
    if isinstance(node, (exp.Paren, exp.Neg)):
        return _size(node.this)
    if isinstance(node, exp.Literal) and not node.is_string:
        whole, _, fraction = node.name.partition(".")
        return len(whole.lstrip("0")) + len(fraction) or 1, len(fraction)
    return 10, 0


def decimals(node: exp.Expr) -> exp.Expr:
    """Refuse arithmetic whose result Spark would round to 38 digits."""
    if not isinstance(node, (exp.Add, exp.Sub, exp.Mul)) or kind_of(node) == "double":
        return node
    if "decimal" not in {kind_of(node.this), kind_of(node.expression)}:
        return node
    (left, left_scale), (right, right_scale) = _size(node.this), _size(node.expression)
    if isinstance(node, exp.Mul):
        precision, scale = left + right + 1, left_scale + right_scale
    else:
        scale = max(left_scale, right_scale)
        precision = max(left - left_scale, right - right_scale) + scale + 1
    if precision > MAX_PRECISION and scale > KEPT_SCALE:
        raise UnsupportedError(
            node, f"a decimal of {precision} digits is rounded on Spark only", "cast to a smaller DECIMAL"
        )
    node.meta["size"] = f"DECIMAL({min(precision, MAX_PRECISION)}, {scale})"
    return node


def comparison(node: exp.Expr) -> exp.Expr:
    """A column compared with a number must be none of text: the engines would read different numbers from it."""
    if isinstance(node, exp.In):
        others = list(node.expressions)
    elif isinstance(node, (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ)):
        others = [node.expression]
        if isinstance(node.expression, exp.Column) and kind_of(node.this) in NUMBERS:
            node.expression.replace(template(NO_TEXT, node.expression))
    else:
        return node
    if isinstance(node.this, exp.Column) and any(kind_of(other) in NUMBERS for other in others):
        node.this.replace(template(NO_TEXT, node.this))
    return node


def window(node: exp.Expr) -> exp.Expr:
    """Ranks are INT on Spark, and sums end with BIGINT."""
    if not isinstance(node, exp.Window):
        return node
    name = node.this.name.partition("(")[0]
    if name == "sum":
        return _in_bigint(node)
    return template("CAST(<0> AS INTEGER)", node, kind="int") if name in RANKINGS else node


def semi_join(node: exp.Expr) -> exp.Expr:
    """`LEFT SEMI JOIN` and `LEFT ANTI JOIN` have no LEFT in DuckDB."""
    if isinstance(node, exp.Join) and node.kind in {"SEMI", "ANTI"}:
        node.set("side", None)
    return node


RULES: tuple[Rule, ...] = (
    text, function, cast, rlike, like, pipe, division, decimals, comparison, window, semi_join,
)  # fmt: skip
"""Tried in turn on every node, children first. A rule that does not apply gives the node back."""
