"""32-bit floats are the shortest decimal that means them, wherever they stand in an answer."""

from __future__ import annotations

import math
import struct
from decimal import Decimal

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinflow.engine.duckdb.floats import shorten_floats


def answered(sql: str) -> tuple[object, ...]:
    found = duckdb.sql(sql)
    (row,) = shorten_floats(found.fetchall(), found.types)
    return tuple(row)


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("'-89.9787'::FLOAT", -89.9787),
        ("0.1::FLOAT", 0.1),
        ("16777216::FLOAT", 16777216.0),
        ("'3.4028235e38'::FLOAT", 3.4028235e38),
        ("'1e-45'::FLOAT", 1.4013e-45),
        ("NULL::FLOAT", None),
        ("'inf'::FLOAT", math.inf),
        ("'-89.9787'::FLOAT::DOUBLE", -89.97869873046875),
        ("[0.1::FLOAT, NULL]", [0.1, None]),
        ("[[0.1::FLOAT]]", [[0.1]]),
        ("NULL::FLOAT[]", None),
        ("[0.1, 0.2]::FLOAT[2]", (0.1, 0.2)),
        ("{'a': 0.1::FLOAT, 'b': 'x'}", {"a": 0.1, "b": "x"}),
        ("NULL::STRUCT(a FLOAT)", None),
        ("MAP{'k': 0.1::FLOAT}", {"k": 0.1}),
        ("MAP{0.1::FLOAT: 'v'}", {0.1: "v"}),
        ("MAP{[1]: 0.5::FLOAT}", {"key": [[1]], "value": [0.5]}),
        ("0.1::DOUBLE", 0.1),
    ],
)
def test_a_float_is_as_short_as_it_can_be(sql: str, value: object) -> None:
    assert answered(f"SELECT {sql}, 'beside'") == (value, "beside")


def significant_digits(value: float) -> int:
    return len(Decimal(repr(value)).normalize().as_tuple().digits)


@given(st.floats(width=32, allow_nan=False))
def test_a_shortened_float_means_the_same(value: float) -> None:
    (short,) = shorten_floats([(value,)], [duckdb.sqltype("FLOAT")])[0]
    assert struct.pack("f", short) == struct.pack("f", value)
    assert significant_digits(short) <= significant_digits(value)
