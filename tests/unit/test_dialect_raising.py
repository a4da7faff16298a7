"""Which parts of a query may raise is said before there is any data."""

from __future__ import annotations

import re

import msgspec
import pytest
from tests.tools.check_datasets import faults

from pinflow.config import load
from pinflow.datasets import datasets
from pinflow.engine import RecordsInMemory, open_engine
from pinflow.engine.duckdb.dialect import to_duckdb, what_may_raise
from pinflow.engine.duckdb.dialect.languages import can_match
from pinflow.errors import DialectError

COLUMNS = (("x", "text"), ("y", "text"), ("n", "int"))

RAISING = [
    ("lower(x)", "lower raises for letters"),
    ("upper(x)", "upper raises for letters"),
    ("CASE WHEN x RLIKE '[a-z]' THEN lower(x) END", "lower raises"),
    ("CASE WHEN x RLIKE '^[a-z]+\\\\z' THEN lower(y) END", "lower raises"),
    ("CASE WHEN x RLIKE '^[a-z]+\\\\z' THEN 'a' ELSE lower(x) END", "lower raises"),
    ("CASE WHEN x RLIKE '^[a-z]+\\\\z' OR y = 'a' THEN lower(x) END", "lower raises"),
    ("CASE WHEN NOT x RLIKE '^[a-z]+\\\\z' THEN lower(x) END", "lower raises"),
    ("CASE WHEN x RLIKE '^[a-z]+\\\\z' AND lower(x) = 'a' THEN 'a' END", "lower raises"),
    ("try_cast(x AS DOUBLE)", "try_cast of text to DOUBLE"),
    ("try_cast(x AS FLOAT)", "try_cast of text to FLOAT"),
    ("try_cast(x AS DECIMAL(10, 2))", "try_cast of text to DECIMAL"),
    ("try_cast(n * 1e0 AS DECIMAL(10, 2))", "try_cast of a DOUBLE to DECIMAL"),
    ("try_cast(x AS TIMESTAMP)", "try_cast of text to TIMESTAMP"),
    ("CASE WHEN x RLIKE '^[0-9]{2}:' THEN try_cast(x AS TIMESTAMP) END", "try_cast of text to TIMESTAMP"),
    ("CAST(x AS INT)", "CAST raises"),
    ("n + 1", "arithmetic raises"),
    ("-n", "arithmetic raises"),
    ("n * n", "arithmetic raises"),
    ("x + 1", "arithmetic with what may be text"),
    ("unknown - 1e0", "arithmetic with what may be text"),
    ("1 / n", "division raises"),
    ("n / 0", "division raises"),
    ("abs(n)", "abs raises"),
    ("abs(x)", "abs of what may be text"),
    ("floor(n * 1e0)", "floor of a DOUBLE"),
    ("sum(n)", "sum raises"),
    ("substring(x, 1, try_cast(x AS BIGINT))", "substring raises"),
    ("x LIKE y", "LIKE raises"),
    ("x = n", "text beside a number"),
    ("x BETWEEN 1 AND 2", "text beside a number"),
    ("coalesce(x, n)", "text beside a number"),
    ("CASE WHEN n = 1 THEN x ELSE n END", "text beside a number"),
    ("year(x)", "year of what may be text"),
    ("(SELECT x FROM t)", "a subquery in the place of a value"),
    ("z + 1 FROM (SELECT try_cast(x AS INT) AS z FROM t) AS s", "arithmetic raises"),
]

TOTAL = [
    "try_cast(x AS INT)",
    "try_cast(x AS BIGINT)",
    "CASE WHEN x RLIKE '^[a-z]+\\\\z' THEN lower(x) END",
    "CASE WHEN n = 1 AND (x RLIKE '^[a-z]+\\\\z') THEN concat(lower(x), x) END",
    "CASE WHEN x RLIKE '^[0-9.]+\\\\z' THEN try_cast(x AS DOUBLE) END",
    "CASE WHEN x RLIKE '^[0-9.]+\\\\z' THEN CASE WHEN y = 'a' THEN try_cast(x AS FLOAT) END END",
    "CASE WHEN x RLIKE '^[0-9]{4}-[0-9]{2}-[0-9]{2}\\\\z' THEN year(try_cast(x AS TIMESTAMP)) END",
    "try_cast(try_cast(x AS INT) AS DOUBLE) + length(y) * 2e0",
    "abs(try_cast(n AS DOUBLE))",
    "n / 2",
    "substring(x, 1, length(y))",
    "substring(x, -1, try_cast(y AS INT))",
    "regexp_replace(x, '[0-9]', 'a')",
    "x LIKE 'a\\\\_%'",
    "nullif(trim(x), '')",
    "count(*)",
    "z + 1e0 FROM (SELECT *, try_cast(x AS INT) AS z FROM t) AS s",
    "x FROM t WHERE x IN (SELECT y FROM t)",
]


