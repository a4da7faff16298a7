"""Names of people and of posters, made from word lists: a number in, a name out.

A name is unlike any other of the same source by construction: a number is spread over all combinations of
words by a multiplication that is one to one. Namesakes are made on purpose, one name in a hundred.
"""

from __future__ import annotations

from importlib.resources import files

__all__ = ["person_name", "poster_name"]

NAMESAKE_EVERY = 101
"""One person in this many has the name of the person before: one name of a hundred is two people's."""

SPREAD = 2_147_483_647
"""A prime greater than any number of combinations, so multiplying by it is one to one."""


def _read_list(name: str) -> list[str]:
    return files("pinflow.source.synthetic").joinpath("lists", name).read_text(encoding="utf-8").split()


FIRST_NAMES = _read_list("first_names.txt")
LAST_NAMES = _read_list("last_names.txt")
POSTER_FRONTS = _read_list("poster_fronts.txt")
POSTER_BACKS = _read_list("poster_backs.txt")
POSTER_FORMS = (
    "{0} {1}",
    "The {0} {1}",
    "{0}{1}",
    "{1} by {0}",
    "My {0} {1}",
    "{0} {1} Ideas",
    "{0} {1} DIY",
    "{0} {1} Designs",
    "{0} {1} Blog",
    "{0} {1} | Easy Printables + Digital Planners",
    "Our {0} {1}",
    "{0} & {1}",
    "{0} {1} Co.",
    "{0}_{1}",
    "The {0} {1} | Travel & Family Life Blog",
    "{0} {1} - Crafts and Activities for All Ages",
    "A {0} {1}",
    "{0} {1} Magazine",
    "{0} on the {1}",
    "{0} {1} Shop",
    "Studio {0} {1}",
    "{0}, {1} & Daughters",
    '{0} {1} "Make It Yours"',
    "{0} {1} {{handmade}}",
    "“{0} {1}”",
    "{0} {1}’s Corner",
    "{0} {1} ✨",
    "Дом {0} {1}",
    "Ｔｈｅ {0} {1}",
    "Café {0} {1}",
    " {0} {1}",
    "{0} Teaching {1}",
    "{0} {1}, etc.",
)
"""No form gives what another gives: no word of the lists holds a capital past its first letter."""


def person_name(number: int, people: int, seed: int) -> tuple[str, str]:
    """First and last name of person `number` of `people`."""
    if number % NAMESAKE_EVERY == NAMESAKE_EVERY - 1:
        number -= 1
    singles = len(FIRST_NAMES) * len(LAST_NAMES)
    rest = _spread(number, -(-people // singles) * singles, seed)
    rest, first = divmod(rest, len(FIRST_NAMES))
    doubled, last = divmod(rest, len(LAST_NAMES))
    if not doubled:
        return FIRST_NAMES[first], LAST_NAMES[last]
    return FIRST_NAMES[first], f"{LAST_NAMES[last]}-{LAST_NAMES[(doubled - 1) % len(LAST_NAMES)]}"


def poster_name(number: int, people: int, seed: int) -> str:
    """The name that poster `number` of `people` posts under; no two are the same."""
    singles = len(POSTER_FRONTS) * len(POSTER_BACKS) * len(POSTER_FORMS)
    rest = _spread(number, -(-people // singles) * singles, seed)
    rest, form = divmod(rest, len(POSTER_FORMS))
    rest, front = divmod(rest, len(POSTER_FRONTS))
    again, back = divmod(rest, len(POSTER_BACKS))
    name = POSTER_FORMS[form].format(POSTER_FRONTS[front], POSTER_BACKS[back])
    return f"{name} {again + 1}" if again else name


def _spread(number: int, combinations: int, seed: int) -> int:
    return (number * SPREAD + seed * 7_919) % combinations
