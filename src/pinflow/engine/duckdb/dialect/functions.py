"""The functions that are supported: Spark's name → how DuckDB gives the same.

A function that is not in `FUNCTIONS` is unsupported. Each builder takes the arguments, already translated, and returns
a template. A new function is one line here and its cases in the parity suite.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from sqlglot import exp

from pinflow.engine.duckdb.dialect.casts import as_text
from pinflow.engine.duckdb.dialect.nodes import UnsupportedError, failing, kind_of, template
from pinflow.engine.duckdb.dialect.regex import Pattern, RegexError, read_pattern, read_replacement

__all__ = [
    "FUNCTIONS",
    "LOWER_UNSHARED",
    "RANKINGS",
    "UPPER_UNSHARED",
    "Function",
    "common_kind",
    "regexp_like",
]

Builder = Callable[[list[exp.Expr]], exp.Expr]

MANY = 1_000

UPPER_UNSHARED = (
    r"\x{df}\x{149}\x{19b}\x{1f0}\x{264}\x{390}\x{3b0}\x{587}\x{1c8a}\x{1e96}-\x{1e9a}\x{1f50}-\x{1f57}"
    r"\x{1f80}-\x{1fff}\x{a7cd}\x{a7db}\x{fb00}-\x{fb17}\x{10d70}-\x{10d85}"
)
LOWER_UNSHARED = r"\x{130}\x{3a3}\x{1c89}\x{a7cb}\x{a7cc}\x{a7da}\x{a7dc}\x{10d50}-\x{10d65}"
"""Letters whose other case is not the same on Spark 4.1 and DuckDB 1.5, found by trying every character; besides, a
capital sigma ends a word in its own way on Spark."""


class Function(NamedTuple):
    """How many arguments a function takes, and what makes DuckDB's form of them."""

    least: int
    most: int
    build: Builder


def _same(name: str, kind: str | None = None) -> Builder:
    """A function that is the same on both under a name of DuckDB."""
    return lambda args: template(f"{name}(<*>)", *args, kind=kind)


def _like_first(name: str) -> Builder:
    return lambda args: template(f"{name}(<*>)", *args, kind=kind_of(args[0]))


def _form(text: str, kind: str | None = None) -> Builder:
    return lambda args: template(text, *args, kind=kind)


def _change_case(name: str, unshared: str) -> Builder:
    failure = failing(f"'pinflow: {name} of ' || <0> || ' is not the same on DuckDB'", "<0>")
    text = f"CASE WHEN regexp_matches(<0>, '[{unshared}]') THEN {failure} ELSE {name}(<0>) END"
    return _form(text, kind="text")


def common_kind(args: list[exp.Expr]) -> str | None:
    """The kind that all arguments share."""
    branches = [exp.If(this=exp.true(), true=arg.copy()) for arg in args]
    return kind_of(exp.Case(ifs=branches))


def _coalesce(args: list[exp.Expr]) -> exp.Expr:
    return template("coalesce(<*>)", *args, kind=common_kind(args))


def _if(args: list[exp.Expr]) -> exp.Expr:
    return template("CASE WHEN <0> THEN <1> ELSE <2> END", *args, kind=common_kind(args[1:]))


def _concat(args: list[exp.Expr]) -> exp.Expr:
    text = " || ".join(f"<{at}>" for at in range(len(args)))
    return template(f"({text})", *map(as_text, args), kind="text")


def _substring(args: list[exp.Expr]) -> exp.Expr:
    start = "CASE <1> WHEN 0 THEN 1 ELSE <1> END"
    text = f"substring(<0>, {start}, greatest(<2>, 0))" if len(args) == 3 else f"substring(<0>, {start})"
    return template(text, *args, kind="text")


def _concat_ws(args: list[exp.Expr]) -> exp.Expr:
    if len(args) == 1:
        return template("CASE WHEN <0> IS NOT NULL THEN '' END", as_text(args[0]), kind="text")
    return template("concat_ws(<*>)", *map(as_text, args), kind="text")


def _floor(args: list[exp.Expr]) -> exp.Expr:
    kind = kind_of(args[0])
    if kind == "null":
        return template("CAST(NULL AS BIGINT)", kind="int")
    if kind in {"int", "double"}:
        return template(
            "CAST(floor(<0>) AS BIGINT)" if kind == "double" else "CAST(<0> AS BIGINT)", *args, kind="int"
        )
    message = "'pinflow: floor of ' || typeof(<0>) || ' is not supported on DuckDB'"
    integers = "'TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'HUGEINT'"
    text = (
        f"CASE WHEN typeof(<0>) IN ({integers}) THEN CAST(<0> AS DECIMAL(38, 0))"
        " WHEN typeof(<0>) IN ('DOUBLE', 'FLOAT') OR typeof(<0>) LIKE 'DECIMAL%'"
        " THEN CAST(floor(<0>) AS DECIMAL(38, 0))"
        f" ELSE {failing(message, 'CAST(NULL AS DECIMAL(38, 0))')} END"
    )
    return template(text, *args, kind="decimal")


def _count(args: list[exp.Expr]) -> exp.Expr:
    counted = args[0]
    if isinstance(counted, exp.Distinct) and len(counted.expressions) > 1:
        columns = counted.expressions
        present = " AND ".join(f"<{at}> IS NOT NULL" for at in range(len(columns)))
        text = f"count(DISTINCT CASE WHEN {present} THEN row(<*>) END)"
        return template(text, *columns, kind="int")
    return template("count(<0>)", counted, kind="int")


