"""`try_cast` and `cast` with the values that Spark gives.

DuckDB reads more as a number than Spark (`12.7` as 13, `1e3`, `1_000`), rounds where Spark cuts off, and takes hour
24; so text is read by a pattern first. What an operand's type is shows only when DuckDB binds the query: `typeof` is a
constant there, and the branches for other types vanish from the plan.
"""

from __future__ import annotations

from sqlglot import exp

from pinflow.engine.duckdb.dialect.nodes import UnsupportedError, failing, kind_of, template
from pinflow.engine.duckdb.dialect.times import TIME_OF_TEXT

__all__ = ["TARGETS", "as_text", "translate_cast"]

TARGETS = {
    exp.DType.INT: ("INTEGER", "int"),
    exp.DType.BIGINT: ("BIGINT", "int"),
    exp.DType.FLOAT: ("FLOAT", "double"),
    exp.DType.DOUBLE: ("DOUBLE", "double"),
    exp.DType.DECIMAL: ("DECIMAL", "decimal"),
    exp.DType.TEXT: ("VARCHAR", "text"),
    exp.DType.TIMESTAMPTZ: ("TIMESTAMPTZ", "time"),
}
"""Type of Spark, as sqlglot names it → type of DuckDB and its kind."""

BLANK = r"[\x00-\x20]*"
NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
INT = r"\A[\x00-\x20\x7f]*([+-]?[0-9]+)[\x00-\x20\x7f]*\z"
DOUBLE = rf"\A{BLANK}({NUMBER})[fFdD]?{BLANK}\z"
SPECIAL = rf"\A{BLANK}([+-]?NaN|(?i:nan|[+-]?inf(?:inity)?)){BLANK}\z"
HEXADECIMAL = rf"\A{BLANK}[+-]?0[xX][0-9A-Fa-f.]+[pP]"
DECIMAL = rf"\A{BLANK}([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE]\+?[0-9]+)?){BLANK}\z"
OTHER_DECIMAL = rf"\A{BLANK}[+-]?[\p{{Nd}}.]+(?:[eE][+-]?\p{{Nd}}+)?{BLANK}\z"
UNSUPPORTED_DECIMAL = r"[eE]-|[^\x00-\x7f]"
"""What DuckDB reads wrongly (5e-12 as 0.001) or not at all (digits of other scripts)."""

NO_HEXADECIMAL = failing(
    "'pinflow: a hexadecimal fraction such as ' || <0> || ' is not supported on DuckDB'", "CAST(NULL AS TYPE)"
)
NO_DECIMAL = failing(
    "'pinflow: a DECIMAL of ' || <0> || ', with its exponent or digits, is not supported on DuckDB'",
    "CAST(NULL AS TYPE)",
)

INT_OF_TEXT = f"TRY_CAST(regexp_extract(<0>, '{INT}', 1) AS TYPE)"
DOUBLE_OF_TEXT = (
    f"coalesce(TRY_CAST(regexp_extract(<0>, '{DOUBLE}', 1) AS TYPE),"
    f" TRY_CAST(regexp_extract(<0>, '{SPECIAL}', 1) AS TYPE),"
    f" CASE WHEN regexp_matches(<0>, '{HEXADECIMAL}') THEN {NO_HEXADECIMAL} END)"
)
DECIMAL_OF_TEXT = (
    f"coalesce(TRY_CAST(regexp_extract(<0>, '{DECIMAL}', 1) AS TYPE),"
    f" CASE WHEN regexp_matches(<0>, '{OTHER_DECIMAL}') AND regexp_matches(<0>, '{UNSUPPORTED_DECIMAL}')"
    f" THEN {NO_DECIMAL} END)"
)

INTEGERS = "typeof(<0>) IN ('TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'HUGEINT', 'BOOLEAN', '\"NULL\"')"
DECIMALS = "typeof(<0>) LIKE 'DECIMAL%'"
FLOATS = "typeof(<0>) IN ('DOUBLE', 'FLOAT')"
TIMES = "typeof(<0>) IN ('TIMESTAMP WITH TIME ZONE', '\"NULL\"')"

PLAIN = "TRY_CAST(<0> AS TYPE)"
CUT = "TRY_CAST(trunc(TRY_CAST(<0> AS DOUBLE)) AS TYPE)"
CUT_DECIMAL = "TRY_CAST(split_part(CAST(<0> AS VARCHAR), '.', 1) AS TYPE)"
NARROWED = (
    "coalesce(TRY_CAST(TRY_CAST(<0> AS DOUBLE) AS TYPE),"
    " CAST(sign(TRY_CAST(<0> AS DOUBLE)) * CAST('inf' AS DOUBLE) AS TYPE))"
)
SHORTEST = (
    "CASE WHEN contains(CAST(<0> AS VARCHAR), 'e-')"
    f" THEN {NO_DECIMAL.replace('<0>', 'CAST(<0> AS VARCHAR)')} ELSE TRY_CAST(CAST(<0> AS VARCHAR) AS TYPE) END"
)

