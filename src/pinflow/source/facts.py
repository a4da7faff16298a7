"""What a source holds, in a few figures."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct
from sqlalchemy import distinct, func, select

from pinflow.source.database import open_source
from pinflow.source.moments import moment_of
from pinflow.source.protocol import raw
from pinflow.source.tables import GEO, PIN
from pinflow.source.values import Converter

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pinflow.source.database import Database

__all__ = ["SourceSummary", "summary"]


ROWS_AT_ONCE = 10_000
"""Times read at a time."""


class SourceSummary(Struct, frozen=True):
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


def summary(url: str) -> SourceSummary:
    """Look at the source. Reads each table once; takes some seconds per million posts.

    Raises:
        AbsentError: There is no source there.
        UnavailableError: The database cannot be reached, or is locked.
        TerminalError: A value has no clear meaning.
    """
    with open_source(url, long=True) as database, database.connect() as connection:
        pin, geo = PIN.columns, GEO.columns
        number, convert = database.backend.selection(connection, PIN).number, Converter(PIN, database.where)
        first, last = (
            None if value is None else convert.number(value)
            for value in connection.execute(select(func.min(number), func.max(number)).select_from(PIN)).one()
        )
        earliest, latest = _times(connection, database)
        rows = database.count_rows()
        return SourceSummary(
            posts=rows[PIN.name],
            rows=rows,
            first=first,
            last=last,
            categories=_categories(connection, convert),
            earliest=earliest,
            latest=latest,
            posters=connection.execute(select(func.count(distinct(pin.poster_name)))).scalar_one(),
            countries=connection.execute(select(func.count(distinct(geo.country)))).scalar_one(),
        )


def _times(connection: Connection, database: Database) -> tuple[datetime | None, datetime | None]:
    """The first and the last time. Texts may be in several forms and zones, so they are read one by one."""
    columns = database.backend.selection(connection, GEO).columns
    number, moment = columns[0], columns[GEO.columns.keys().index("timestamp")]
    found = connection.execute(select(func.min(moment), func.max(moment)).select_from(GEO)).one()
    if all(isinstance(value, datetime) for value in found):
        return found[0], found[1]
    convert = Converter(GEO, database.where)
    earliest: datetime | None = None
    latest: datetime | None = None
    query = select(number, moment).where(moment.is_not(None)).execution_options(yield_per=ROWS_AT_ONCE)
    for post, value in connection.execute(query):
        read = moment_of(convert.value("timestamp", value, convert.number(post)) or "")
        if read is not None:
            earliest = read if earliest is None else min(earliest, read)
            latest = read if latest is None else max(latest, read)
    return earliest, latest


def _categories(connection: Connection, convert: Converter) -> dict[str, int]:
    category = PIN.columns.category
    query = select(raw(category), func.count()).where(category.is_not(None)).group_by(category)
    counts: Counter[str] = Counter()
    for value, posts in connection.execute(query):
        counts[convert.value("category", value)] += posts
    return dict(sorted(counts.items()))
