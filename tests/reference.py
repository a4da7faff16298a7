"""The rules of cleaning and the ten questions, said again in plain Python.

Nothing here comes from pinflow: the tests hold the program's SQL against it. A record goes in as the text that was
accepted, and comes out as a row, its columns in the documented order, or as a `Reject` that says why. Timestamps are
aware and in UTC; a coordinate has the value of the nearest 32-bit float.
"""

from __future__ import annotations

import json
import re
import struct
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Row = dict[str, Any]
Answer = list[tuple[Any, ...]]

INT32 = range(-(2**31), 2**31)
LARGEST_FLOAT = Decimal("3.4028234e38")
SMALLEST_EXPONENT = -50
"""A number below is zero as a 32-bit float."""

INFINITY_BITS = 0x7F800000


NO_TITLE = {"No Title Data Available"}
NO_DESCRIPTION = {"No description available", "No description available Story format"}
NO_POSTER = {"User Info Error"}
NO_TAGS = {"N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e"}
NO_IMAGE = {"Image src error."}

WHOLE = re.compile(r"([+-]?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?")
FOLLOWERS = re.compile(r"([0-9]+(?:\.[0-9]+)?)([kKmMbB])")
ZEROS = {"k": "e3", "m": "e6", "b": "e9"}
NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
MOMENT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?(?:[Zz]| UTC|([+-])([0-9]{2})(?::?([0-9]{2}))?)?)?"
)
DEEPEST = 500
SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Reject:
    """A record that cannot be a row."""

    reason: str


class Stored(NamedTuple):
    """A clean row, where its record stood, and when it was accepted by its own time."""

    partition: int
    offset: int
    row: Row
    accepted_at: int = 0


class NotARowError(Exception):
    """A record cannot be a row; it is an outcome, not a failure."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotARowError("a duplicate key")
    return found


def _no_constant(name: str) -> None:
    raise NotARowError(f"not JSON: {name}")


Record = dict[str, str | None]
"""The members of a record, each as the text that was sent; None for null."""


def members(text: str | bytes) -> Record:
    """The members of a record.

    Raises:
        NotARowError: It is not a JSON object, or not one that can be read.
    """
    try:
        text = text.decode() if isinstance(text, bytes) else text
        value = json.loads(
            text, parse_int=str, parse_float=str, parse_constant=_no_constant, object_pairs_hook=_object
        )
        if not isinstance(value, dict):
            raise NotARowError("not a JSON object")
        if any(SURROGATE.search(part) for part in _texts(value)):
            raise NotARowError("not valid text")
        if _depth(value) > DEEPEST:
            raise NotARowError("nested too deeply")
    except RecursionError:
        raise NotARowError("nested too deeply") from None
    except ValueError:
        raise NotARowError("not JSON") from None
    return dict(_as_sent(text))


def _as_sent(text: str) -> Iterator[tuple[str, str | None]]:
    """The members of valid JSON, found by where each begins and ends."""
    decoder = json.JSONDecoder(parse_int=str, parse_float=str)
    at = _past_blanks(text, text.index("{") + 1)
    while text[at] != "}":
        name, end = decoder.raw_decode(text, at)
        start = _past_blanks(text, _past_blanks(text, end) + 1)
        value, end = decoder.raw_decode(text, start)
        yield name, value if value is None or text[start] == '"' else text[start:end]
        at = _past_blanks(text, end)
        at = _past_blanks(text, at + 1) if text[at] == "," else at


def _past_blanks(text: str, at: int) -> int:
    while text[at] in " \t\n\r":
        at += 1
    return at


def _depth(value: Any) -> int:
    """How many arrays and objects are within one another."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if parts is None else 1 + max(map(_depth, parts), default=0)


def _texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value, names of members too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, member in value.items():
            yield name
            yield from _texts(member)
    elif isinstance(value, list):
        for member in value:
            yield from _texts(member)


