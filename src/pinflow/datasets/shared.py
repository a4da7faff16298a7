"""Rules that several columns share, each in a file of its own: `rules/<name>.sql`, one expression over `{text}`."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

__all__ = ["with_rules"]

ASKED = re.compile(r"\{(\w+)\(([^{}()]+)\)\}")
"""Where SQL asks for a rule: `{whole_number(age)}` is `rules/whole_number.sql` with `age` for its `{text}`."""


def with_rules(sql: str) -> str:
    """The SQL with the rules that it asks for, each on one line, so that errors name the lines of the file."""
    while ASKED.search(sql):
        sql = ASKED.sub(lambda asked: _rule(asked[1]).replace("{text}", asked[2]), sql)
    return sql


@cache
def _rule(name: str) -> str:
    text = files("pinflow.datasets").joinpath("rules", f"{name}.sql").read_text(encoding="utf-8")
    return " ".join(line.strip() for line in text.splitlines() if not line.startswith("--"))
