"""What the full set of 11,154 posts looks like, in numbers, and how it scales to any other number of posts.

A share is kept as the count it has among `FULL` posts. `scale` converts it, so every count is exact at
the full size and in proportion at any other.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "CATEGORIES",
    "FULL",
    "KINDS",
    "PLAIN",
    "USER_ERROR",
    "VIDEO",
    "Kind",
    "category_bounds",
    "kind_counts",
    "scale",
]

FULL = 11_154

CATEGORIES = {
    "art": 892,
    "beauty": 746,
    "christmas": 999,
    "diy-and-crafts": 830,
    "education": 863,
    "event-planning": 748,
    "finance": 786,
    "home-decor": 861,
    "mens-fashion": 852,
    "quotes": 910,
    "tattoos": 970,
    "travel": 859,
    "vehicles": 838,
}
"""Category → posts among `FULL`, in the order of the posts' numbers."""

USER_ERROR = "User Info Error"
NO_TITLE = "No Title Data Available"
NO_DESCRIPTION = "No description available"
NO_STORY_DESCRIPTION = "No description available Story format"
NO_TAGS = "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e"
NO_IMAGE = "Image src error."

IMAGE = "image"
STORY = "multi-video(story page format)"
VIDEO = "video"


class Kind(NamedTuple):
    """Rows alike in what is missing: a text set here stands for a real value. `rows` are among `FULL`."""

    rows: int
    media: str | None = IMAGE
    description: str | None = None
    title: str | None = None
    tags: str | None = None
    user_error: bool = False
    has_image: bool = True
    image_src: str | None = None


KINDS = (
    Kind(
        88,
        STORY,
        NO_STORY_DESCRIPTION,
        NO_TITLE,
        NO_TAGS,
        user_error=True,
        has_image=False,
        image_src=NO_IMAGE,
    ),
    Kind(235, STORY, NO_STORY_DESCRIPTION, has_image=False, image_src=NO_IMAGE),
    Kind(572, STORY, NO_STORY_DESCRIPTION),
    Kind(7, None, has_image=False),
    Kind(1, IMAGE, has_image=False, image_src=""),
    Kind(8, VIDEO, NO_DESCRIPTION),
    Kind(14, VIDEO, tags=NO_TAGS),
    Kind(310, VIDEO),
    Kind(174, IMAGE, NO_DESCRIPTION),
    Kind(69, IMAGE, tags=NO_TAGS),
)
"""Every kind but the plain image. Story rows have no description; those without a title have no image, tags
or user either; a row without an image is not downloaded. Sums: 895 stories, 332 videos, 323 + 8 without an
image, 182 without a description, 171 without tags, 88 without a title and a user."""

PLAIN = Kind(FULL - sum(kind.rows for kind in KINDS))


def scale(count: int, posts: int) -> int:
    """A count among `FULL` posts, converted to `posts` posts; rises with `posts`, exact at `FULL`."""
    return (2 * count * posts + FULL) // (2 * FULL)


def category_bounds(posts: int) -> Iterator[tuple[str, int]]:
    """Each category with the number at which its block of posts ends (not included)."""
    for category, end in zip(CATEGORIES, accumulate(CATEGORIES.values()), strict=True):
        yield category, scale(end, posts)


def kind_counts(first: int, end: int) -> Iterator[tuple[Kind, int]]:
    """How many of the posts `first` up to, not including, `end` are of each kind but the plain one."""
    for kind in KINDS:
        yield kind, scale(kind.rows, end) - scale(kind.rows, first)