def _avg(args: list[exp.Expr]) -> exp.Expr:
    if kind_of(args[0]) == "decimal":
        raise UnsupportedError(
            args[0], "avg of decimals is a decimal on Spark only", "cast what is averaged to DOUBLE"
        )
    return template("avg(<0>)", *args, kind="double")


def _pattern(node: exp.Expr) -> Pattern:
    if not (isinstance(node, exp.Literal) and node.is_string):
        raise UnsupportedError(
            node,
            "a regular expression that is not a literal is not supported on DuckDB",
            "write it as a literal",
        )
    try:
        return read_pattern(node.name)
    except RegexError as error:
        raise _explain_regex_error(node, error) from None


def _explain_regex_error(node: exp.Expr, error: RegexError) -> UnsupportedError:
    hint = "write it with classes, groups and repeats only"
    return UnsupportedError(node, f"the regular expression is not the same on DuckDB: {error}", hint)


def regexp_like(args: list[exp.Expr]) -> exp.Expr:
    """`rlike`: whether the pattern is found anywhere."""
    return template("regexp_matches(<0>, <1>)", args[0], _text(_pattern(args[1]).text), kind="bool")


def _text(text: str) -> exp.Expr:
    return exp.Literal.string(text)


def _regexp_extract(args: list[exp.Expr]) -> exp.Expr:
    pattern = _pattern(args[1])
    group = args[2] if len(args) == 3 else exp.Literal.number(1)
    if not (isinstance(group, exp.Literal) and group.name.isdecimal() and int(group.name) <= pattern.groups):
        raise UnsupportedError(
            args[1], "regexp_extract of a group that the pattern does not have", "name a group that is there"
        )
    try:
        text, number = (pattern.text, int(group.name)) if int(group.name) else (pattern.capture(), 1)
    except RegexError as error:
        raise _explain_regex_error(args[1], error) from None
    return template(f"regexp_extract(<0>, <1>, {number})", args[0], _text(text), kind="text")


def _regexp_replace(args: list[exp.Expr]) -> exp.Expr:
    pattern, replacement = _pattern(args[1]), args[2]
    if not (isinstance(replacement, exp.Literal) and replacement.is_string):
        raise UnsupportedError(
            replacement,
            "a replacement that is not a literal is not supported on DuckDB",
            "write it as a literal",
        )
    try:
        text, made = pattern.replace_with(read_replacement(replacement.name, pattern.groups))
    except RegexError as error:
        raise _explain_regex_error(args[1], error) from None
    return template("regexp_replace(<0>, <1>, <2>, 'g')", args[0], _text(text), _text(made), kind="text")


FUNCTIONS: dict[str, Function] = {
    "abs": Function(1, 1, _like_first("abs")),
    "array": Function(0, MANY, _form("[<*>]", kind="array")),
    "avg": Function(1, 1, _avg),
    "coalesce": Function(1, MANY, _coalesce),
    "concat": Function(1, MANY, _concat),
    "concat_ws": Function(1, MANY, _concat_ws),
    "count": Function(1, 1, _count),
    "dense_rank": Function(0, 0, _same("dense_rank", kind="int")),
    "floor": Function(1, 1, _floor),
    "if": Function(3, 3, _if),
    "length": Function(1, 1, _form("CAST(length(<0>) AS INTEGER)", kind="int")),
    "lower": Function(1, 1, _change_case("lower", LOWER_UNSHARED)),
    "ltrim": Function(1, 1, _form("ltrim(<0>, ' ')", kind="text")),
    "max": Function(1, 1, _like_first("max")),
    "max_by": Function(2, 2, _like_first("arg_max_null")),
    "median": Function(1, 1, _form("CAST(median(<0>) AS DOUBLE)", kind="double")),
    "min": Function(1, 1, _like_first("min")),
    "min_by": Function(2, 2, _like_first("arg_min_null")),
    "nullif": Function(2, 2, _like_first("nullif")),
    "rank": Function(0, 0, _same("rank", kind="int")),
    "regexp_extract": Function(2, 3, _regexp_extract),
    "regexp_like": Function(2, 2, regexp_like),
    "regexp_replace": Function(3, 3, _regexp_replace),
    "rlike": Function(2, 2, regexp_like),
    "row_number": Function(0, 0, _same("row_number", kind="int")),
    "rtrim": Function(1, 1, _form("rtrim(<0>, ' ')", kind="text")),
    "substring": Function(2, 3, _substring),
    "sum": Function(1, 1, _like_first("sum")),
    "trim": Function(1, 1, _form("trim(<0>, ' ')", kind="text")),
    "unix_micros": Function(1, 1, _form("epoch_us(<0>)", kind="int")),
    "upper": Function(1, 1, _change_case("upper", UPPER_UNSHARED)),
    "year": Function(1, 1, _form("CAST(year(timezone('UTC', <0>)) AS INTEGER)", kind="int")),
}
"""Name → function. `cast` and `try_cast`, which have a syntax of their own, are in `casts`."""

RANKINGS = frozenset({"dense_rank", "rank", "row_number"})
"""Functions that need a window."""
