r"""Regular expressions of Java, which Spark uses, written for RE2, which DuckDB uses.

Only what means the same on both, or can be written so that it does, is supported. `.`, `$`, `\s` and `\S` are written
so that they treat line ends as Java does.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Pattern", "RegexError", "read_pattern", "read_replacement"]

LINE_ENDS = r"\n\r\x{85}\x{2028}\x{2029}"
DOT = f"[^{LINE_ENDS}]"
DOLLAR = rf"\r\n|[{LINE_ENDS}]"
"""Java's `$` stands at the end and also before one line end that closes the text."""

VERY_END = "write `\\z` for the very end"
SPACE = r"\t\n\x0b\f\r "
MAX_REPEAT = 1000
"""The most that RE2 repeats."""

NAME = re.compile(r"\(\?<[A-Za-z][A-Za-z0-9]*>")
QUANTIFIER = re.compile(r"[*+?]|\{(\d+)(?:,(\d*))?\}")
CODE_POINT = re.compile(r"\\(?:x\{([0-9A-Fa-f]+)\}|x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4}))")
CONTROLS = {"\\t": "\t", "\\n": "\n", "\\r": "\r", "\\f": "\f", "\\a": "\a"}
NEWLINES = set("\n\r\x85\u2028\u2029")


class RegexError(ValueError):
    """The pattern or replacement has no translation."""


class Pattern(NamedTuple):
    """A pattern for RE2.

    Attributes:
        alternatives: The top-level alternatives, without the closing `$`.
        dollars: Which of them were closed by `$`.
        groups: How many groups capture.
        nullable: Whether it can match nothing at all.
    """

    alternatives: list[str]
    dollars: list[bool]
    groups: int
    nullable: bool

    @property
    def text(self) -> str:
        """The whole pattern; its match may take in a closing line end where `$` stands."""
        return "|".join(
            f"{body}(?:{DOLLAR})?\\z" if dollar else body
            for body, dollar in zip(self.alternatives, self.dollars, strict=True)
        )

    def capture(self) -> str:
        """The whole pattern in a group of its own, the first, free of the line end that `$` looks past."""
        if not any(self.dollars):
            return f"({self.text})"
        self._single()
        return f"({self.alternatives[0]})(?:{DOLLAR})?\\z"

    def replace_with(self, replacement: str) -> tuple[str, str]:
        """Pattern and replacement for replacing every match.

        Raises:
            RegexError: The two engines would replace differently.
        """
        if self.nullable:
            raise RegexError("a pattern that can match nothing replaces differently on the two engines")
        if not any(self.dollars):
            return self.text, replacement
        self._single()
        if self.groups == 9 or r"\0" in replacement.replace("\\\\", ""):
            raise RegexError(f"nine groups, or `$0`, beside a closing `$`; {VERY_END}")
        return f"{self.alternatives[0]}((?:{DOLLAR})?)\\z", rf"{replacement}\{self.groups + 1}"

    def _single(self) -> None:
        if len(self.alternatives) > 1:
            raise RegexError(f"`$` in one of several alternatives; {VERY_END}")


def _quoted(char: str) -> str:
    return f"\\{char}" if char in "\\.+*?()|[]{}^$-&~#" else char


