"""SQL that stands in files: `sql/<name>.sql` beside the module that asks it, with a header that says what it means."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

__all__ = ["read_sql"]


def read_sql(package: str, name: str, **parts: object) -> str:
    """The text of `sql/<name>.sql` of a package, each `{part}` in it filled in."""
    sql = _read(package, name)
    for part, text in parts.items():
        sql = sql.replace(f"{{{part}}}", str(text))
    return sql


@cache
def _read(package: str, name: str) -> str:
    return files(package).joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
