"""Which parts of a query may raise an error for some value in the data, on Spark or as they are translated.

A rule of cleaning must have none: one record would stop its job for good. What a part is given is known by its kind
(see `kinds`), and by the RLIKE of a CASE that it stands behind. Of what is not known the worst is taken. What fails for
every row alike, such as comparing a column of text with a number, is not looked for: it fails at the first try.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlglot import exp

from pinflow.engine.duckdb.dialect import casts, times
from pinflow.engine.duckdb.dialect.functions import LOWER_UNSHARED, UPPER_UNSHARED
from pinflow.engine.duckdb.dialect.languages import can_match
from pinflow.engine.duckdb.dialect.nodes import NUMBERS, kind_of
from pinflow.engine.duckdb.dialect.regex import RegexError, read_pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Raises", "raising"]


class Raises(NamedTuple):
    """A part of a query that may raise, why, and what to write instead."""

    node: exp.Expr
    what: str
    hint: str


class _Texts(NamedTuple):
    """Texts for which an expression raises: those that match all of the first patterns and none of the others."""

    match: tuple[str, ...]
    but_not: tuple[str, ...] = ()


CAST_TEXTS = {
    "FLOAT": _Texts((casts.HEXADECIMAL,)),
    "DOUBLE": _Texts((casts.HEXADECIMAL,)),
    "DECIMAL": _Texts((casts.UNSUPPORTED_DECIMAL,)),
    "TIMESTAMPTZ": _Texts((times.UNSUPPORTED,), (times.CANONICAL, times.GENERAL)),
}
CASE_TEXTS = {"lower": _Texts((f"[{LOWER_UNSHARED}]",)), "upper": _Texts((f"[{UPPER_UNSHARED}]",))}

COMPARISONS = (
    exp.EQ,
    exp.NEQ,
    exp.GT,
    exp.GTE,
    exp.LT,
    exp.LTE,
    exp.NullSafeEQ,
    exp.NullSafeNEQ,
    exp.Between,
    exp.In,
)

NUMERIC = {"abs", "floor", "sum", "avg", "median"}
"""Functions of numbers: text that is given to them is cast, and such a cast raises."""

BRANCHING = {"coalesce", "if", "nullif", "array"}
"""Functions whose arguments are made one type: text becomes a number where both are there, and such a cast raises."""

GUARD = "put it behind CASE WHEN … RLIKE '…' THEN, with a pattern that lets no other text through"


def raising(tree: exp.Expr) -> Iterator[Raises]:
    """The parts that may raise, in the order in which they stand.

    Args:
        tree: A query of Spark, parsed and checked, its kinds noted.
    """
    found = [part for node in tree.walk() if (part := _raises(node)) is not None]
    yield from sorted(found, key=lambda part: part.node.meta.get("at", 0))


def _raises(node: exp.Expr) -> Raises | None:
    if isinstance(node, exp.Subquery) and not isinstance(
        node.parent, (exp.From, exp.Join, exp.Union, exp.In)
    ):
        return Raises(
            node, "a subquery in the place of a value raises where it gives two rows", "write a join"
        )
    for kinds, judge in JUDGES:
        if isinstance(node, kinds):
            return judge(node)
    return None


def _cast(node: exp.Cast) -> Raises | None:
    name = casts.TARGETS[node.to.this][0] if node.to.this in casts.TARGETS else ""
    if not isinstance(node, exp.TryCast):
        if name == "VARCHAR" or isinstance(node.this, exp.Null):
            return None
        return Raises(node, "CAST raises where the value does not fit", "write try_cast, which gives NULL")
    kind = kind_of(node.this)
    if name == "DECIMAL" and kind in {"double", None}:
        return Raises(
            node, "try_cast of a DOUBLE to DECIMAL raises where it has an exponent", "cast its text"
        )
    if kind in {"text", None} and name in CAST_TEXTS and _lets_through(node.this, CAST_TEXTS[name]):
        return Raises(node, f"try_cast of text to {_spark(node)} raises for some texts", GUARD)
    return None


def _call(node: exp.Anonymous) -> Raises | None:
    name, args = node.name.lower(), node.expressions
    kinds = [kind_of(arg) for arg in args]
    found: list[tuple[bool, str, str]] = [
        (
            name in CASE_TEXTS and _lets_through(args[0], CASE_TEXTS[name]),
            "raises for letters that Spark and DuckDB case differently",
            GUARD,
        ),
        (
            name in NUMERIC and kinds[0] not in NUMBERS,
            "of what may be text raises",
            "try_cast it to a number",
        ),
        (
            name in {"abs", "sum"} and kinds[0] != "double",
            "raises where the result does not fit",
            "try_cast what it is given to DOUBLE",
        ),
        (
            name == "floor" and kinds[0] not in {"int", "decimal"},
            "of a DOUBLE raises where it does not fit BIGINT",
            "try_cast it to an integer",
        ),
        (
            name == "substring" and not all(map(_is_short, args[1:])),
            "raises for a start or length beyond 32 bits",
            "try_cast it to INT",
        ),
        (name == "year" and kinds[0] != "time", "of what may be text raises", "try_cast it to TIMESTAMP"),
    ]
    for raises, what, hint in found:
        if raises:
            return Raises(node, f"{name} {what}", hint)
    return _mixed(node, args[1:] if name == "if" else args) if name in BRANCHING else None


def _arithmetic(node: exp.Expr) -> Raises | None:
    sides = [node.this] if isinstance(node, exp.Neg) else [node.this, node.expression]
    kinds = [kind_of(side) for side in sides]
    if any(kind not in {*NUMBERS, "null"} for kind in kinds):
        return Raises(node, "arithmetic with what may be text raises", "try_cast it to DOUBLE")
    if isinstance(node, exp.Div):
        by = node.expression
        if isinstance(by, exp.Literal) and float(by.name) != 0:
            return None
        return Raises(
            node, "division raises where the divisor is zero", "divide by a number that is written out"
        )
    if "double" in kinds or all(isinstance(side, exp.Literal) for side in sides):
        return None
    return Raises(node, "arithmetic raises where the result does not fit", "try_cast one side to DOUBLE")


def _comparison(node: exp.Expr) -> Raises | None:
    if isinstance(node, exp.Between):
        return _mixed(node, [node.this, node.args["low"], node.args["high"]])
    if isinstance(node, exp.In):
        return _mixed(node, [node.this, *node.expressions])
    return _mixed(node, [node.this, node.expression])


def _case(node: exp.Case) -> Raises | None:
    compared = [node.this, *(branch.this for branch in node.args["ifs"])] if node.this is not None else []
    given = [branch.args["true"] for branch in node.args["ifs"]]
    return _mixed(node, compared) or _mixed(node, [*given, node.args.get("default")])


def _mixed(node: exp.Expr, sides: list[exp.Expr | None]) -> Raises | None:
    """Text beside a number or a time is cast, which raises unless it is a literal, that fails or fits once for all."""
    kinds = {kind_of(side) for side in sides if side is not None} - {"null"}
    unknown = None in kinds and len(kinds) > 1 and not all(_is_fixed(side) for side in sides)
    if len({"number" if kind in NUMBERS else kind for kind in kinds - {None}}) > 1 or unknown:
        return Raises(node, "text beside a number or a time is cast, which raises", "try_cast to one type")
    return None


def _is_fixed(side: exp.Expr | None) -> bool:
    return side is None or isinstance(side, (exp.Literal, exp.Null, exp.Column))


def _like(node: exp.Like) -> Raises | None:
    pattern = node.expression
    if isinstance(pattern, exp.Literal) and "\\" not in pattern.name.replace("\\\\", "").replace(
        "\\%", ""
    ).replace("\\_", ""):
        return None
    return Raises(node, "LIKE raises for a pattern with a stray backslash", "write the pattern as a literal")


def _is_short(node: exp.Expr) -> bool:
    """Whether a node is surely an integer of 32 bits."""
    if isinstance(node, exp.Neg):
        return isinstance(node.this, exp.Literal)
    if isinstance(node, exp.Literal):
        return node.name.isdecimal() and len(node.name) < 10
    if isinstance(node, exp.Cast):
        return node.to.this is exp.DType.INT
    return isinstance(node, exp.Anonymous) and node.name.lower() in {"length", "year"}


def _spark(node: exp.Cast) -> str:
    return node.to.sql("spark")


def _lets_through(operand: exp.Expr, texts: _Texts) -> bool:
    """Whether a text for which something raises can come this far, past the guards of the expression around."""
    try:
        return can_match((*_guards(operand), *texts.match), texts.but_not)
    except (RegexError, ValueError):
        return True


def _guards(operand: exp.Expr) -> list[str]:
    """The patterns that an operand is known to match where it stands."""
    wanted, found = operand.sql("spark"), []
    node = operand
    while node.parent is not None and not isinstance(node.parent, exp.Select):
        holder = node.parent
        searched = isinstance(holder.parent, exp.Case) and holder.parent.this is None
        if isinstance(holder, exp.If) and searched and node.arg_key == "true":
            for condition in holder.this.flatten() if isinstance(holder.this, exp.And) else [holder.this]:
                plain = condition.unnest()
                if isinstance(plain, exp.RegexpLike) and plain.this.sql("spark") == wanted:
                    found.append(read_pattern(plain.expression.name).text)
        node = holder
    return found


JUDGES: tuple[tuple[tuple[type[exp.Expr], ...], Callable[[Any], Raises | None]], ...] = (
    ((exp.Cast,), _cast),
    ((exp.Anonymous,), _call),
    ((exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Neg), _arithmetic),
    (COMPARISONS, _comparison),
    ((exp.Case,), _case),
    ((exp.Like,), _like),
)
"""Class of the tree → what says whether a node of it may raise. Every other construct that is supported never does."""
