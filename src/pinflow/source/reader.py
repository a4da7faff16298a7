"""Looking posts up by number."""

from __future__ import annotations

import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import bindparam, func, select

from pinflow.errors import GapError
from pinflow.source.database import open_source
from pinflow.source.retries import read_with_retry
from pinflow.source.rows import GeoRow, PinRow, Post, UserRow
from pinflow.source.tables import GEO, PIN, TABLES, USER
from pinflow.source.values import Converter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import BindParameter, Connection, Row, Select, Table

    from pinflow.source.database import Database
    from pinflow.source.protocol import Selection

__all__ = ["Posts", "open_posts"]

NUMBERS_AT_ONCE = 10_000
"""Numbers read at a time when all are asked for."""

LOOKUP_AT_ONCE = 1_000
"""Numbers in one IN list, well below every database's limit of parameters."""


@contextmanager
def open_posts(url: str, pause: Callable[[float], object] = time.sleep) -> Iterator[Posts]:
    """Open a source for reading; connections are kept and reused until the end.

    Args:
        url: The source database.
        pause: Waits this many seconds before a database that is away is tried again; true means to give up.
            `threading.Event.wait` is one.

    Raises:
        AbsentError: There is no source there.
        UnavailableError: The database cannot be reached, or is locked.
        ConfigError, MissingExtraError, TerminalError, CorruptError: The URL, its driver, or the database is not usable.
    """
    with open_source(url) as database:
        with database.connect() as connection:
            selections = {table: database.backend.selection(connection, table) for table in TABLES}
        yield Posts(database, selections, pause)


class Posts:
    """The posts of a source. Safe to use from several threads; no row is kept between calls.

    A database that goes away is tried again for some minutes: it may be restarted, or fail over, meanwhile.
    """

    def __init__(
        self, database: Database, selections: dict[Table, Selection], pause: Callable[[float], object]
    ) -> None:
        self._database = database
        self._lookups = {table: _lookup(selection) for table, selection in selections.items()}
        self._converters = {table: Converter(table, database.where) for table in selections}
        self._pins = selections[PIN]
        self._pause = pause
        self._encode = msgspec.json.Encoder().encode

    def count(self) -> int:
        """How many posts there are."""
        return int(self._ask(select(func.count()).select_from(PIN))[0][0])

    def bounds(self) -> tuple[int, int] | None:
        """The smallest and the largest number, None when there is no post."""
        number, convert = self._pins.number, self._converters[PIN].number
        first, last = self._ask(select(func.min(number), func.max(number)).select_from(PIN))[0]
        return None if first is None else (convert(first), convert(last))

    def numbers(self) -> Iterator[int]:
        """All numbers in rising order, read in portions."""
        number, convert = self._pins.number, self._converters[PIN].number
        query = select(self._pins.columns[0]).order_by(number).limit(NUMBERS_AT_ONCE)
        after = -1
        while portion := [convert(row[0]) for row in self._ask(query.where(number > after))]:
            yield from portion
            after = portion[-1]

    def fetch(self, numbers: Sequence[int]) -> list[Post]:
        """The posts of these numbers, in the order and as often as asked; other numbers are left out.

        Raises:
            GapError: A post has a row in `pinterest_data` and none in one of the other tables.
            TerminalError: A value in a row has no clear meaning.
            UnavailableError: The database cannot be reached, or is locked.
        """
        wanted = list(dict.fromkeys(numbers))
        found: dict[int, Post] = {}
        for start in range(0, len(wanted), LOOKUP_AT_ONCE):
            portion = wanted[start : start + LOOKUP_AT_ONCE]
            found |= read_with_retry(partial(self._look_up, portion), self._pause)
        return [found[number] for number in numbers if number in found]

    def _ask(self, query: Select[*tuple[Any, ...]]) -> Sequence[Row[*tuple[Any, ...]]]:
        def rows() -> Sequence[Row[*tuple[Any, ...]]]:
            with self._database.connect() as connection:
                return connection.execute(query).all()

        return read_with_retry(rows, self._pause)

    def _look_up(self, numbers: list[int]) -> dict[int, Post]:
        """The posts of these numbers, as of one moment where the database can."""
        with self._database.connect() as connection:
            pins, geos, users = (
                self._rows(connection, table, row_type, numbers)
                for table, row_type in ((PIN, PinRow), (GEO, GeoRow), (USER, UserRow))
            )
        found: dict[int, Post] = {}
        for number, pin in pins.items():
            geo, user = geos.get(number), users.get(number)
            if geo is None or user is None:
                raise self._gap(number, GEO if geo is None else USER)
            found[number] = Post(number, pin, geo, user)
        return found

    def _rows(
        self, connection: Connection, table: Table, row_type: Callable[..., Any], numbers: list[int]
    ) -> dict[int, bytes]:
        rows = connection.execute(self._lookups[table], {"numbers": numbers})
        converted = map(self._converters[table].row, rows)
        return {row[0]: self._encode(row_type(*row)) for row in converted}

    def _gap(self, number: int, table: Table) -> GapError:
        return GapError(
            f"post {number} has no row in {table.name}",
            where=self._database.where,
            hint="pinflow source show counts the rows; pinflow source create --replace makes them anew",
        )


def _lookup(selection: Selection) -> Select[*tuple[Any, ...]]:
    """Built once: putting the same statement together again costs more than running it."""
    numbers: BindParameter[Any] = bindparam("numbers", expanding=True)
    return select(*selection.columns).where(selection.number.in_(numbers))
