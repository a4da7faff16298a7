"""Which posts are sent, in which order."""

from __future__ import annotations

from itertools import islice
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from pinflow.errors import AbsentError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from threading import Event

    from pinflow.source import Post, Posts

__all__ = ["Pick", "Supply", "drawn_picks", "every_pick", "require_drawable"]

PAUSES_S = 2
"""A post comes after a pause of 0 or 1 s, drawn below this bound."""

LAST_DRAWN = 11_000
"""The published draw stops short of the last 153 posts."""


class Pick(NamedTuple):
    """A post's number, and the traditional pause before it in seconds."""

    pause: int
    number: int


def drawn_picks(seed: int) -> Iterator[Pick]:
    """The published draw, without end: of each post first the pause, then the number. Posts come again."""
    rng = Random(seed)
    while True:
        yield Pick(rng.randrange(0, PAUSES_S), rng.randint(0, LAST_DRAWN))


def every_pick(posts: Posts, seed: int) -> Iterator[Pick]:
    """Every post of the source once, in the order of the numbers."""
    rng = Random(seed)
    for number in posts.numbers():
        yield Pick(rng.randrange(0, PAUSES_S), number)


def require_drawable(posts: Posts, url: str) -> None:
    """Make sure that a draw will hit a post sooner or later.

    Raises:
        AbsentError: It never will.
    """
    bounds = posts.bounds()
    if bounds is None or bounds[0] > LAST_DRAWN:
        raise AbsentError(
            f"the source holds no post from 0 to {LAST_DRAWN:,}, and only these are drawn",
            where=url,
            hint="pinflow emulate --each-once sends what is there",
        )


class Supply:
    """Posts in the order of the picks; numbers that the source does not hold are counted and passed over.

    It ends, too, where a stop is asked for while the source is away.

    Attributes:
        skipped: How many were passed over so far.
    """

    def __init__(
        self, posts: Posts, picks: Iterator[Pick], *, limit: int | None, at_once: int, stop: Event
    ) -> None:
        self.skipped = 0
        self._posts = posts
        self._picks = picks
        self._at_once = at_once
        self._stop = stop
        self._found = islice(self._look_up(), limit)

    def take(self, count: int) -> list[tuple[int, Post]]:
        """The next posts, each with its pause; fewer than `count` at the end, then none."""
        try:
            return list(islice(self._found, count))
        except UnavailableError:
            if self._stop.is_set():
                return []
            raise

    def _look_up(self) -> Iterator[tuple[int, Post]]:
        while picks := list(islice(self._picks, self._at_once)):
            found = {post.number: post for post in self._posts.fetch([pick.number for pick in picks])}
            for pick in picks:
                post = found.get(pick.number)
                if post is None:
                    self.skipped += 1
                else:
                    yield pick.pause, post
