"""What is said never to raise does not raise, whatever the text."""

from __future__ import annotations

import duckdb
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pinflow.engine.duckdb.dialect import to_duckdb
from pinflow.errors import DialectError

COLUMNS = (("x", "text"), ("y", "text"))

TEXTS = st.one_of(
    st.text(max_size=12),
    st.from_regex(r"[ -~İſKΣß٣]{0,10}", fullmatch=True),
    st.from_regex(r"[+-]?[0-9]{1,30}(\.[0-9]{0,20})?([eE][+-]?[0-9]{1,4})?[fd]?", fullmatch=True),
    st.from_regex(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}( ?[A-Za-z/]{0,8}|[+-][0-9:]{1,8})",
        fullmatch=True,
    ),
    st.sampled_from(
        ["0x1p3", "NaN", "-inf", "12:00", "T12", "\0", "", "9" * 400, "-2147483648", "9223372036854775807"]
    ),
)

GUARDS = st.sampled_from(
    [
        r"^[a-z]+\\z",
        r"^[0-9]+\\z",
        r"^[+-]?[0-9]+([.][0-9]+)?\\z",
        "[0-9]",
        r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\\z",
        "^[A-Z]",
        r"^\\w*\\z",
    ]
)


def extend(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    one = st.sampled_from(
        [
            "lower({0})", "upper({0})", "trim({0})", "length({0})", "try_cast({0} AS INT)", "try_cast({0} AS BIGINT)",
            "try_cast({0} AS DOUBLE)", "try_cast({0} AS FLOAT)", "try_cast({0} AS DECIMAL(20, 4))", "-({0})",
            "try_cast({0} AS TIMESTAMP)", "try_cast({0} AS STRING)", "abs({0})", "floor({0})", "year({0})",
            "regexp_replace({0}, '[0-9]', 'e')", "regexp_extract({0}, '([0-9]+)', 1)", "concat('-', {0})",
            "substring({0}, 2)", "nullif({0}, '')", "{0} LIKE 'a%'", "({0}) / 3", "({0}) * 1e300", "CAST({0} AS INT)",
        ]
    )  # fmt: skip
    two = st.sampled_from(
        [
            "({0}) + ({1})", "({0}) - ({1})", "({0}) * ({1})", "({0}) / ({1})", "concat({0}, {1})",
            "coalesce({0}, {1})", "substring({0}, {1})", "substring({0}, 1, {1})", "({0}) = ({1})",
            "if(({0}) < ({1}), {0}, {1})", "{0} LIKE {1}",
        ]
    )  # fmt: skip
    return st.one_of(
        st.builds(lambda form, part: form.format(part), one, inner),
        st.builds(lambda form, left, right: form.format(left, right), two, inner, inner),
        st.builds(
            lambda name, guard, part: f"CASE WHEN {name} RLIKE '{guard}' THEN {part} END",
            st.sampled_from("xy"),
            GUARDS,
            inner,
        ),
    )


EXPRESSIONS = st.recursive(st.sampled_from(["x", "y", "'a'", "1", "2.5e0", "NULL"]), extend, max_leaves=6)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(EXPRESSIONS, st.lists(st.tuples(TEXTS | st.none(), TEXTS | st.none()), min_size=5, max_size=20))
def test_what_is_said_never_to_raise_does_not_raise(
    expression: str, rows: list[tuple[str | None, str | None]]
) -> None:
    try:
        sql = to_duckdb(f"SELECT {expression} AS made FROM t", where="rule.sql", columns=COLUMNS, total=True)
    except DialectError:
        assume(False)
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        db.execute("CREATE TABLE t (x VARCHAR, y VARCHAR)")
        try:
            db.sql(sql)
        except duckdb.BinderException:
            assume(False)  # it fails for every row alike
        db.executemany("INSERT INTO t VALUES (?, ?)", [(x, y) for x, y in rows])
        db.execute(f"CREATE TABLE made AS {sql}")
