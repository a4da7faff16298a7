r"""Numbers of records as they were sent, which DuckDB's JSON does not keep.

It reads a number with a fraction or an exponent as a DOUBLE and writes that: `1e3` comes as `1000.0`, `1.50` as `1.5`,
`25.00000000000000000001` as `25.0`, and `-0` as `0`. So a field that looks like such a writing, and does not verifiably
stand in the record as it is, is read again from the record with its numbers made texts. There are few: whole numbers
and texts are never written anew, and other numbers are mostly sent as DuckDB writes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["maybe_rewritten", "numbers_as_texts"]

LONGEST = 25
"""Characters of a DOUBLE as DuckDB writes it, at most. Strings may look so, too, and are read again for nothing."""

FLAT = r"NOT contains(_text, '\') AND _text NOT LIKE '%{%{%'"
"""Without a backslash and a second object, `"name":` can only be the name of a field of the record itself."""

MINUS_ZERO = r"':\s*-0\s*[,}]'"


def maybe_rewritten(fields: Sequence[str]) -> str:
    """A condition of DuckDB's over `_text` and columns of these names: whether some field may be not as it was sent."""
    return " OR ".join(map(_maybe_rewritten, fields))


def _maybe_rewritten(name: str) -> str:
    """Cheap tests first: a CASE asks the next one only of what the one before lets through."""
    field = f'"{name}"'
    number = (
        f"{field} < ':' AND {field} >= '-' AND strlen({field}) <= {LONGEST}"
        f" AND (contains({field}, '.') OR contains({field}, 'e')) AND NOT contains({field}, ' ')"
    )
    stands = " ".join(
        f"""WHEN contains(_text, '"{name}":{blank}' || {field} || '{end}') THEN NOT ({FLAT})"""
        for end in ",}"
        for blank in ("", " ")
    )
    return (
        f"CASE WHEN {number} THEN CASE {stands} ELSE TRY_CAST({field} AS DOUBLE) IS NOT NULL END"
        f" WHEN {field} = '0' THEN regexp_matches(_text, {MINUS_ZERO}) ELSE FALSE END"
    )


def numbers_as_texts(text: str) -> str:
    """The text of a JSON object, each number that is a field of it made a string of the same characters."""
    members = _members(text)
    for name, value in members.items():
        token = bytes(value)
        if token[:1] in NUMBER_BEGINS:
            members[name] = msgspec.Raw(b'"' + token + b'"')
    return msgspec.json.encode(members).decode()


NUMBER_BEGINS = frozenset(bytes([byte]) for byte in b"-0123456789")

_members: Any = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
