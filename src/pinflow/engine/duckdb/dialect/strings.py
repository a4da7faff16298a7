r"""String literals read as Spark reads them.

The tokenizer of sqlglot finds where a literal begins and ends; what it stands for is decided here: `'\d'` is `d`,
`r'\d'` keeps its backslash, `'it''s'` holds one quote, and neighbours such as `'a' "b"` are one literal.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlglot import TokenType

if TYPE_CHECKING:
    from sqlglot import Token

__all__ = ["read_strings"]

STRINGS = {TokenType.STRING, TokenType.RAW_STRING}

ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[01][0-7]{2}|.)", re.DOTALL)

NAMED = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a", "%": r"\%", "_": r"\_"}
"""Spark's escapes of one letter; any other character stands for itself. `%` and `_` keep the backslash for LIKE."""


def _unescape(match: re.Match[str]) -> str:
    body = match[1]
    if len(body) == 1:
        return NAMED.get(body, body)
    return chr(int(body[1:], 16)) if body[0] in "uU" else chr(int(body, 8))


def _value(source: str) -> str:
    """What the source of one literal, prefix and quotes included, stands for."""
    if source[0] in "rR":
        return source[2:-1]
    return ESCAPE.sub(_unescape, source[1:-1])


def read_strings(tokens: list[Token], sql: str) -> list[Token]:
    """Give every string token its value and make one token of neighbours."""
    read: list[Token] = []
    end = -1
    for token in tokens:
        if token.token_type not in STRINGS:
            read.append(token)
            continue
        source = sql[token.start : token.end + 1]
        value = _value(source)
        token.token_type = TokenType.STRING
        if read and read[-1].token_type is TokenType.STRING:
            doubled = token.start == end + 1 and source[0] == sql[end]
            read[-1].text += (source[0] if doubled else "") + value
        else:
            token.text = value
            read.append(token)
        end = token.end
    return read