ROUTES: dict[str, tuple[tuple[str, str, str], ...]] = {
    "INTEGER": (
        ("text", "", INT_OF_TEXT),
        ("int", INTEGERS, PLAIN),
        ("double", FLOATS, CUT),
        ("decimal", DECIMALS, CUT_DECIMAL),
    ),
    "FLOAT": (
        ("text", "", DOUBLE_OF_TEXT),
        ("int", INTEGERS, PLAIN),
        ("double", FLOATS, NARROWED),
        ("decimal", DECIMALS, PLAIN),
    ),
    "DOUBLE": (
        ("text", "", DOUBLE_OF_TEXT),
        ("int", INTEGERS, PLAIN),
        ("double", FLOATS, PLAIN),
        ("decimal", DECIMALS, PLAIN),
    ),
    "DECIMAL": (
        ("text", "", DECIMAL_OF_TEXT),
        ("int", INTEGERS, PLAIN),
        ("double", FLOATS, SHORTEST),
        ("decimal", DECIMALS, PLAIN),
    ),
    "VARCHAR": (("text", "", "<0>"), ("int", INTEGERS, "CAST(<0> AS VARCHAR)")),
    "TIMESTAMPTZ": (("text", "", TIME_OF_TEXT), ("time", TIMES, PLAIN)),
}
"""Type of DuckDB → by kind of operand: how `typeof` knows it, and the cast."""

ROUTES["BIGINT"] = ROUTES["INTEGER"]


def _target(node: exp.Cast) -> tuple[str, str, str]:
    """The DuckDB type without and with its parameters, and its kind."""
    to: exp.DataType = node.to
    if to.this not in TARGETS:
        supported = "INT, BIGINT, FLOAT, DOUBLE, DECIMAL(p, s), STRING and TIMESTAMP"
        raise UnsupportedError(
            node, f"a cast to {to.sql('spark')} is not supported on DuckDB", f"cast to one of {supported}"
        )
    name, kind = TARGETS[to.this]
    if name != "DECIMAL":
        return name, name, kind
    sizes = [int(part.name) for part in to.expressions] or [10]
    precision, scale = sizes[0], sizes[1] if len(sizes) > 1 else 0
    return name, f"DECIMAL({precision}, {scale})", kind


def _branch_on_type(name: str, full: str, operand: exp.Expr) -> str:
    """The text of a try_cast, with a branch for each type the operand may turn out to have."""
    known = kind_of(operand)
    branches = []
    for kind, test, text in ROUTES[name]:
        if known == kind or (known == "bool" and kind == "int"):
            return text.replace("TYPE", full)
        seen = text.replace("<0>", "CAST(<0> AS VARCHAR)") if kind == "text" else text
        condition = "typeof(<0>) = 'VARCHAR'" if kind == "text" else test
        branches.append(f"WHEN {condition} THEN {seen.replace('TYPE', full)}")
    if known:
        raise UnsupportedError(
            operand, f"a cast of this to {name} is not supported on DuckDB", "cast what it is made of"
        )
    message = f"'pinflow: a cast of ' || typeof(<0>) || ' to {name} is not supported on DuckDB'"
    unsupported = failing(message, f"CAST(NULL AS {full})")
    return f"CASE {' '.join(branches)} ELSE {unsupported} END"


def translate_cast(node: exp.Cast) -> exp.Expr:
    """Translate `cast` and `try_cast`. A `cast` that fails raises, as Spark's does."""
    name, full, kind = _target(node)
    operand = node.this
    if kind_of(operand) == "null":
        return template(f"CAST(NULL AS {full})", kind=kind)
    text = _branch_on_type(name, full, operand)
    made = template(text, operand, kind=kind)
    made.meta["size"] = full
    if isinstance(node, exp.TryCast) or name == "VARCHAR":
        return made
    message = f"'pinflow: ' || CAST(<0> AS VARCHAR) || ' is not a valid {full}; write try_cast to get NULL'"
    failure = failing(message, f"CAST(NULL AS {full})")
    strict = template(
        f"CASE WHEN <0> IS NOT NULL THEN coalesce(<1>, {failure}) END", operand, made, kind=kind
    )
    strict.meta["size"] = full
    return strict


def as_text(operand: exp.Expr) -> exp.Expr:
    """An operand of a function that Spark casts to text without being asked."""
    if kind_of(operand) == "text":
        return operand
    if kind_of(operand) == "null":
        return template("CAST(NULL AS VARCHAR)", kind="text")
    return template(_branch_on_type("VARCHAR", "VARCHAR", operand), operand, kind="text")
