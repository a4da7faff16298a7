"""The posters: who they are, and how many posts each one has.

Posters come in cohorts of the size of the full set, each as skewed as it, so a source of a million posts has
the same ages, countries and follower counts as one of eleven thousand. A poster is one person, computed from
the seed and the poster's place alone: no table of people is kept.

A person's age, joining date, country and coordinates are the least of as many uniform draws as the person has
posts. Real posters look like that: who posts most is young, joined early, and lives early in the alphabet.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from random import Random
from statistics import NormalDist
from struct import Struct
from typing import NamedTuple

from pinflow.source.shape import FULL, KINDS, USER_ERROR, scale
from pinflow.source.synthetic.countries import COUNTRIES
from pinflow.source.synthetic.names import person_name, poster_name

__all__ = ["Cohorts", "Person", "poster_sizes"]

POSTERS_PER_POST = 0.45
LARGEST = 244
"""Posts of the most prolific poster among `FULL`."""

FALL = 0.7
"""How fast sizes fall with the rank; fits the share of each age group, which follows from the sizes."""

YOUNGEST, AGES = 20, 41
JOINED_FROM = datetime(2015, 10, 21)  # noqa: DTZ001 - the tables keep UTC without a zone
JOINED_SECONDS = int(timedelta(days=728).total_seconds())  # to 2017-10-18, two days before the first post

LOCAL_POSTS = 0.9
"""Share of a poster's posts that lie around one place of the numbers, that is in one category."""
LOCAL_SPREAD = 0.02

FOLLOWERS = 3.3, 1.2, 1.0
"""Follower counts are log-normal: decimal logarithm for one post, more per tenfold posts, deviation."""
MOST_MILLIONS = 15
RECOUNTED = 0.04
"""Share of posters whose count moved by one while their posts were gathered."""

KEPT_PEOPLE = 20_000
"""People kept at hand: a cohort and more; prolific posters come again and again."""

NORMAL = NormalDist()
UNIFORMS = Struct("<7I")


class Person(NamedTuple):
    """Who posts. `followers` are the texts their posts show in turn; one text unless it moved meanwhile."""

    poster_name: str
    followers: tuple[str, ...]
    first_name: str
    last_name: str
    age: int
    date_joined: datetime
    country: str
    latitude: float
    longitude: float


class Cohorts:
    """All posters of a source of `posts` posts. Post `i` is number `i // cohorts` of cohort `i % cohorts`."""

    def __init__(self, posts: int, seed: int) -> None:
        self._seed = seed
        self._cohorts = max(1, -(-posts // FULL))
        self._sizes = poster_sizes(-(-posts // self._cohorts))
        self._owners = _owners(self._sizes, Random(f"owners {seed}"))
        self._people = self._cohorts * len(self._sizes) + 1
        self._error_posts = max(1, scale(KINDS[0].rows, posts))
        self._person = lru_cache(maxsize=KEPT_PEOPLE)(self._drawn)

    def owner(self, post: int) -> Person:
        """Who posted a post."""
        place, cohort = divmod(post, self._cohorts)
        poster = self._owners[place]
        return self._person(poster * self._cohorts + cohort, self._sizes[poster])

    def unknown(self) -> Person:
        """The one person that stands behind all posts whose user could not be read."""
        person = self._drawn(self._people - 1, self._error_posts)
        return person._replace(poster_name=USER_ERROR, followers=(USER_ERROR,))

    def _drawn(self, number: int, size: int) -> Person:
        age, joined, country, latitude, longitude, followers, moved = _uniforms(self._seed, number)
        power = 1.0 / size
        first_name, last_name = person_name(number, self._people, self._seed)
        return Person(
            poster_name(number, self._people, self._seed),
            _followers(followers, size, moves=moved < RECOUNTED),
            first_name,
            last_name,
            YOUNGEST + int(AGES * (1.0 - age**power)),
            JOINED_FROM + timedelta(seconds=int(JOINED_SECONDS * (1.0 - joined**power))),
            COUNTRIES[int(len(COUNTRIES) * (1.0 - country**power))],
            float(f"{-90.0 + 180.0 * (1.0 - latitude**power):.6g}"),
            float(f"{-180.0 + 360.0 * (1.0 - longitude**power):.6g}"),
        )


def poster_sizes(posts: int) -> list[int]:
    """Posts of each poster, falling; they sum to `posts`, and the first is in proportion to `LARGEST`."""
    posters = max(1, round(POSTERS_PER_POST * posts))
    largest = max(1, scale(LARGEST, posts))
    low, high = 0.01, 100.0
    for _ in range(24):  # halvings of the bend; more change no size
        bend = math.sqrt(low * high)
        sizes = _curve(largest, bend, posters)
        low, high = (low, bend) if sum(sizes) > posts else (bend, high)
    excess = sum(sizes) - posts
    while excess > 0:  # from the smallest up
        last = sizes.pop()
        excess -= last
    return sizes + [1] * -excess


def _curve(largest: int, bend: float, posters: int) -> list[int]:
    sizes: list[int] = []
    for rank in range(posters):
        size = round(largest * (1 + rank / bend) ** -FALL)
        if size <= 1:
            break
        sizes.append(size)
    return sizes + [1] * (posters - len(sizes))


def _owners(sizes: list[int], rng: Random) -> list[int]:
    """The poster of each place: most posts of one poster lie together, the others anywhere."""
    places: list[tuple[float, int]] = []
    for poster, size in enumerate(sizes):
        centre = rng.random()
        places += [
            (rng.gauss(centre, LOCAL_SPREAD) if rng.random() < LOCAL_POSTS else rng.random(), poster)
            for _ in range(size)
        ]
    places.sort()
    return [poster for _, poster in places]


def _uniforms(seed: int, number: int) -> tuple[float, ...]:
    """Seven independent numbers between 0 and 1, neither included."""
    digest = blake2b(b"%d %d" % (seed, number), digest_size=UNIFORMS.size).digest()
    return tuple((value + 0.5) / 2**32 for value in UNIFORMS.unpack(digest))


def _followers(uniform: float, size: int, *, moves: bool) -> tuple[str, ...]:
    mean, slope, deviation = FOLLOWERS
    count = int(10.0 ** (mean + slope * math.log10(size) + deviation * NORMAL.inv_cdf(uniform)))
    if count < 1_000:
        # the site's own counts stop short of a thousand: 940 is the largest that is shown in full
        return (str(min(count, 940)),)
    unit, shown = (
        ("k", count // 1_000) if count < 1_000_000 else ("M", min(count // 1_000_000, MOST_MILLIONS))
    )
    if moves and unit == "k" and shown > 1:
        return f"{shown}k", f"{shown - 1}k"
    return (f"{shown}{unit}",)