def _text(record: Record, name: str, placeholders: frozenset[str] | set[str] = frozenset()) -> str | None:
    value = record.get(name)
    return None if value == "" or value in placeholders else value


def _integer(text: str | None) -> int | None:
    """A whole number of 32 bits, however it is written."""
    match = WHOLE.fullmatch(text or "")
    if not match:
        return None
    sign, whole, fraction, exponent = match.groups("")
    digits = (whole + fraction).strip("0")
    if not digits:
        return 0
    exponent_digits = exponent.lstrip("+-0")
    if len(exponent_digits) > 9:  # further than any record is long
        return None
    power = int(exponent_digits or 0) * (-1 if exponent[:1] == "-" else 1) - len(fraction)
    power += len(whole + fraction) - len((whole + fraction).rstrip("0"))
    if power < 0 or power + len(digits) > 10:
        return None
    number = int(sign + digits) * 10**power
    return number if number in INT32 else None


def _number_of_post(record: Record, name: str) -> int:
    text = record.get(name)
    if text is None:
        raise NotARowError(f"no {name}")
    number = _integer(text)
    if number is None:
        raise NotARowError(f"{name} is no 32-bit integer")
    return number


def _followers(text: str | None) -> int | None:
    match = FOLLOWERS.fullmatch(text or "")
    if match:
        return _integer(match[1] + ZEROS[match[2].lower()])
    return _integer(text) if (text or "")[:1].isdigit() else None


def _float32(text: str | None) -> float | None:
    """The 32-bit float nearest to a number."""
    if text is None or not NUMBER.fullmatch(text):
        return None
    mantissa, _, exponent = text.lower().partition("e")
    if not Decimal(mantissa):
        return 0.0
    if len(exponent.lstrip("+-0")) > 9:  # more than Decimal holds
        return 0.0 if exponent[0] == "-" else None
    exact = Decimal(text).copy_abs()
    if exact.adjusted() < SMALLEST_EXPONENT:
        return 0.0
    if exact > LARGEST_FLOAT:
        return None
    return -_nearest(Fraction(exact)) if text[0] == "-" else _nearest(Fraction(exact))


def _nearest(exact: Fraction) -> float:
    """The 32-bit float nearest to a positive number. Rounding to 64 bits first may end one beside it."""
    (bits,) = struct.unpack("<i", struct.pack("<f", float(exact)))
    near = [bits + step for step in (-1, 0, 1) if 0 <= bits + step < INFINITY_BITS]
    best = min(near, key=lambda candidate: (abs(_of_bits(candidate) - exact), candidate % 2))
    return float(_of_bits(best))


def _of_bits(bits: int) -> Fraction:
    (value,) = struct.unpack("<f", struct.pack("<i", bits))
    return Fraction(value)


def _moment(text: str | None) -> datetime | None:
    match = MOMENT.fullmatch(text or "")
    if not match:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    micros = int((match[7] or "")[:6].ljust(6, "0"))
    hours, minutes = int(match[9] or 0), int(match[10] or 0)
    away = timedelta(hours=hours, minutes=minutes) * (-1 if match[8] == "-" else 1)
    if abs(away) > timedelta(hours=18) or minutes > 59:
        return None
    try:
        # 400 years are a whole number of weeks, and the year 0 has none of datetime
        shifted = datetime(year % 400 + 2000, month, day, hour, minute, second, micros, UTC) - away
        return shifted.replace(year=shifted.year - 2000 + year - year % 400)
    except ValueError:
        return None


def _place(record: Record) -> str | None:
    text = record.get("save_location")
    return None if text is None else text.removeprefix("Local save in ").strip(" ") or None


