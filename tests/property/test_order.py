"""The SQL that says which record of a post stands, against a plain-Python statement of the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reference import Stored, latest

from pinflow.datasets import over_ranked
from pinflow.engine.duckdb.dialect import to_duckdb

if TYPE_CHECKING:
    from collections.abc import Iterable

SECOND = 1_000_000
NEVER = str(1 << 60)
PLACED = st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 12))
"""Partition, post, and seconds: few of each, so that they meet."""


def stored(placed: list[tuple[int, int, int]]) -> list[Stored]:
    """Rows in the order in which they are written; offsets count in each partition."""
    ends: dict[int, int] = {}
    rows = []
    for at, (partition, number, seconds) in enumerate(placed):
        ends[partition] = offset = ends.get(partition, -1) + 1
        rows.append(Stored(partition, offset, {"ind": number, "came": at}, seconds * SECOND))
    return rows


def ask(rows: Iterable[Stored], name: str, **filled: str) -> list[tuple[int, ...]]:
    """The answer of one of the texts over a table of these rows."""
    with duckdb.connect() as db:
        db.execute(
            "CREATE TABLE kept (ind INT, came INT, _topic TEXT, _partition INT, _offset BIGINT,"
            " _accepted_at TIMESTAMPTZ)"
        )
        for partition, offset, row, accepted_at in rows:
            values = [row["ind"], row["came"], partition, offset, accepted_at]
            db.execute("INSERT INTO kept VALUES (?, ?, 't', ?, ?, make_timestamptz(?))", values)
        sql = over_ranked(name).replace("{table}", "kept")
        for key, value in filled.items():
            sql = sql.replace(f"{{{key}}}", value)
        return db.execute(to_duckdb(sql, where=f"{name}.sql")).fetchall()


@settings(deadline=None, max_examples=60)
@given(st.lists(PLACED, max_size=25), st.sampled_from([0, 2, 100]))
def test_what_stands_is_what_was_accepted_last_also_after_any_removal(
    placed: list[tuple[int, int, int]], slack: int
) -> None:
    rows = stored(placed)
    wanted = [(row["ind"], row["came"]) for row in latest(rows)]
    assert sorted(ask(rows, "latest", columns="ind, came")) == wanted
    superseded = ask(rows, "superseded", slack=str(slack * SECOND), exact_from=NEVER)
    assert len(set(superseded)) == len(superseded)
    for gone in range(len(superseded) + 1):  # a removal may be killed between any two of its steps
        left = [row for row in rows if (row.partition, row.offset) not in superseded[:gone]]
        assert sorted(ask(left, "latest", columns="ind, came")) == wanted
    standing = {partition: count for partition, _, _, count in ask(rows, "standing")}
    assert sum(standing.values()) == len(wanted)


@settings(deadline=None, max_examples=60)
@given(st.lists(PLACED, max_size=25))
def test_where_times_only_rise_and_are_exact_every_superseded_row_can_go(
    placed: list[tuple[int, int, int]],
) -> None:
    rows = stored([(partition, number, at) for at, (partition, number, _) in enumerate(placed)])
    superseded = ask(rows, "superseded", slack=NEVER, exact_from="0")
    assert len(superseded) == len(rows) - len(latest(rows))


@settings(deadline=None, max_examples=30)
@given(st.lists(PLACED, max_size=25))
def test_where_no_clock_counts_only_earlier_offsets_of_the_same_partition_go(
    placed: list[tuple[int, int, int]],
) -> None:
    rows = stored(placed)
    last = {(row.partition, row.row["ind"]): row.offset for row in rows}
    for partition, offset in ask(rows, "superseded", slack=NEVER, exact_from=NEVER):
        (number,) = {row.row["ind"] for row in rows if (row.partition, row.offset) == (partition, offset)}
        assert offset < last[partition, number]
