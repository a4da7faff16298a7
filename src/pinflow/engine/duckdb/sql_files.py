"""The SQL that only DuckDB runs, each text in a file of its own below `sql/`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

__all__ = ["sql_text"]


def sql_text(name: str, **parts: object) -> str:
    """The SQL of `sql/<name>.sql`, each `{part}` in it filled in."""
    sql = _read(name)
    for part, text in parts.items():
        sql = sql.replace(f"{{{part}}}", str(text))
    return sql


@cache
def _read(name: str) -> str:
    return files("pinflow.engine.duckdb").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