def _pin(record: Record) -> Row:
    return {
        "ind": _number_of_post(record, "index"),
        "unique_id": _text(record, "unique_id"),
        "title": _text(record, "title", NO_TITLE),
        "description": _text(record, "description", NO_DESCRIPTION),
        "follower_count": _followers(record.get("follower_count")),
        "poster_name": _text(record, "poster_name", NO_POSTER),
        "tag_list": _text(record, "tag_list", NO_TAGS),
        "is_image_or_video": _text(record, "is_image_or_video"),
        "image_src": _text(record, "image_src", NO_IMAGE),
        "save_location": _place(record),
        "category": _text(record, "category"),
    }


def _geo(record: Record) -> Row:
    return {
        "ind": _number_of_post(record, "ind"),
        "country": _text(record, "country"),
        "coordinates": [_float32(record.get("latitude")), _float32(record.get("longitude"))],
        "timestamp": _moment(record.get("timestamp")),
    }


def _user(record: Record) -> Row:
    names = (_text(record, "first_name"), _text(record, "last_name"))
    return {
        "ind": _number_of_post(record, "ind"),
        "user_name": " ".join(name for name in names if name is not None),
        "age": _integer(record.get("age")),
        "date_joined": _moment(record.get("date_joined")),
    }


def _clean(text: str | bytes, rules: Callable[[Record], Row]) -> Row | Reject:
    try:
        return rules(members(text))
    except NotARowError as outcome:
        return Reject(str(outcome))


def clean_pin(text: str | bytes) -> Row | Reject:
    """A record of pin."""
    return _clean(text, _pin)


def clean_geo(text: str | bytes) -> Row | Reject:
    """A record of geo."""
    return _clean(text, _geo)


def clean_user(text: str | bytes) -> Row | Reject:
    """A record of user."""
    return _clean(text, _user)


CLEAN = {"pin": clean_pin, "geo": clean_geo, "user": clean_user}
PLACEHOLDERS = {
    "title": NO_TITLE,
    "description": NO_DESCRIPTION,
    "follower_count": NO_POSTER,
    "poster_name": NO_POSTER,
    "tag_list": NO_TAGS,
    "image_src": NO_IMAGE,
}
IN_COORDINATES = {"latitude": 0, "longitude": 1}


def nulled(name: str, text: str | bytes) -> dict[str, str]:
    """The cells of a row that had a text, neither empty nor a placeholder, and are NULL: field → the text."""
    row = CLEAN[name](text)
    if isinstance(row, Reject):
        return {}
    record = members(text)
    cells = {}
    for field in record:
        sent = _text(record, field, PLACEHOLDERS.get(field, set()))
        made = row["coordinates"][IN_COORDINATES[field]] if field in IN_COORDINATES else row.get(field, "")
        if sent is not None and made is None:
            cells[field] = sent
    return cells


def latest(rows: Iterable[Stored]) -> list[Row]:
    """One row a post, by its number: the one accepted last, then of the highest partition, then the highest offset.

    A record is accepted no earlier than those before it in its partition, whatever their own times say.
    """
    moments: dict[int, int] = {}
    newest: dict[int, tuple[tuple[int, int, int], Row]] = {}
    for stored in sorted(rows):
        moment = max(moments.get(stored.partition, stored.accepted_at), stored.accepted_at)
        moments[stored.partition] = moment
        order = (moment, stored.partition, stored.offset)
        held = newest.get(stored.row["ind"])
        if held is None or order > held[0]:
            newest[stored.row["ind"]] = (order, stored.row)
    return [newest[ind][1] for ind in sorted(newest)]


# --- the questions -------------------------------------------------------------------------------------------------

AGE_GROUPS = ("18-24", "25-35", "36-50", "+50")
POST_YEARS = range(2018, 2023)
JOINING_YEARS = range(2015, 2021)

Key = TypeVar("Key")


def _age_group(age: int | None) -> str | None:
    if age is None or age < 18:
        return None
    return "18-24" if age <= 24 else "25-35" if age <= 35 else "36-50" if age <= 50 else "+50"


def _year(moment: datetime | None) -> int | None:
    return None if moment is None else moment.year


