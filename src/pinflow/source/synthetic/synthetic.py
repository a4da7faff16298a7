"""A synthetic source, drawn to the shape of the real one.

The same number of posts and the same seed give the same posts on any machine. Posts come in blocks, so memory
does not grow with their number.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

from pinflow.source.rows import Block
from pinflow.source.shape import PLAIN, VIDEO, category_bounds, kind_counts
from pinflow.source.synthetic.people import Cohorts
from pinflow.source.synthetic.texts import Writer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinflow.source.shape import Kind
    from pinflow.source.synthetic.people import Person

__all__ = ["synthetic_blocks"]

BLOCK_POSTS = 10_000
"""Posts drawn at a time: a few tens of megabytes."""

POSTED_FROM = datetime(2017, 10, 20)  # noqa: DTZ001 - the tables keep UTC without a zone
POSTED_SECONDS = int(timedelta(days=1_823).total_seconds())  # up to the end of 2022-10-16

IMAGE_HOST = "https://i.pinimg.example"
"""The real host's shape under a name that never resolves."""

IMAGE_ENDINGS = ("jpg",) * 82 + ("png",) * 17 + ("webp",)


def synthetic_blocks(posts: int, seed: int) -> Iterator[Block]:
    """The rows of posts 0 up to, not including, `posts`, in order, in blocks of at most 10,000."""
    cohorts = Cohorts(posts, seed)
    unknown = cohorts.unknown()
    categories = _Categories(posts)
    for first in range(0, posts, BLOCK_POSTS):
        end = min(first + BLOCK_POSTS, posts)
        rng = Random(f"posts {seed} {first}")
        draw = _Draw(rng)
        block = Block([], [], [])
        for number, kind in enumerate(_kinds(first, end, rng), first):
            person = unknown if kind.user_error else cohorts.owner(number)
            block.pins.append(draw.pin(number, categories.of(number), kind, person))
            block.geos.append((number, draw.posted(), person.latitude, person.longitude, person.country))
            block.users.append((number, person.first_name, person.last_name, person.age, person.date_joined))
        yield block


def _kinds(first: int, end: int, rng: Random) -> list[Kind]:
    """The kind of each post of a block: as many of each as its share, at drawn places."""
    kinds: list[Kind] = []
    for kind, count in kind_counts(first, end):
        kinds += [kind] * count
    kinds += [PLAIN] * (end - first - len(kinds))
    rng.shuffle(kinds)
    return kinds[: end - first]


class _Categories:
    """The category of each number, asked in rising order."""

    def __init__(self, posts: int) -> None:
        self._bounds = category_bounds(posts)
        self._category, self._end = next(self._bounds)

    def of(self, number: int) -> str:
        while number >= self._end:
            self._category, self._end = next(self._bounds)
        return self._category


class _Draw:
    """Draws what belongs to a post alone."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._writers: dict[str, Writer] = {}

    def pin(self, number: int, category: str, kind: Kind, person: Person) -> tuple[object, ...]:
        """A row of `pinterest_data`."""
        writer = self._writers.get(category)
        if writer is None:
            writer = self._writers[category] = Writer(category, self._rng)
        return (
            number,
            self._uuid4(),
            kind.title or writer.title(),
            kind.description or writer.description(),
            person.poster_name,
            person.followers[number % len(person.followers)],
            kind.tags or writer.tags(),
            kind.media,
            self._image(kind),
            int(kind.has_image),
            f"Local save in /data/{category}",
            category,
        )

    def posted(self) -> datetime:
        """When a post was made: whole seconds, 2017-10-20 to 2022-10-16."""
        return POSTED_FROM + timedelta(seconds=int(self._rng.random() * POSTED_SECONDS))

    def _uuid4(self) -> str:
        digits = f"{self._rng.getrandbits(128):032x}"
        variant = "89ab"[int(digits[16], 16) % 4]
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"

    def _image(self, kind: Kind) -> str | None:
        if not kind.has_image:
            return kind.image_src
        name = f"{self._rng.getrandbits(128):032x}"
        folder = "videos/thumbnails/originals" if kind.media == VIDEO else "originals"
        ending = "jpg" if kind.media == VIDEO else IMAGE_ENDINGS[int(name[-4:], 16) % 100]
        return f"{IMAGE_HOST}/{folder}/{name[:2]}/{name[2:4]}/{name[4:6]}/{name}.{ending}"
