"""Spark SQL translated to DuckDB's gives what Spark gave: the recorded answers stand in fixtures/dialect."""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from pinflow.datasets.shared import with_rules
from pinflow.engine.duckdb.dialect import to_duckdb
from pinflow.engine.duckdb.dialect.functions import FUNCTIONS
from pinflow.errors import DialectError
from pinflow.queries.columns import columns_read

if TYPE_CHECKING:
    from collections.abc import Iterator

CASES = Path(__file__).parent / "fixtures" / "dialect"
ON_A_COLUMN = re.compile(r"(try_cast\()x( AS .*\)) FROM VALUES \((.*)\) AS t\(x\)")


def cases(*names: str) -> list[tuple[str, Any]]:
    found = []
    for path in sorted(CASES.glob("*.tsv")):
        if names and path.stem not in names:
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            case, tab, answer = line.partition("\t")
            if tab:
                found.append((case, json.loads(answer)))
    return found


SUPPORTED = cases(
    "aggregates", "casts", "conditions", "like", "numbers", "queries", "regex", "rules", "text", "timestamps"
)
STOPPED = cases("stopped")


@pytest.fixture(scope="module")
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def answer(db: duckdb.DuckDBPyConnection, case: str) -> Any:
    relation = db.sql(to_duckdb(with_rules(f"SELECT {case}"), where="case.sql"))
    columns = [
        f"epoch_us(#{at})" if str(kind) == "TIMESTAMP WITH TIME ZONE" else f"#{at}"
        for at, kind in enumerate(relation.types, 1)
    ]
    times = [column.startswith("epoch") for column in columns]
    rows = [
        [
            {"us": value} if time and value is not None else value
            for value, time in zip(row, times, strict=True)
        ]
        for row in relation.project(", ".join(columns)).fetchall()
    ]
    return rows[0][0] if len(rows) == 1 and len(rows[0]) == 1 else rows


def same(ours: Any, spark: Any) -> bool:
    """Whether two values are equal, NaN to NaN, lists part by part, and a bool to a bool only."""
    if isinstance(spark, dict) and "decimal" in spark:
        return isinstance(ours, Decimal | int) and Decimal(ours) == Decimal(spark["decimal"])
    if isinstance(spark, list):
        return isinstance(ours, list) and len(ours) == len(spark) and all(map(same, ours, spark))
    if isinstance(spark, float):
        return isinstance(ours, float) and (ours == spark or (math.isnan(ours) and math.isnan(spark)))
    return ours == spark and isinstance(ours, bool) == isinstance(spark, bool)


def check(db: duckdb.DuckDBPyConnection, case: str, spark: Any) -> None:
    if isinstance(spark, dict) and "error" in spark:
        with pytest.raises((DialectError, duckdb.Error)):
            answer(db, case)
        return
    ours = answer(db, case)
    assert same(ours, spark), f"DuckDB gives {ours!r}, Spark gives {spark!r}"


@pytest.mark.parametrize(("case", "spark"), SUPPORTED, ids=[case for case, _ in SUPPORTED])
def test_duckdb_gives_what_spark_gives(db: duckdb.DuckDBPyConnection, case: str, spark: Any) -> None:
    check(db, case, spark)


@pytest.mark.parametrize("case", [case for case, _ in STOPPED])
def test_what_is_not_supported_stops(db: duckdb.DuckDBPyConnection, case: str) -> None:
    with pytest.raises((DialectError, duckdb.Error)):
        answer(db, case)


LITERALS = [
    (ON_A_COLUMN.sub(r"\1\3\2", case), spark) for case, spark in SUPPORTED if ON_A_COLUMN.fullmatch(case)
]


@pytest.mark.parametrize(("case", "spark"), LITERALS, ids=[case for case, _ in LITERALS])
def test_a_cast_of_a_literal_is_that_of_a_column(
    db: duckdb.DuckDBPyConnection, case: str, spark: Any
) -> None:
    check(db, case, spark)


def test_there_are_cases_enough() -> None:
    assert len(SUPPORTED) >= 150


@pytest.mark.parametrize("name", [*FUNCTIONS, "cast", "try_cast"])
def test_every_function_has_a_case(name: str) -> None:
    call = re.compile(rf"\b{name}\(", re.IGNORECASE)
    assert any(call.search(case) for case, _ in SUPPORTED)


