"""Titles, descriptions and tags of synthetic posts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinflow.source.synthetic import words

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

__all__ = ["Writer"]

LONGEST_TITLE = 199
LONGEST_DESCRIPTION = 180
CUT = "…\u00a0"
"""How the site ends a description that it cut."""

CUT_SHARE = 0.36 * 11_154 / (11_154 - 895 - 182)
"""Share of the descriptions that are cut: 36 % of all posts, where 895 and 182 have no description."""

ODD_SHARE = 0.06
ODD_TEXT_SHARE = 0.01
SHORT_SHARE = 0.005
LONG_TITLE_SHARE = 0.01

TAGS = 9
MOST_NUMBER = 60


class Writer:
    """Writes the texts of one category, drawing from `rng`."""

    def __init__(self, category: str, rng: Random) -> None:
        self._random = rng.random
        self._bytes = rng.randbytes
        self._topics = words.TOPICS[category].split(", ")
        self._hashtags = [topic.title().replace(" ", "").replace("-", "") for topic in self._topics]
        tags = [form.format(topic.title()) for topic in self._topics for form in words.TAG_FORMS]
        rng.shuffle(tags)
        self._tags = tags * 2
        self._tag_strides = len(tags) // TAGS

    def title(self) -> str:
        """A title of at most 199 characters."""
        chance = self._random()
        if chance < SHORT_SHARE:
            return self._pick(words.SHORT_TEXTS)
        title = self._fill(words.ODD_TITLES if chance > 1 - ODD_TEXT_SHARE else words.TITLE_FORMS)
        title = title[0].upper() + title[1:]
        if self._random() < ODD_SHARE:
            title += self._fill(words.ODD_ENDINGS)
        if chance < SHORT_SHARE + LONG_TITLE_SHARE:
            title = " | ".join([title, *(self._fill(words.TITLE_FORMS) for _ in range(4))])
        return title[:LONGEST_TITLE]

    def description(self) -> str:
        """A description of at most 180 characters; one cut short ends in `…` and a no-break space."""
        chance = self._random()
        if chance < CUT_SHARE:
            return self._cut_description()
        if chance < CUT_SHARE + SHORT_SHARE:
            return self._pick(words.SHORT_TEXTS)
        if chance > 1 - ODD_TEXT_SHARE:
            return self._fill(words.ODD_DESCRIPTIONS)
        text = self._fill(words.OPENINGS)
        more = self._fill(words.ODD_ENDINGS if self._random() < ODD_SHARE else words.CLOSINGS)
        return text + more if len(text) + len(more) <= LONGEST_DESCRIPTION else text

    def tags(self) -> str:
        """Nine tags joined by commas."""
        first = int(self._random() * (len(self._tags) // 2))
        stride = 1 + int(self._random() * self._tag_strides)
        return ",".join(self._tags[first : first + TAGS * stride : stride])

    def _cut_description(self) -> str:
        end = LONGEST_DESCRIPTION - len(CUT) - int(self._random() ** 4 * 5)
        text = self._fill(words.OPENINGS)
        if self._random() < ODD_SHARE:
            text += self._fill(words.ODD_ENDINGS)
        while len(text) < end:
            text += self._fill(words.CLOSINGS)
        return text[:end] + CUT

    def _fill(self, forms: Sequence[str]) -> str:
        # a byte a choice: seven draws of their own would take half of the time of a whole source
        form, number, first, second, one, other, tag, another = self._bytes(8)
        topics, adjectives, hashtags = self._topics, words.ADJECTIVES, self._hashtags
        return forms[form % len(forms)].format(
            n=2 + number % (MOST_NUMBER - 1),
            a=adjectives[first % len(adjectives)],
            b=adjectives[second % len(adjectives)],
            t=topics[one % len(topics)],
            u=topics[other % len(topics)],
            h=hashtags[tag % len(hashtags)],
            k=hashtags[another % len(hashtags)],
        )

    def _pick(self, choices: Sequence[str]) -> str:
        return choices[int(self._random() * len(choices))]