def _joined(pins: Iterable[Row], geos: Iterable[Row], users: Iterable[Row]) -> list[Row]:
    """The posts that have all three rows, each with what the questions ask for."""
    geo_of = {row["ind"]: row for row in geos}
    user_of = {row["ind"]: row for row in users}
    return [
        {
            **pin,
            **geo_of[pin["ind"]],
            **user_of[pin["ind"]],
            "post_year": _year(geo_of[pin["ind"]]["timestamp"]),
            "joining_year": _year(user_of[pin["ind"]]["date_joined"]),
            "age_group": _age_group(user_of[pin["ind"]]["age"]),
        }
        for pin in pins
        if pin["ind"] in geo_of and pin["ind"] in user_of
    ]


def _best(scores: dict[tuple[Any, str], int]) -> Answer:
    """Of (group, what) → score, in each group all that have the highest score, by group and what."""
    highest: dict[Any, int] = {}
    for (group, _), score in scores.items():
        highest[group] = max(score, highest.get(group, score))
    ties = [(group, what, score) for (group, what), score in scores.items() if score == highest[group]]
    return sorted(ties, key=lambda tie: (_rank(tie[0]), tie[1].encode()))


def _rank(group: Any) -> Any:
    """Age groups from young to old, years in order, texts by their bytes."""
    if group in AGE_GROUPS:
        return AGE_GROUPS.index(group)
    return group.encode() if isinstance(group, str) else group


def _counted(posts: list[Row], group: str) -> dict[tuple[Any, str], int]:
    known = [post for post in posts if post[group] is not None and post["category"] is not None]
    return Counter((post[group], post["category"]) for post in known)


def _most_followed(posts: list[Row]) -> dict[tuple[Any, str], int]:
    most: dict[tuple[Any, str], int] = {}
    for post in posts:
        key = (post["country"], post["poster_name"])
        if None not in (*key, post["follower_count"]):
            most[key] = max(post["follower_count"], most.get(key, 0))
    return most


def _medians(posts: list[Row], *groups: str) -> Answer:
    counts: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for post in posts:
        key = tuple(post[group] for group in groups)
        if None not in key:
            counts[key] += [] if post["follower_count"] is None else [post["follower_count"]]
    return [
        (*key, float(median(map(Fraction, counts[key]))) if counts[key] else None)
        for key in sorted(counts, key=lambda key: [_rank(part) for part in key])
    ]


def answers(pins: Iterable[Row], geos: Iterable[Row], users: Iterable[Row]) -> dict[str, Answer]:
    """The rows that answer each question, in the documented order."""
    posts = _joined(pins, geos, users)
    in_years = [post for post in posts if post["post_year"] in POST_YEARS]
    in_joining_years = [post for post in posts if post["joining_year"] in JOINING_YEARS]
    most_followed = _most_followed(posts)
    top = max(most_followed.values(), default=None)
    top_countries = [country for (country, _), count in most_followed.items() if count == top]
    users_of_years = {
        (post["joining_year"], post["user_name"], post["age"], post["date_joined"])
        for post in in_joining_years
    }
    return {
        "top_category_by_country": _best(_counted(posts, "country")),
        "category_counts_by_year": sorted(
            (*key, count) for key, count in _counted(in_years, "post_year").items()
        ),
        "top_category_by_year": _best(_counted(in_years, "post_year")),
        "top_poster_by_country": _best(most_followed),
        "top_country_by_followers": [(min(top_countries, key=str.encode), top)] if top_countries else [],
        "top_category_by_age_group": _best(_counted(posts, "age_group")),
        "median_followers_by_age_group": _medians(posts, "age_group"),
        "users_joined_by_year": sorted(Counter(year for year, *_ in users_of_years).items()),
        "median_followers_by_joining_year": _medians(in_joining_years, "joining_year"),
        "median_followers_by_joining_year_and_age_group": _medians(
            in_joining_years, "age_group", "joining_year"
        ),
    }