UNSUPPORTED = [
    (
        "SELECT 1,\n  date_add(x, 1) FROM t",
        "the function date_add is not supported",
        "2:3",
        "supported are: abs, ",
    ),
    ("SELECT nvl(x, 1) FROM t", "the function nvl", "1:8", "use coalesce"),
    ("SELECT\n\n explode(x) FROM t", "the function explode", "3:2", "supported are"),
    ("SELECT now()", "the function now", "1:8", "supported are"),
    ("SELECT year(x, y) FROM t", "year with 2 arguments", "1:8", "1 argument"),
    ("SELECT count(a, b) FROM t", "count with 2 arguments", "1:8", "1 argument"),
    ("SELECT x\nFROM t\nQUALIFY x = 1", "SELECT with qualify", "1:8", "plain SELECT"),
    ("SELECT x, INTERVAL 1 DAY FROM t", "INTERVAL", "1:", "plain SELECT"),
    ("SELECT * EXCEPT (a) FROM t", "STAR with except", "1:8", "plain SELECT"),
    ("SELECT x[0] FROM t", "`x[0]`", "1:8", "plain SELECT"),
    ("SELECT x FROM a.b", "TABLE with db", "1:15", "plain SELECT"),
    ("SELECT x FROM t TABLESAMPLE (5 ROWS)", "TABLE", "1:", "plain SELECT"),
    ("SELECT x FROM t LATERAL VIEW explode(y) AS z", "SELECT with laterals", "1:8", "plain SELECT"),
    ("SELECT x FROM t GROUP BY ROLLUP (x)", "ROLLUP", "1:34", "plain SELECT"),
    ("SELECT /*+ BROADCAST(t) */ x FROM t", "SELECT with hint", "1:", "plain SELECT"),
    ("SELECT sum(x) FILTER (WHERE y) FROM t", "FILTER", "1:8", "plain SELECT"),
    ("SELECT sum(x) OVER (ROWS 1 PRECEDING) FROM t", "WINDOW with spec", "1:8", "plain SELECT"),
    ("SELECT x FROM t SORT BY x", "SELECT with sort", "1:8", "plain SELECT"),
    ("SELECT x FROM t INTERSECT SELECT y FROM u", "INTERSECT", "1:8", "plain SELECT"),
    ("SELECT CAST(x AS DATE) FROM t", "a cast to DATE", "1:13", "cast to one of INT"),
    ("SELECT x FROM t\nWHERE x RLIKE '(?=a)b'", "not the same on DuckDB", "2:15", "classes, groups"),
    ("SELECT x FROM t WHERE x RLIKE y", "not a literal", "1:31", "as a literal"),
    ("SELECT regexp_replace(x, 'a*', 'b') FROM t", "can match nothing", "1:26", "classes, groups"),
    ("SELECT regexp_extract(x, 'a') FROM t", "group that the pattern does not have", "1:26", "that is there"),
    ("SELECT 1.5 / 2", "division of decimals", "1:8", "DOUBLE"),
    ("DELETE FROM t", "not a SELECT", "1:1", "one SELECT"),
    ("", "not a SELECT", "1:1", "one SELECT"),
    ("(1 + 2)", "not a SELECT", "1:1", "one SELECT"),
    ("SELECT 1;\nSELECT 2", "more than one statement", "1:9", "one SELECT"),
    ("SELECT x FROM", "cannot be read", "1:", "one SELECT"),
    ("SELECT x FROM t WHERE (x = 1", "cannot be read: Expecting )", "1:", "one SELECT"),
    ("SELECT 'a", "cannot be read", "1:", "one SELECT"),
]


@pytest.mark.parametrize(("sql", "what", "place", "hint"), UNSUPPORTED, ids=[sql for sql, *_ in UNSUPPORTED])
def test_what_is_not_listed_is_unsupported_and_its_place_is_named(
    sql: str, what: str, place: str, hint: str
) -> None:
    with pytest.raises(DialectError) as error:
        to_duckdb(sql, where="some/question.sql")
    assert what in error.value.what
    assert error.value.where.startswith(f"some/question.sql:{place}")
    assert hint in error.value.hint


def test_sql_nested_beyond_reading_is_unsupported() -> None:
    with pytest.raises(DialectError, match="nested too deeply"):
        to_duckdb(f"SELECT {'(' * 20_000}1{')' * 20_000}", where="case.sql")


def test_every_name_comes_out_quoted() -> None:
    sql = (
        "SELECT user.index, timestamp, `a b` FROM user JOIN t ON user.index = t.index ORDER BY timestamp DESC"
    )
    assert to_duckdb(sql, where="case.sql") == (
        'SELECT "user"."index", "timestamp", "a b" FROM "user" JOIN "t" ON "user"."index" = "t"."index"'
        ' ORDER BY "timestamp" DESC'
    )


def test_one_statement_may_end_in_a_semicolon() -> None:
    assert to_duckdb("SELECT 1 AS x;", where="case.sql") == 'SELECT 1 AS "x"'


def test_text_that_looks_like_a_hole_of_a_template_stays_text(db: duckdb.DuckDBPyConnection) -> None:
    assert answer(db, "trim(' <0> <*> {0} ') || concat_ws('<1>', '<0>', 'b')") == "<0> <*> {0}<0><1>b"


def test_branches_for_other_types_vanish_from_the_plan(db: duckdb.DuckDBPyConnection) -> None:
    db.execute("CREATE TEMP TABLE plain AS SELECT '17' AS word, number FROM range(10) AS t(number)")
    sql = to_duckdb("SELECT try_cast(word AS INT) FROM plain WHERE number > 5", where="case.sql")
    (plan,) = [row[1] for row in db.execute(f"EXPLAIN {sql}").fetchall()]
    assert "typeof" not in plan
    assert "number>5" in plan.replace(" ", "")


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("SELECT count(*) FROM pin", set()),
        ("SELECT Ind, p.title FROM pin AS p JOIN geo ON geo.ind = p.ind", {"ind", "title"}),
        ("SELECT * FROM pin", None),
        ("SELECT pin.* FROM pin JOIN geo USING (ind)", None),
        ("WITH c AS (SELECT ind FROM pin) SELECT * FROM c", {"ind"}),
        ("WITH c AS (SELECT ind FROM pin) SELECT * FROM c JOIN geo ON c.ind = geo.ind", None),
        ("SELECT * FROM (SELECT ind FROM pin WHERE title = 'x') AS s", {"ind", "title"}),
        ("WITH c AS (SELECT * FROM pin) SELECT ind FROM c", None),
        ("SELECT ind FROM pin WHERE ind IN (SELECT ind FROM geo WHERE country = 'x')", {"ind", "country"}),
    ],
)
def test_the_columns_that_a_query_reads_are_known(sql: str, columns: set[str] | None) -> None:
    assert columns_read(sql) == columns
