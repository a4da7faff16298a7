"""Times that are written as text.

The forms are those of the rules that clean records, `datasets/rules/moment.sql`: what is read here as a time is the
same time there, and what is not is NULL there.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

__all__ = ["is_zero_date", "moment_of", "naive_utc"]

MOMENT = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ](?P<time>[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.(?P<fraction>[0-9]+))?"
    r"(?P<zone>[Zz]| UTC|[+-](?:0[0-9]|1[0-7])(?::?[0-5][0-9])?|[+-]18(?::?00)?)?)?"
)

PLAIN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{6})?")
"""The form of nearly all times, which is read at once. `MOMENT` reads it as the same time."""

ZERO_DATE = re.compile(r"0000-00-00(?:[Tt ]00:00:00(?:\.0+)?)?")
"""What MySQL and MariaDB keep where there is no time, and what their exports bring into other databases."""

MICROSECOND_DIGITS = 6


def moment_of(text: str) -> datetime | None:
    """The time in UTC, without a zone; None where the text is not a time of the years 1 to 9999.

    Digits beyond microseconds are cut off; a date alone is its midnight.
    """
    if PLAIN.fullmatch(text) is not None:
        try:
            return datetime.fromisoformat(text)
        except ValueError:  # there is no such day or hour
            return None
    found = MOMENT.fullmatch(text)
    if found is None:
        return None
    day, time, fraction, zone = found.group("day", "time", "fraction", "zone")
    if time is None:
        time = "00:00:00"
    offset = "+00:00" if zone in {None, "Z", "z", " UTC"} else zone
    try:
        return naive_utc(
            datetime.fromisoformat(f"{day}T{time}.{(fraction or '0')[:MICROSECOND_DIGITS]:0<6}{offset}")
        )
    except (ValueError, OverflowError):  # there is no such day, or the zone moves it out of the years
        return None


def naive_utc(moment: datetime) -> datetime:
    """The same moment in UTC without a zone, as the tables keep it.

    Raises:
        OverflowError: In UTC it is before the year 1 or after the year 9999.
    """
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def is_zero_date(text: str) -> bool:
    """Whether a text is the zero date, with or without a time of zeros."""
    return ZERO_DATE.fullmatch(text) is not None
