"""SQL that stands in files: `sql/<name>.sql` beside the module that asks it, with a header that says what it means."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

__all__ = ["read_sql"]


@cache
def read_sql(package: str, name: str) -> str:
    """The text of `sql/<name>.sql` of a package."""
    return files(package).joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
