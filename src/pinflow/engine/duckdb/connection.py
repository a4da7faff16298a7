"""How a DuckDB is opened here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["connect", "first_line"]


def connect(scratch: Path, memory_mb: int, threads: int) -> duckdb.DuckDBPyConnection:
    """A DuckDB in memory that never loads an extension from outside, knows only UTC, and spills to a folder."""
    db = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": f"{memory_mb}MiB",
            "threads": threads,
            "temp_directory": str(scratch),
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": False,
        },
    )
    db.execute("SET TimeZone = 'UTC'")
    return db


def first_line(error: duckdb.Error) -> str:
    """What DuckDB says, without the drawing below it."""
    return str(error).strip().split("\n", 1)[0]
