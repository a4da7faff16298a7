"""What a server says of itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import text

from pinflow.findings import Finding
from pinflow.source.protocol import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

__all__ = ["examine"]

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


def examine(connection: Connection) -> Server:
    """The server's version, and what of its tables, its clock and the connection had better be otherwise."""
    version, now = connection.execute(text("SELECT VERSION(), UTC_TIMESTAMP(6)")).one()
    cipher = connection.execute(text("SHOW STATUS LIKE 'Ssl_version'")).one_or_none()
    tls = str(cipher[1]) if cipher is not None and cipher[1] else "no TLS"
    name = "MariaDB" if "MariaDB" in version else "MySQL"
    return Server(
        f"{name} {version.partition('-')[0]}, {tls}",
        (*_clock(now), *_charsets(connection), *_indexes(connection)),
    )


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
