"""Looking posts up by number."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import bindparam, func, select

from pinflow.config import masked
from pinflow.errors import GapError
from pinflow.source.database import existing
from pinflow.source.rows import GeoRow, PinRow, Post, UserRow
from pinflow.source.tables import GEO, PIN, USER, number_column

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Engine, Select, Table

__all__ = ["Posts", "open_posts"]

NUMBERS_AT_ONCE = 10_000
"""Numbers read at a time when all are asked for."""

LOOKUP_AT_ONCE = 1_000
"""Numbers in one IN list, well below every database's limit of parameters."""


@contextmanager
def open_posts(url: str) -> Iterator[Posts]:
    """Open a source for reading; connections are kept and reused until the end.

    Raises:
        AbsentError: There is no source there.
        UnavailableError: The database cannot be reached, or is locked.
        ConfigError, MissingExtraError, CorruptError: The URL, its driver, or the database is not usable.
    """
    with existing(url) as engine:
        yield Posts(engine, url)


class Posts:
    """The posts of a source. Safe to use from several threads; no row is kept between calls."""

    def __init__(self, engine: Engine, url: str) -> None:
        self._engine = engine
        self._url = url
        self._encode = msgspec.json.Encoder().encode

    def count(self) -> int:
        """How many posts there are."""
        with self._engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(PIN)).scalar_one()

    def bounds(self) -> tuple[int, int] | None:
        """The smallest and the largest number, None when there is no post."""
        number = number_column(PIN)
        with self._engine.connect() as connection:
            first, last = connection.execute(select(func.min(number), func.max(number))).one()
        return None if first is None else (first, last)

    def numbers(self) -> Iterator[int]:
        """All numbers in rising order, read in portions."""
        number = number_column(PIN)
        query = select(number).where(number > bindparam("after")).order_by(number).limit(NUMBERS_AT_ONCE)
        after = -1
        while True:
            with self._engine.connect() as connection:
                portion = list(connection.execute(query, {"after": after}).scalars())
            if not portion:
                return
            yield from portion
            after = portion[-1]

    def fetch(self, numbers: Sequence[int]) -> list[Post]:
        """The posts of these numbers, in the order and as often as asked; other numbers are left out.

        Raises:
            GapError: A post has a row in `pinterest_data` and none in one of the other tables.
            UnavailableError: The database cannot be reached, or is locked.
        """
        wanted = list(dict.fromkeys(numbers))
        pins = self._rows(PIN, PinRow, wanted)
        geos = self._rows(GEO, GeoRow, wanted)
        users = self._rows(USER, UserRow, wanted)
        found: dict[int, Post] = {}
        for number, pin in pins.items():
            geo, user = geos.get(number), users.get(number)
            if geo is None or user is None:
                raise self._gap(number, GEO if geo is None else USER)
            found[number] = Post(number, pin, geo, user)
        return [found[number] for number in numbers if number in found]

    def _rows(self, table: Table, row_type: Callable[..., Any], numbers: list[int]) -> dict[int, bytes]:
        encode = self._encode
        found: dict[int, bytes] = {}
        with self._engine.connect() as connection:
            for start in range(0, len(numbers), LOOKUP_AT_ONCE):
                portion = numbers[start : start + LOOKUP_AT_ONCE]
                for row in connection.execute(LOOKUPS[table.name], {"numbers": portion}):
                    found[row[0]] = encode(row_type(*row))
        return found

    def _gap(self, number: int, table: Table) -> GapError:
        return GapError(
            f"post {number} has no row in {table.name}",
            where=masked(self._url),
            hint="pinflow source show counts the rows; pinflow source create --replace makes them anew",
        )


def _lookup(table: Table) -> Select[Any]:
    return select(table).where(number_column(table).in_(bindparam("numbers", expanding=True)))


LOOKUPS = {table.name: _lookup(table) for table in (PIN, GEO, USER)}
"""Built once: putting the same statement together again costs more than running it."""
