"""The questions that are answered from the clean tables `pin`, `geo` and `user`, one file of Spark SQL each."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from importlib.resources import files

import msgspec

from pinflow.errors import UsageError

__all__ = ["Question", "question", "questions"]

TITLES = {
    "top_category_by_country": "The most popular category in each country",
    "category_counts_by_year": "Posts of each category in each year, 2018 to 2022",
    "top_category_by_year": "The most popular category of each year, 2018 to 2022",
    "top_poster_by_country": "The poster with most followers in each country",
    "top_country_by_followers": "The country of the poster with most followers",
    "top_category_by_age_group": "The most popular category in each age group",
    "median_followers_by_age_group": "The median number of followers in each age group",
    "users_joined_by_year": "Users who joined in each year, 2015 to 2020",
    "median_followers_by_joining_year": "The median number of followers by joining year, 2015 to 2020",
    "median_followers_by_joining_year_and_age_group": (
        "The median number of followers by age group and joining year, 2015 to 2020"
    ),
}
"""Name → title, in the order in which the questions are listed. A new question is one file and one line here."""


class Question(msgspec.Struct, frozen=True):
    """One question.

    Attributes:
        name: What it is called; its file is `<name>.sql`.
        title: What it asks, in one line.
        sql: Spark SQL over `pin`, `geo` and `user`; the comment at its head says what each column means.
        path: The file within the package, for errors.
    """

    name: str
    title: str
    sql: str
    path: str


@cache
def _question(name: str) -> Question:
    sql = (files(__name__) / f"{name}.sql").read_text(encoding="utf-8")
    return Question(name=name, title=TITLES[name], sql=sql, path=f"pinflow/queries/{name}.sql")


def questions() -> dict[str, Question]:
    """Name → question, in the order in which they are listed."""
    return {name: _question(name) for name in TITLES}


def question(name: str) -> Question:
    """The question of a name.

    Raises:
        UsageError: No question has this name; says which one is meant, if one is close.
    """
    if name in TITLES:
        return _question(name)
    close = get_close_matches(name, TITLES, n=1)
    hint = f"did you mean {close[0]}?" if close else f"the questions are: {', '.join(TITLES)}"
    raise UsageError(f"no question is called {name!r}", where="pinflow query", hint=hint)
