"""The three tables of the source database, one row each per post.

`pinterest_data` holds what was posted, `geolocation_data` when and where, `user_data` by whom. The post's
number is the key of each: `index` in the first, `ind` in the other two. Times are UTC. Follower counts are
text: "12k".
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import CHAR, Column, DateTime, Float, Integer, MetaData, Table, Text
from sqlalchemy.dialects import mysql

__all__ = ["GEO", "PIN", "TABLES", "USER", "metadata", "number_column"]

MYSQL: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",  # emoji need four bytes
    "mysql_collate": "utf8mb4_bin",  # two texts are one only when every character is
}

DOUBLE = Float(53)  # FLOAT would round a coordinate to 24 bits
MOMENT = DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql")  # plain DATETIME rounds fractions away

metadata = MetaData()

PIN = Table(
    "pinterest_data",
    metadata,
    Column("index", Integer, primary_key=True, autoincrement=False),
    Column("unique_id", CHAR(36)),
    Column("title", Text),
    Column("description", Text),
    Column("poster_name", Text),
    Column("follower_count", Text),
    Column("tag_list", Text),
    Column("is_image_or_video", Text),
    Column("image_src", Text),
    Column("downloaded", Integer),
    Column("save_location", Text),
    Column("category", Text),
    **MYSQL,
)

GEO = Table(
    "geolocation_data",
    metadata,
    Column("ind", Integer, primary_key=True, autoincrement=False),
    Column("timestamp", MOMENT),
    Column("latitude", DOUBLE),
    Column("longitude", DOUBLE),
    Column("country", Text),
    **MYSQL,
)

USER = Table(
    "user_data",
    metadata,
    Column("ind", Integer, primary_key=True, autoincrement=False),
    Column("first_name", Text),
    Column("last_name", Text),
    Column("age", Integer),
    Column("date_joined", MOMENT),
    **MYSQL,
)

TABLES = (PIN, GEO, USER)


def number_column(table: Table) -> Column[int]:
    """The column of the post's number: always the first."""
    return next(iter(table.columns))
