r"""Numbers of records as they were sent, which DuckDB's JSON does not keep.

It reads a number with a fraction or an exponent as a DOUBLE and writes that: `1e3` comes as `1000.0`, `1.50` as `1.5`,
`25.00000000000000000001` as `25.0`, and `-0` as `0`. So a record with a field that looks like such a writing is read
again with its numbers made texts, unless the field verifiably stands in the record as it is. Whole numbers and texts
are never written anew, and other numbers are mostly sent as DuckDB writes them.

To verify a field takes a long expression, which DuckDB plans anew for each step. So only those are verified that a
dataset says are mostly numbers with a fraction; the others cost one expression over all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["maybe_rewritten", "numbers_as_texts"]

LONGEST = 25
"""Characters of a DOUBLE as DuckDB writes it, at most. Strings may look so, too, and are read again for nothing."""

FLAT = r"NOT contains(_text, '\') AND _text NOT LIKE '%{%{%'"
"""Without a backslash and a second object, `"name":` can only be the name of a field of the record itself."""

MINUS_ZERO = r"':\s*-0\s*[,}]'"


def maybe_rewritten(verified: Iterable[str]) -> str:
    """A condition of DuckDB's: whether some field may be not as it was sent.

    It reads `_text`, `_fields` (all fields of the record, as DuckDB writes them) and the columns `verified`.
    """
    as_sent = " + ".join(map(_as_sent, verified)) or "0"
    return (
        "len(list_filter(_fields, lambda x: "
        f"CASE WHEN {_looks_written('x')} THEN TRY_CAST(x AS DOUBLE) IS NOT NULL ELSE FALSE END)) > {as_sent}"
        f" OR (list_contains(_fields, '0') AND regexp_matches(_text, {MINUS_ZERO}))"
    )


def _looks_written(field: str) -> str:
    """Whether a field looks like a number that DuckDB wrote; cheap, and true of some strings too."""
    return (
        f"{field} < ':' AND {field} >= '-' AND strlen({field}) <= {LONGEST}"
        f" AND (contains({field}, '.') OR contains({field}, 'e')) AND NOT contains({field}, ' ')"
    )


def _as_sent(name: str) -> str:
    """1 where a field looks like a number that DuckDB wrote and stands so in the record, else 0.

    What stands there without quotes is a number: it needs no cast to say so.
    """
    field = f'"{name}"'
    stands = " OR ".join(
        f"""contains(_text, '"{name}":{blank}' || {field} || '{end}')"""
        for end in ",}"
        for blank in ("", " ")
    )
    return (
        f"CASE WHEN {_looks_written(field)} THEN CASE WHEN ({stands}) AND {FLAT} THEN 1 ELSE 0 END ELSE 0 END"
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