class _PatternReader:
    """Reads one pattern from left to right."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self.groups = 0
        self.eats_line_ends = False

    def unsupported(self, what: str) -> RegexError:
        return RegexError(f"{what} at character {self.at + 1} of the pattern")

    def rest(self, text: str) -> bool:
        return self.source.startswith(text, self.at)

    def alternatives(self, *, top: bool) -> tuple[list[str], list[bool], bool]:
        bodies, dollars, nullable = [], [], False
        while True:
            body, dollar, empty = self.sequence(top=top)
            bodies.append(body)
            dollars.append(dollar)
            nullable = nullable or empty
            if not self.rest("|"):
                return bodies, dollars, nullable
            self.at += 1

    def sequence(self, *, top: bool) -> tuple[str, bool, bool]:
        parts: list[str] = []
        nullable = True
        while self.at < len(self.source) and self.source[self.at] not in "|)":
            if self.rest("$"):
                self.at += 1
                if not top or (self.at < len(self.source) and self.source[self.at] != "|"):
                    raise self.unsupported("`$` that does not close the pattern")
                return "".join(parts), True, nullable
            part, empty = self.piece()
            parts.append(part)
            nullable = nullable and empty
        return "".join(parts), False, nullable

    def piece(self) -> tuple[str, bool]:
        atom, nullable = self.atom()
        found = QUANTIFIER.match(self.source, self.at)
        if not found:
            return atom, nullable
        if nullable:
            raise self.unsupported("a repeat of something that can match nothing")
        low, high = found[1], found[2]
        if low is not None and max(int(low), int(high or 0)) > MAX_REPEAT:
            raise self.unsupported(f"a repeat of more than {MAX_REPEAT}")
        self.at = found.end()
        if self.rest("+"):
            raise self.unsupported("a possessive repeat")
        lazy = self.rest("?")
        self.at += lazy
        return atom + found[0] + "?" * lazy, found[0][0] in "*?" or (low is not None and int(low) == 0)

    def atom(self) -> tuple[str, bool]:
        char = self.source[self.at]
        if char == "(":
            return self.group()
        if char == "[":
            return self.char_class(), False
        if char == "\\":
            return self.escape()
        if char in "*+?{":
            raise self.unsupported(f"`{char}` that repeats nothing")
        self.at += 1
        if char == ".":
            return DOT, False
        if char == "^":
            return "\\A", True
        self.eats_line_ends |= char in NEWLINES
        return _quoted(char), False

    def group(self) -> tuple[str, bool]:
        named = NAME.match(self.source, self.at)
        if self.rest("(?:"):
            self.at += 3
            opening = "(?:"
        elif self.rest("(?") and not named:
            raise self.unsupported("a group that begins with `(?`, other than `(?:` and a name,")
        else:
            self.at = named.end() if named else self.at + 1
            self.groups += 1
            opening = "("
        bodies, _, nullable = self.alternatives(top=False)
        if not self.rest(")"):
            raise self.unsupported("a group without its `)`")
        self.at += 1
        return f"{opening}{'|'.join(bodies)})", nullable

    def escape(self) -> tuple[str, bool]:
        code = self.code_point()
        if code is not None:
            self.eats_line_ends |= code in NEWLINES
            return _quoted(code), False
        kind = self.source[self.at : self.at + 2]
        if kind in {"\\d", "\\w"}:
            made, nullable = kind, False
        elif kind in {"\\D", "\\W", "\\s"}:
            self.eats_line_ends = True
            made, nullable = f"[{SPACE}]" if kind == "\\s" else kind, False
        elif kind == "\\S":
            self.eats_line_ends = True  # \s does not match U+0085 and its like
            made, nullable = f"[^{SPACE}]", False
        elif kind in {"\\A", "\\z"}:
            made, nullable = kind, True
        else:
            raise self.unsupported(f"`{kind}`")
        self.at += 2
        return made, nullable

    def code_point(self) -> str | None:
        """The character that an escape here stands for, if it stands for one."""
        found = CODE_POINT.match(self.source, self.at)
        if found:
            self.at = found.end()
            return chr(int(found[1] or found[2] or found[3], 16))
        kind = self.source[self.at : self.at + 2]
        if kind in CONTROLS:
            self.at += 2
            return CONTROLS[kind]
        if len(kind) == 2 and kind[1].isascii() and not kind[1].isalnum():
            self.at += 2
            return kind[1]
        return None

    def char_class(self) -> str:
        self.at += 1
        negated = self.rest("^")
        self.at += negated
        self.eats_line_ends |= negated
        items: list[str] = []
        while not self.rest("]") or not items:
            if self.at >= len(self.source) or self.rest("]"):
                raise self.unsupported("a class that is empty or has no `]`")
            items.append(self.class_item())
        self.at += 1
        return f"[{'^' * negated}{''.join(items)}]"

    def class_item(self) -> str:
        kind = self.source[self.at : self.at + 2]
        if kind in {"\\d", "\\w", "\\s", "\\D", "\\W"}:
            self.at += 2
            self.eats_line_ends |= kind not in {"\\d", "\\w"}
            return SPACE if kind == "\\s" else kind
        low = self.class_char()
        if not self.rest("-") or self.source[self.at + 1 : self.at + 2] == "]":
            return _quoted(low)
        self.at += 1
        high = self.class_char()
        if high < low:
            raise self.unsupported("a range that runs backwards")
        self.eats_line_ends |= any(low <= char <= high for char in NEWLINES)
        return f"{_quoted(low)}-{_quoted(high)}"

    def class_char(self) -> str:
        char = self.source[self.at : self.at + 1]
        if char == "\\":
            code = self.code_point()
            if code is None:
                raise self.unsupported(f"`{self.source[self.at : self.at + 2]}` in a class")
            char = code
        elif not char or char == "[" or self.rest("&&"):
            raise self.unsupported("a class within a class")
        else:
            self.at += 1
        self.eats_line_ends |= char in NEWLINES
        return char


def read_pattern(source: str) -> Pattern:
    """Write a pattern of Java for RE2.

    Raises:
        RegexError: It uses what the two do not share.
    """
    reader = _PatternReader(source)
    bodies, dollars, nullable = reader.alternatives(top=True)
    if reader.at < len(source):
        raise reader.unsupported("a `)` without its group")
    if any(dollars) and reader.eats_line_ends:  # Java sees no end between \r and \n
        raise RegexError(f"a part that can match a line end beside a closing `$`; {VERY_END}")
    return Pattern(bodies, dollars, reader.groups, nullable)


def read_replacement(source: str, groups: int) -> str:
    r"""Write a replacement of Java (`$1`, `\$`) for RE2 (`\1`).

    Raises:
        RegexError: It names a group that the pattern does not have, or by name.
    """
    made, at = [], 0
    while at < len(source):
        char = source[at]
        following = source[at + 1 : at + 2]
        if char == "\\" and following:
            made.append("\\\\" if following == "\\" else following)
            at += 2
        elif char == "$" and following.isdigit() and following.isascii() and int(following) <= min(groups, 9):
            made.append(f"\\{following}")
            at += 2
            if groups > 9 and source[at : at + 1].isdigit():
                raise RegexError("groups beyond the ninth in a replacement")
        elif char in "\\$":
            raise RegexError(f"`{source[at : at + 2]}` in a replacement: the pattern has {groups} groups")
        else:
            made.append(char)
            at += 1
    return "".join(made)
