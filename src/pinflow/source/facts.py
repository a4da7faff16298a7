"""What a source holds, in a few figures."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct
from sqlalchemy import distinct, func, select

from pinflow.source.database import count_rows, existing
from pinflow.source.tables import GEO, PIN

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["Summary", "summary"]


class Summary(Struct, frozen=True):
    """What a source holds.

    Attributes:
        posts: Rows of `pinterest_data`.
        rows: Table → rows.
        first: The smallest number of a post, None without posts.
        last: The largest number of a post, None without posts.
        categories: Category → posts, in alphabetical order; posts without one are left out.
        earliest: When the first post was made, UTC.
        latest: When the last post was made, UTC.
        posters: Different poster names.
        countries: Different countries.
    """

    posts: int
    rows: dict[str, int]
    first: int | None
    last: int | None
    categories: dict[str, int]
    earliest: datetime | None
    latest: datetime | None
    posters: int
    countries: int


def summary(url: str) -> Summary:
    """Look at the source. Reads each table once; takes some seconds per million posts.

    Raises:
        AbsentError: There is no source there.
        UnavailableError: The database cannot be reached, or is locked.
    """
    with existing(url, long=True) as database, database.connect() as connection:
        pin, geo = PIN.columns, GEO.columns
        first, last = connection.execute(select(func.min(pin["index"]), func.max(pin["index"]))).one()
        earliest, latest = connection.execute(select(func.min(geo.timestamp), func.max(geo.timestamp))).one()
        rows = count_rows(connection)
        return Summary(
            posts=rows[PIN.name],
            rows=rows,
            first=first,
            last=last,
            categories=_categories(connection),
            earliest=earliest,
            latest=latest,
            posters=connection.execute(select(func.count(distinct(pin.poster_name)))).scalar_one(),
            countries=connection.execute(select(func.count(distinct(geo.country)))).scalar_one(),
        )


def _categories(connection: Connection) -> dict[str, int]:
    category = PIN.columns.category
    query = select(category, func.count()).where(category.is_not(None)).group_by(category).order_by(category)
    return {name: count for name, count in connection.execute(query)}  # noqa: C416 - rows are no plain tuples
