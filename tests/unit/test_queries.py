"""The ten questions, translated to DuckDB's SQL, answer as the plain-Python statement of them does."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reference import Row, answers

from pinflow.engine.duckdb.dialect import to_duckdb
from pinflow.errors import UsageError
from pinflow.queries import question, questions

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS = {
    "top_category_by_country": ["country", "category", "category_count"],
    "category_counts_by_year": ["post_year", "category", "category_count"],
    "top_category_by_year": ["post_year", "category", "category_count"],
    "top_poster_by_country": ["country", "poster_name", "follower_count"],
    "top_country_by_followers": ["country", "follower_count"],
    "top_category_by_age_group": ["age_group", "category", "category_count"],
    "median_followers_by_age_group": ["age_group", "median_follower_count"],
    "users_joined_by_year": ["post_year", "number_users_joined"],
    "median_followers_by_joining_year": ["post_year", "median_follower_count"],
    "median_followers_by_joining_year_and_age_group": ["age_group", "post_year", "median_follower_count"],
}
TYPES = {
    "country": "VARCHAR",
    "category": "VARCHAR",
    "poster_name": "VARCHAR",
    "age_group": "VARCHAR",
    "post_year": "INTEGER",
    "follower_count": "INTEGER",
    "category_count": "BIGINT",
    "number_users_joined": "BIGINT",
    "median_follower_count": "DOUBLE",
}
TABLES = {
    "pin": "ind INTEGER, category VARCHAR, poster_name VARCHAR, follower_count INTEGER",
    "geo": "ind INTEGER, country VARCHAR, timestamp TIMESTAMPTZ",
    "user": "ind INTEGER, user_name VARCHAR, age INTEGER, date_joined TIMESTAMPTZ",
}

CATEGORIES = [None, "art", "ART", "école", "travel"]
POSTERS = [None, "a", "B", "é"]
FOLLOWERS = [None, 0, 1, 2, 5, 10, 2_147_483_646, 2_147_483_647]
COUNTRIES = [None, "Aruba", "aruba", "Åland", "Zambia"]
AGES = [None, -1, 17, 18, 24, 25, 35, 36, 50, 51, 99]
NAMES = ["", "Ada", "Ada Byron"]
TIMES = [
    None,
    *(datetime(year, 12, 31, 23, 59, 59, 999_999, UTC) for year in (2014, 2017, 2018, 2020, 2022)),
    *(datetime(year, 1, 1, tzinfo=UTC) for year in (2015, 2016, 2018, 2020, 2021, 2023)),
]

Posts = tuple[list[Row], list[Row], list[Row]]


def posts(number: int, seed: int) -> Posts:
    """Clean rows with many ties and NULLs, some posts without one of their three."""
    draw = random.Random(seed)
    tables: Posts = ([], [], [])
    for ind in range(number):
        pin: Row = {
            "ind": ind,
            "category": draw.choice(CATEGORIES),
            "poster_name": draw.choice(POSTERS),
            "follower_count": draw.choice(FOLLOWERS),
        }
        geo: Row = {"ind": ind, "country": draw.choice(COUNTRIES), "timestamp": draw.choice(TIMES)}
        user: Row = {
            "ind": ind,
            "user_name": draw.choice(NAMES),
            "age": draw.choice(AGES),
            "date_joined": draw.choice(TIMES),
        }
        for rows, row in zip(tables, (pin, geo, user), strict=True):
            if draw.random() < 0.95:
                rows.append(row)
    return tables


@pytest.fixture(scope="module")
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def load(db: duckdb.DuckDBPyConnection, tables: Posts) -> None:
    for (name, columns), rows in zip(TABLES.items(), tables, strict=True):
        db.execute(f'CREATE OR REPLACE TABLE "{name}" ({columns})')
        if rows:
            holes = ", ".join("?" for _ in columns.split(","))
            db.executemany(f'INSERT INTO "{name}" VALUES ({holes})', [list(row.values()) for row in rows])


def answered(db: duckdb.DuckDBPyConnection) -> dict[str, list[Any]]:
    return {
        name: db.sql(to_duckdb(asked.sql, where=asked.path)).fetchall() for name, asked in questions().items()
    }


@pytest.mark.parametrize(("number", "seed"), [(0, 0), (3, 1), (40, 2), (600, 3)])
def test_the_questions_answer_as_the_reference_does(
    db: duckdb.DuckDBPyConnection, number: int, seed: int
) -> None:
    tables = posts(number, seed)
    load(db, tables)
    assert answered(db) == answers(*tables)


@settings(deadline=None)
@given(number=st.integers(1, 15), seed=st.integers(0, 2**32))
def test_few_posts_answer_as_the_reference_does(number: int, seed: int) -> None:
    tables = posts(number, seed)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        load(connection, tables)
        assert answered(connection) == answers(*tables)


@pytest.mark.parametrize("name", COLUMNS)
def test_the_columns_have_the_documented_names_order_and_types(
    db: duckdb.DuckDBPyConnection, name: str
) -> None:
    load(db, ([], [], []))
    asked = question(name)
    relation = db.sql(to_duckdb(asked.sql, where=asked.path))
    assert relation.columns == COLUMNS[name]
    assert [str(kind) for kind in relation.types] == [TYPES[column] for column in COLUMNS[name]]


def test_the_questions_stand_in_the_documented_order() -> None:
    assert list(questions()) == list(COLUMNS)


@pytest.mark.parametrize("name", COLUMNS)
def test_the_head_of_each_file_says_what_every_column_is(name: str) -> None:
    asked = question(name)
    head = asked.sql.partition("\nSELECT")[0].partition("\nWITH")[0]
    assert asked.name == name
    assert asked.title
    assert asked.path == f"pinflow/queries/{name}.sql"
    assert all(f"-- {column} " in head for column in COLUMNS[name])


@pytest.mark.parametrize(
    ("name", "hint"),
    [("top_category_by_contry", "did you mean top_category_by_country?"), ("zzz", "the questions are: top_")],
)
def test_a_question_that_is_not_there(name: str, hint: str) -> None:
    with pytest.raises(UsageError) as refused:
        question(name)
    assert name in refused.value.what
    assert hint in refused.value.hint
