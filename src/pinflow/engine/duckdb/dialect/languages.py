r"""Whether a text can match several regular expressions at once, and others not: what a guard lets through.

The patterns are RE2's, as `regex.read_pattern` writes them and as the casts of this package have them: classes, groups,
repeats, `\A` and `\z`. They are run side by side, character by character, each as the set of places that it may be at;
of the characters that no pattern tells apart one stands for all.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

__all__ = ["can_match"]

HIGHEST = 0x10FFFF

Ranges = tuple[tuple[int, int], ...]

SPACES: Ranges = ((9, 10), (12, 13), (32, 32))
DIGITS: Ranges = ((48, 57),)
WORDS: Ranges = ((48, 57), (65, 90), (95, 95), (97, 122))
NAMED: dict[str, Ranges] = {"d": DIGITS, "w": WORDS, "s": SPACES}
CONTROLS = {"t": 9, "n": 10, "v": 11, "f": 12, "r": 13, "a": 7}

ANY: Ranges = ((0, HIGHEST),)
FREE, FIRST, LAST = "", "A", "z"
"""What an edge needs that takes no character: nothing, the very beginning, the very end."""

QUANTIFIER = re.compile(r"([*+?]|\{(\d+)(?:(,)(\d*))?\})\??")
CODE = re.compile(r"\\x(?:\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{2}))")


class _Edge(NamedTuple):
    takes: Ranges | str
    to: int


def _others(ranges: Ranges) -> Ranges:
    """All characters that are not in the ranges."""
    found, at = [], 0
    for low, high in sorted(ranges):
        if low > at:
            found.append((at, low - 1))
        at = max(at, high + 1)
    return (*found, (at, HIGHEST)) if at <= HIGHEST else tuple(found)


class _Machine:
    """One pattern as places and edges between them. Place 1 is where it has matched."""

    def __init__(self, pattern: str) -> None:
        self.edges: list[list[_Edge]] = [[], []]
        self.steps: dict[tuple[frozenset[int], int], _State] = {}
        self._source = pattern
        self._at = 0
        begin = self._place()
        self._link(0, FREE, begin)
        self._link(0, ANY, 0)  # it may be found anywhere
        self._link(self._alternatives(begin), FREE, 1)
        if self._at < len(pattern):
            raise ValueError(f"not a pattern that can be compared: {pattern!r} at {self._at}")
        self._link(1, ANY, 1)
        self.hopeful = self._hopeful()

    def _hopeful(self) -> frozenset[int]:
        """The places from which a match can still come, when the beginning is past."""
        found, grown = {1}, True
        while grown:
            before = len(found)
            for place, edges in enumerate(self.edges):
                if any(edge.takes != FIRST and edge.to in found for edge in edges):
                    found.add(place)
            grown = len(found) > before
        return frozenset(found)

    def _place(self) -> int:
        self.edges.append([])
        return len(self.edges) - 1

    def _link(self, start: int, takes: Ranges | str, to: int) -> None:
        self.edges[start].append(_Edge(takes, to))

    def _next(self, text: str) -> bool:
        if self._source.startswith(text, self._at):
            self._at += len(text)
            return True
        return False

    def _alternatives(self, begin: int) -> int:
        end = self._place()
        while True:
            at = begin
            while self._at < len(self._source) and self._source[self._at] not in "|)":
                at = self._piece(at)
            self._link(at, FREE, end)
            if not self._next("|"):
                return end

    def _piece(self, begin: int) -> int:
        source, places = self._at, len(self.edges)
        end = self._atom(begin)
        found = QUANTIFIER.match(self._source, self._at)
        if not found:
            return end
        least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(found[1], (0, 0))
        if found[2]:
            least = int(found[2])
            most = least if not found[3] else int(found[4]) if found[4] else None
        del self.edges[places:]  # read again, as often as it repeats
        self.edges[begin] = [edge for edge in self.edges[begin] if edge.to < places]
        at = begin
        for _ in range(least):
            at = self._again(source, at)
        if most is None:
            loop = self._place()
            self._link(at, FREE, loop)
            self._link(self._again(source, loop), FREE, loop)
            at = loop
        ends = [at]
        for _ in range((most or 0) - least):
            ends.append(self._again(source, ends[-1]))
        last = self._place()
        for each in ends:
            self._link(each, FREE, last)
        self._at = found.end()
        return last

    def _again(self, source: int, begin: int) -> int:
        self._at = source
        fresh = self._place()
        self._link(begin, FREE, fresh)
        return self._atom(fresh)

    def _atom(self, begin: int) -> int:
        if self._next("("):
            if self._next("?") and not self._next(":"):
                raise ValueError(f"not a group that can be compared, in {self._source!r}")
            end = self._alternatives(begin)
            self._at += 1
            return end
        end = self._place()
        if self._next("\\A"):
            self._link(begin, FIRST, end)
        elif self._next("\\z"):
            self._link(begin, LAST, end)
        else:
            self._link(begin, self._class() if self._next("[") else self._char(".^$*+?"), end)
        return end

    def _char(self, special: str = "") -> Ranges:
        """One character, or a class of one letter."""
        if not self._next("\\"):
            if self._source[self._at] in special:
                raise ValueError(f"not a pattern that can be compared: {self._source!r} at {self._at}")
            self._at += 1
            return ((ord(self._source[self._at - 1]), ord(self._source[self._at - 1])),)
        code = CODE.match(self._source, self._at - 1)
        if code:
            self._at = code.end()
            number = int(code[1] or code[2], 16)
            return ((number, number),)
        letter = self._source[self._at]
        self._at += 1
        if letter.lower() in NAMED:
            return NAMED[letter] if letter in NAMED else _others(NAMED[letter.lower()])
        number = CONTROLS.get(letter, ord(letter))
        if letter.isalnum() and letter not in CONTROLS:
            raise ValueError(f"not an escape that can be compared: \\{letter} in {self._source!r}")
        return ((number, number),)

    def _class(self) -> Ranges:
        negated = self._next("^")
        found: list[tuple[int, int]] = []
        while not self._next("]"):
            low = self._char()
            if len(low) == 1 and self._source[self._at] == "-" and self._source[self._at + 1] != "]":
                self._at += 1
                found.append((low[0][0], self._char()[0][1]))
            else:
                found += low
        return _others(tuple(found)) if negated else tuple(found)


class _State(NamedTuple):
    """Where a pattern may be: places, and those of them from which it takes no further character."""

    places: frozenset[int]
    ended: frozenset[int]

    @property
    def matched(self) -> bool:
        return 1 in self.places or 1 in self.ended


def _settled(machine: _Machine, places: frozenset[int], *, first: bool) -> _State:
    """All places that are reached without taking a character."""
    found, ended = set(places), set[int]()
    left = [(place, False) for place in places]
    while left:
        place, done = left.pop()
        for edge in machine.edges[place]:
            if not isinstance(edge.takes, str) or (edge.takes == FIRST and not first):
                continue
            into, over = (ended, True) if done or edge.takes == LAST else (found, False)
            if edge.to not in into:
                into.add(edge.to)
                left.append((edge.to, over))
    return _State(frozenset(found), frozenset(ended))


def _taken(machine: _Machine, state: _State, char: int) -> _State:
    """Where the pattern may be after one more character. Remembered: it is asked again and again."""
    known = machine.steps.get((state.places, char))
    if known is not None:
        return known
    hit = frozenset(
        edge.to
        for place in state.places
        for edge in machine.edges[place]
        if not isinstance(edge.takes, str) and any(low <= char <= high for low, high in edge.takes)
    )
    settled = _settled(machine, hit, first=False)
    made = _State(settled.places & machine.hopeful, settled.ended & machine.hopeful)
    machine.steps[state.places, char] = made
    return made


def _representatives(machines: list[_Machine]) -> list[int]:
    """A character for each set of characters that no machine tells apart."""
    bounds = {0}
    for machine in machines:
        for edges in machine.edges:
            for edge in edges:
                if not isinstance(edge.takes, str):
                    bounds.update(bound for low, high in edge.takes for bound in (low, high + 1))
    return sorted(bound for bound in bounds if bound <= HIGHEST)


@lru_cache(maxsize=64)
def can_match(wanted: tuple[str, ...], unwanted: tuple[str, ...] = ()) -> bool:
    """Whether some text matches all of the first patterns and none of the others, each found anywhere in it.

    Raises:
        ValueError: A pattern has what is not read here.
    """
    machines = [_Machine(pattern) for pattern in (*wanted, *unwanted)]
    chars = _representatives(machines)
    begin = tuple(_settled(machine, frozenset({0}), first=True) for machine in machines)
    seen, left = {begin}, [begin]
    while left:
        states = left.pop()
        if all(state.matched is (at < len(wanted)) for at, state in enumerate(states)):
            return True
        for char in chars:
            following = []
            for at, (machine, state) in enumerate(zip(machines, states, strict=True)):
                new = _taken(machine, state, char)
                if at < len(wanted) and not (new.places or new.ended):
                    break
                following.append(new)
            else:
                hit = tuple(following)
                if hit not in seen:
                    seen.add(hit)
                    left.append(hit)
    return False
