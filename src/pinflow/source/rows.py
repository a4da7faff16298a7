"""One row of each table, as it is loaded from JSON, kept in the database and sent as JSON."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from msgspec import Meta, Struct

__all__ = ["Block", "GeoRow", "PinRow", "Post", "UserRow"]

Number = Annotated[int, Meta(ge=0, le=2**31 - 1)]
"""A post's number, within the Integer of every database."""

Small = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]


class PinRow(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A row of `pinterest_data`."""

    index: Number
    unique_id: Annotated[str, Meta(max_length=36)] | None
    title: str | None
    description: str | None
    poster_name: str | None
    follower_count: str | None
    tag_list: str | None
    is_image_or_video: str | None
    image_src: str | None
    downloaded: Small | None
    save_location: str | None
    category: str | None

    @property
    def number(self) -> int:
        """The post's number."""
        return self.index


class GeoRow(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A row of `geolocation_data`."""

    ind: Number
    timestamp: str | None
    latitude: float | None
    longitude: float | None
    country: str | None

    @property
    def number(self) -> int:
        """The post's number."""
        return self.ind


class UserRow(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A row of `user_data`."""

    ind: Number
    first_name: str | None
    last_name: str | None
    age: Small | None
    date_joined: str | None

    @property
    def number(self) -> int:
        """The post's number."""
        return self.ind


class Block(NamedTuple):
    """Rows to write, as tuples in the order of the tables' columns."""

    pins: list[tuple[object, ...]]
    geos: list[tuple[object, ...]]
    users: list[tuple[object, ...]]


class Post(Struct, frozen=True, gc=False):
    """A post and its three rows, each one a JSON object in UTF-8 with the columns in table order.

    NULL is `null`, numbers are JSON numbers, times are ISO text with a `T` and no zone (they are UTC).
    A value that is not of its column's kind, such as `yesterday` for a time, is as the database holds it.
    """

    number: int
    pin: bytes
    geo: bytes
    user: bytes