def query(case: str) -> str:
    return f"SELECT {case}" if " FROM " in case and not case.startswith("(") else f"SELECT {case} FROM t"


@pytest.mark.parametrize(("case", "what"), RAISING, ids=[case for case, _ in RAISING])
def test_what_may_raise_is_named_with_its_place(case: str, what: str) -> None:
    first, *_ = what_may_raise(query(case), where="rule.sql", columns=COLUMNS)
    assert what in first.what
    assert re.fullmatch(r"rule\.sql:1:\d+", first.where)
    assert first.hint
    with pytest.raises(DialectError, match=re.escape(first.what)):
        to_duckdb(query(case), where="rule.sql", columns=COLUMNS, total=True)


@pytest.mark.parametrize("case", TOTAL)
def test_what_cannot_raise_is_not_named(case: str) -> None:
    assert what_may_raise(query(case), where="rule.sql", columns=COLUMNS) == []
    assert to_duckdb(query(case), where="rule.sql", columns=COLUMNS, total=True)


def test_all_parts_that_may_raise_are_named_in_the_order_of_the_text() -> None:
    found = what_may_raise("SELECT\n  n + 1,\n  lower(x)\nFROM t", where="rule.sql", columns=COLUMNS)
    assert [each.where for each in found] == ["rule.sql:2:3", "rule.sql:3:3"]


def test_questions_may_raise() -> None:
    assert to_duckdb("SELECT lower(x) FROM t", where="question.sql")


@pytest.mark.parametrize("name", [each.name for each in datasets()])
def test_no_rule_of_a_dataset_may_raise(name: str) -> None:
    (dataset,) = (each for each in datasets() if each.name == name)
    assert faults(dataset) == []


def test_the_check_of_the_datasets_names_file_and_line() -> None:
    (pin, *_) = datasets()
    spoilt = msgspec.structs.replace(pin, clean_sql="SELECT\n  lower(title) AS title\nFROM raw")
    (fault,) = faults(spoilt)
    assert fault.where == "pinflow/datasets/pin/clean.sql:2:3"


def test_the_engine_refuses_a_rule_that_may_raise(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("home")
    engine = open_engine(load(home, env={}).config, home)
    (pin, *_) = datasets()
    spoilt = msgspec.structs.replace(pin, clean_sql="SELECT lower(title) AS title FROM raw")
    with pytest.raises(DialectError, match="lower raises"):
        engine.clean(spoilt, RecordsInMemory("t", []))
    engine.close()


@pytest.mark.parametrize(
    ("wanted", "unwanted", "possible"),
    [
        ([r"\A[0-9]+\z", r"[a-z]"], [], False),
        ([r"[0-9]", r"[a-z]"], [], True),
        ([r"\A[0-9]{2,3}\z"], [r"\A[0-9]{1,3}\z"], False),
        ([r"\A[0-9]{2,4}\z"], [r"\A[0-9]{1,3}\z"], True),
        ([r"\A(?:ab|cd)*\z", r"\Ac"], [r"d\z"], True),
        ([r"\A(?:ab|cd)+\z"], [r"[bd]\z"], False),
        ([r"\Aa?b\z"], [r"\A(?:ab|b)\z"], False),
        ([r"\A[^\x00-\x7f]\z", r"\x{130}"], [], True),
        ([r"\A[^\x00-\x7f]\z", r"[\x{41}-\x{5a}]"], [], False),
        ([r"\A\S\z"], [r"\A[^ \t\n\f\r]\z"], False),
        ([r"a\z", r"\Ab"], [r"\Aba\z"], True),
        ([r"\A[0-9]\.\z", r"\A\d[^.]\z"], [], False),
    ],
)
def test_patterns_are_compared_by_the_texts_that_they_match(
    wanted: list[str], unwanted: list[str], *, possible: bool
) -> None:
    assert can_match(tuple(wanted), tuple(unwanted)) is possible


@pytest.mark.parametrize("pattern", [r"\bx", "a.b", "^a", "a$", "(?i:a)", "a)"])
def test_a_pattern_that_is_not_known_is_an_error(pattern: str) -> None:
    with pytest.raises(ValueError, match="can be compared"):
        can_match((pattern,))
