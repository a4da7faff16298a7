"""Spark SQL carried to DuckDB gives what Spark gave: the recorded answers stand in fixtures/dialect."""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from pinflow.engine.dialect import to_duckdb
from pinflow.engine.dialect_functions import FUNCTIONS
from pinflow.errors import DialectError

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


CARRIED = cases(
    "aggregates", "casts", "conditions", "like", "numbers", "queries", "regex", "text", "timestamps"
)
STOPPED = cases("stopped")


@pytest.fixture(scope="module")
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def answer(db: duckdb.DuckDBPyConnection, case: str) -> Any:
    relation = db.sql(to_duckdb(f"SELECT {case}", where="case.sql"))
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


@pytest.mark.parametrize(("case", "spark"), CARRIED, ids=[case for case, _ in CARRIED])
def test_duckdb_gives_what_spark_gives(db: duckdb.DuckDBPyConnection, case: str, spark: Any) -> None:
    check(db, case, spark)


@pytest.mark.parametrize("case", [case for case, _ in STOPPED])
def test_what_cannot_be_carried_stops(db: duckdb.DuckDBPyConnection, case: str) -> None:
    with pytest.raises((DialectError, duckdb.Error)):
        answer(db, case)


LITERALS = [
    (ON_A_COLUMN.sub(r"\1\3\2", case), spark) for case, spark in CARRIED if ON_A_COLUMN.fullmatch(case)
]


@pytest.mark.parametrize(("case", "spark"), LITERALS, ids=[case for case, _ in LITERALS])
def test_a_cast_of_a_literal_is_that_of_a_column(
    db: duckdb.DuckDBPyConnection, case: str, spark: Any
) -> None:
    check(db, case, spark)


def test_there_are_cases_enough() -> None:
    assert len(CARRIED) >= 150


@pytest.mark.parametrize("name", [*FUNCTIONS, "cast", "try_cast"])
def test_every_function_has_a_case(name: str) -> None:
    call = re.compile(rf"\b{name}\(", re.IGNORECASE)
    assert any(call.search(case) for case, _ in CARRIED)
