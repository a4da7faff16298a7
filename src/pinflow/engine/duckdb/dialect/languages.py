r"""Whether a text can match several regular expressions at once, and others not: what a guard lets through.

The patterns are RE2's, as `regex.read_pattern` writes them and as the casts of this package have them: classes, groups,
repeats, `\A` and `\z`. Each becomes a nondeterministic finite automaton. Their product is searched, its states made as
they are reached, over an alphabet in which one character stands for all that no pattern distinguishes.
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
EPSILON, BEGIN, END = "", "A", "z"
"""Labels of transitions that consume no character: anywhere, at the beginning of the text only, at its end only."""

QUANTIFIER = re.compile(r"([*+?]|\{(\d+)(?:(,)(\d*))?\})\??")
CODE = re.compile(r"\\x(?:\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{2}))")


class _Transition(NamedTuple):
    label: Ranges | str
    to: int


def _complement(ranges: Ranges) -> Ranges:
    """All characters that are not in the ranges."""
    found, at = [], 0
    for low, high in sorted(ranges):
        if low > at:
            found.append((at, low - 1))
        at = max(at, high + 1)
    return (*found, (at, HIGHEST)) if at <= HIGHEST else tuple(found)


class _Automaton:
    """The automaton of one pattern. State 0 is the initial one, state 1 the accepting one."""

    def __init__(self, pattern: str) -> None:
        self.transitions: list[list[_Transition]] = [[], []]
        self.steps: dict[tuple[frozenset[int], int], _Configuration] = {}
        self._source = pattern
        self._at = 0
        begin = self._new_state()
        self._connect(0, EPSILON, begin)
        self._connect(0, ANY, 0)  # it may be found anywhere
        self._connect(self._alternatives(begin), EPSILON, 1)
        if self._at < len(pattern):
            raise ValueError(f"not a pattern that can be compared: {pattern!r} at {self._at}")
        self._connect(1, ANY, 1)
        self.live = self._live_states()

    def _live_states(self) -> frozenset[int]:
        """The states from which the accepting one can be reached, when the beginning is past."""
        found, grown = {1}, True
        while grown:
            before = len(found)
            for state, transitions in enumerate(self.transitions):
                if any(transition.label != BEGIN and transition.to in found for transition in transitions):
                    found.add(state)
            grown = len(found) > before
        return frozenset(found)

    def _new_state(self) -> int:
        self.transitions.append([])
        return len(self.transitions) - 1

    def _connect(self, start: int, label: Ranges | str, to: int) -> None:
        self.transitions[start].append(_Transition(label, to))

    def _next(self, text: str) -> bool:
        if self._source.startswith(text, self._at):
            self._at += len(text)
            return True
        return False

    def _alternatives(self, begin: int) -> int:
        end = self._new_state()
        while True:
            at = begin
            while self._at < len(self._source) and self._source[self._at] not in "|)":
                at = self._piece(at)
            self._connect(at, EPSILON, end)
            if not self._next("|"):
                return end

    def _piece(self, begin: int) -> int:
        source, states = self._at, len(self.transitions)
        end = self._atom(begin)
        found = QUANTIFIER.match(self._source, self._at)
        if not found:
            return end
        least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(found[1], (0, 0))
        if found[2]:
            least = int(found[2])
            most = least if not found[3] else int(found[4]) if found[4] else None
        del self.transitions[states:]  # read again, as often as it repeats
        self.transitions[begin] = [
            transition for transition in self.transitions[begin] if transition.to < states
        ]
        at = begin
        for _ in range(least):
            at = self._again(source, at)
        if most is None:
            loop = self._new_state()
            self._connect(at, EPSILON, loop)
            self._connect(self._again(source, loop), EPSILON, loop)
            at = loop
        ends = [at]
        for _ in range((most or 0) - least):
            ends.append(self._again(source, ends[-1]))
        last = self._new_state()
        for each in ends:
            self._connect(each, EPSILON, last)
        self._at = found.end()
        return last

    def _again(self, source: int, begin: int) -> int:
        self._at = source
        fresh = self._new_state()
        self._connect(begin, EPSILON, fresh)
        return self._atom(fresh)

    def _atom(self, begin: int) -> int:
        if self._next("("):
            if self._next("?") and not self._next(":"):
                raise ValueError(f"not a group that can be compared, in {self._source!r}")
            end = self._alternatives(begin)
            self._at += 1
            return end
        end = self._new_state()
        if self._next("\\A"):
            self._connect(begin, BEGIN, end)
        elif self._next("\\z"):
            self._connect(begin, END, end)
        else:
            self._connect(begin, self._class() if self._next("[") else self._char(".^$*+?"), end)
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
            return NAMED[letter] if letter in NAMED else _complement(NAMED[letter.lower()])
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
        return _complement(tuple(found)) if negated else tuple(found)


class _Configuration(NamedTuple):
    """The set of states that an automaton may be in; it consumes no further character in those that have `ended`."""

    states: frozenset[int]
    ended: frozenset[int]

    @property
    def accepts(self) -> bool:
        return 1 in self.states or 1 in self.ended


def _epsilon_closure(automaton: _Automaton, states: frozenset[int], *, first: bool) -> _Configuration:
    """All states that are reached without consuming a character."""
    found, ended = set(states), set[int]()
    left = [(state, False) for state in states]
    while left:
        state, done = left.pop()
        for transition in automaton.transitions[state]:
            if not isinstance(transition.label, str) or (transition.label == BEGIN and not first):
                continue
            into, over = (ended, True) if done or transition.label == END else (found, False)
            if transition.to not in into:
                into.add(transition.to)
                left.append((transition.to, over))
    return _Configuration(frozenset(found), frozenset(ended))


def _step(automaton: _Automaton, configuration: _Configuration, char: int) -> _Configuration:
    """The configuration after one more character. Kept, as the search asks for it again and again."""
    known = automaton.steps.get((configuration.states, char))
    if known is not None:
        return known
    hit = frozenset(
        transition.to
        for state in configuration.states
        for transition in automaton.transitions[state]
        if not isinstance(transition.label, str)
        and any(low <= char <= high for low, high in transition.label)
    )
    settled = _epsilon_closure(automaton, hit, first=False)
    made = _Configuration(settled.states & automaton.live, settled.ended & automaton.live)
    automaton.steps[configuration.states, char] = made
    return made


def _alphabet(automata: list[_Automaton]) -> list[int]:
    """A character for each set of characters that no automaton distinguishes."""
    bounds = {0}
    for automaton in automata:
        for transitions in automaton.transitions:
            for transition in transitions:
                if not isinstance(transition.label, str):
                    bounds.update(bound for low, high in transition.label for bound in (low, high + 1))
    return sorted(bound for bound in bounds if bound <= HIGHEST)


@lru_cache(maxsize=64)
def can_match(wanted: tuple[str, ...], unwanted: tuple[str, ...] = ()) -> bool:
    """Whether some text matches all of the first patterns and none of the others, each found anywhere in it.

    Raises:
        ValueError: A pattern has what is not read here.
    """
    automata = [_Automaton(pattern) for pattern in (*wanted, *unwanted)]
    chars = _alphabet(automata)
    begin = tuple(_epsilon_closure(automaton, frozenset({0}), first=True) for automaton in automata)
    seen, left = {begin}, [begin]
    while left:
        configurations = left.pop()
        if all(
            configuration.accepts is (at < len(wanted)) for at, configuration in enumerate(configurations)
        ):
            return True
        for char in chars:
            following = []
            for at, (automaton, configuration) in enumerate(zip(automata, configurations, strict=True)):
                new = _step(automaton, configuration, char)
                if at < len(wanted) and not (new.states or new.ended):
                    break
                following.append(new)
            else:
                hit = tuple(following)
                if hit not in seen:
                    seen.add(hit)
                    left.append(hit)
    return False
