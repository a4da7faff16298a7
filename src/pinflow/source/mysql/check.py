"""What a server reports of itself: its version, and what is wrong with its tables, clock or charset."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import text

from pinflow.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

__all__ = ["describe_server", "find_problems"]

CLOCK_SECONDS = 5.0
"""Clocks that are set by NTP differ by less; the answer's way takes a part of it."""

COLUMNS_OF_OTHER_CHARSETS = """
SELECT DISTINCT table_name, character_set_name
FROM information_schema.columns
WHERE table_schema = DATABASE() AND table_name IN ('pinterest_data', 'geolocation_data', 'user_data')
  AND character_set_name <> 'utf8mb4'
ORDER BY table_name
"""

TABLES_WITHOUT_INDEX = """
SELECT columns.table_name, columns.column_name
FROM information_schema.columns AS columns
JOIN information_schema.tables AS tables USING (table_schema, table_name)
LEFT JOIN information_schema.statistics AS indexes
  ON indexes.table_schema = columns.table_schema AND indexes.table_name = columns.table_name
  AND indexes.column_name = columns.column_name AND indexes.seq_in_index = 1
WHERE columns.table_schema = DATABASE() AND tables.table_type = 'BASE TABLE' AND indexes.column_name IS NULL
  AND (columns.table_name, columns.column_name)
    IN (('pinterest_data', 'index'), ('geolocation_data', 'ind'), ('user_data', 'ind'))
ORDER BY columns.table_name
"""


def describe_server(connection: Connection) -> str:
    """The server's name and version, and the TLS of the connection."""
    version = str(connection.execute(text("SELECT VERSION()")).scalar_one())
    cipher = connection.execute(text("SHOW STATUS LIKE 'Ssl_version'")).one_or_none()
    tls = str(cipher[1]) if cipher is not None and cipher[1] else "no TLS"
    name = "MariaDB" if "MariaDB" in version else "MySQL"
    return f"{name} {version.partition('-')[0]}, {tls}"


def find_problems(connection: Connection) -> Iterator[Finding]:
    """What will hurt: a clock that is wrong, tables of another charset, or tables without an index."""
    now = connection.execute(text("SELECT UTC_TIMESTAMP(6)")).scalar_one()
    yield from _clock(now)
    yield from _charsets(connection)
    yield from _indexes(connection)


def _clock(now: datetime) -> Iterator[Finding]:
    behind = (datetime.now(UTC).replace(tzinfo=None) - now).total_seconds()
    if abs(behind) > CLOCK_SECONDS:
        yield Finding(
            f"its clock is {abs(behind):,.0f} s {'behind' if behind > 0 else 'ahead'}",
            "set both clocks by NTP",
        )


def _charsets(connection: Connection) -> Iterator[Finding]:
    for table, charset in connection.execute(text(COLUMNS_OF_OTHER_CHARSETS)):
        yield Finding(
            f"{table} keeps {charset}, which has no place for every character",
            f"ALTER TABLE {table} CONVERT TO CHARACTER SET utf8mb4",
        )


def _indexes(connection: Connection) -> Iterator[Finding]:
    for table, column in connection.execute(text(TABLES_WITHOUT_INDEX)):
        yield Finding(
            f"{table} has no index on {column}, so each look-up reads all of it",
            f"ALTER TABLE {table} ADD PRIMARY KEY (`{column}`)",
        )
