"""Text read as a timestamp as Spark reads it, in UTC.

Spark takes a year of four to six digits alone, or with month, day, hour, minute and second as far as they go, and
a zone after the seconds. A zone's name, an offset with seconds, and a time without its date (which stands for today)
stop the query when they come: guard the cast with RLIKE where such text may occur.
"""

from __future__ import annotations

from pinflow.engine.duckdb.dialect.nodes import failing

__all__ = ["TIME_OF_TEXT"]

BLANK = r"[\x00-\x20\x7f]*"
UTC = "(?:Z|UTC|GMT|UT)"
OFFSET = (
    r"[+-](?:(?:0?[0-9]|1[0-7])(?::[0-5]?[0-9])?|18(?::00?)?"  # as Spark: 18 hours at most
    r"|(?:0[0-9]|1[0-7])[0-5][0-9]|1800)"
)
ZONE = rf"{BLANK}(?:{UTC}|(?:UTC|GMT|UT)?{OFFSET})"
HOUR = "(?:[01]?[0-9]|2[0-3])"
DATE = "[+-]?[0-9]{4,6}-[0-9]{1,2}-[0-9]{1,2}"
SECOND = rf"{DATE}[T ]{HOUR}:[0-9]{{1,2}}:[0-9]{{1,2}}(?:\.[0-9]*)?"

CANONICAL = r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}[T ](?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z?\z"
"""The usual form, which DuckDB reads rightly, and fast, as it is."""

YEAR_TO_MINUTE = rf"[+-]?[0-9]{{4,6}}(?:-[0-9]{{1,2}})?|{DATE}(?:[T ]{HOUR}(?::[0-9]{{1,2}})?)?"
GENERAL = rf"\A{BLANK}(?:{YEAR_TO_MINUTE}|{SECOND}(?:{ZONE})?){BLANK}\z"
CLOCK = rf"T{HOUR}|T?{HOUR}:[0-9]{{1,2}}(?::[0-9]{{1,2}}(?:\.[0-9]*)?(?:{ZONE})?)?"
LONG_OFFSET = r"[+-](?:[0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}|[0-9]{6})"
UNSUPPORTED = rf"\A{BLANK}(?:{CLOCK}|{SECOND}{BLANK}(?:[A-Za-z]{{2,}}\S*|{LONG_OFFSET})){BLANK}\z"

TO_SECOND = r"([T ][0-9]+:[0-9]+:[0-9.]+)"
COMPLETIONS = (
    (rf"\A{BLANK}\+?", ""),
    (rf"{BLANK}\z", ""),
    (r"\A(-?[0-9]+)\z", r"\1-1"),
    (r"\A(-?[0-9]+-[0-9]+)\z", r"\1-1"),
    (r"\A(-?[0-9]+-[0-9]+-[0-9]+)\z", r"\1 0"),
    (r"([T ][0-9]+)\z", r"\1:0"),
    (r"([T ][0-9]+:[0-9]+)\z", r"\1:0"),
    (r"\.([^0-9]|\z)", r"\1"),
    (rf"{TO_SECOND}{BLANK}{UTC}?\z", r"\1+00"),
    (rf"{TO_SECOND}{BLANK}(?:UTC|GMT|UT)?([+-])", r"\1\2"),
    (r"([+-])([0-9])((?::[0-9]+)?)\z", r"\10\2\3"),
    (r"([+-][0-9]{2})([0-9]{2})\z", r"\1:\2"),
    (r"([+-][0-9]{2}:)([0-9])\z", r"\10\2"),
)
"""Pattern → replacement, one after the other: they make of every supported form the one that DuckDB reads."""


def _complete() -> str:
    text = "<0>"
    for pattern, replacement in COMPLETIONS:
        text = f"regexp_replace({text}, '{pattern}', '{replacement}')"
    return text


NO_ZONE = failing(
    "'pinflow: the zone, or the time without a date, of ' || <0> || ' is not supported on DuckDB'",
    "CAST(NULL AS TIMESTAMPTZ)",
)

TIME_OF_TEXT = (
    f"CASE WHEN regexp_matches(<0>, '{CANONICAL}')"
    " THEN make_timestamptz(epoch_us(TRY_CAST(<0> AS TIMESTAMP)))"
    f" WHEN regexp_matches(<0>, '{GENERAL}') THEN TRY_CAST({_complete()} AS TIMESTAMPTZ)"
    f" WHEN regexp_matches(<0>, '{UNSUPPORTED}') THEN {NO_ZONE} END"
)
"""A template of one operand, text, that gives TIMESTAMPTZ."""
