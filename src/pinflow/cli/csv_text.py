"""CSV by RFC 4180, with line ends of one character and names in the first line.

NULL is an empty field, and an empty text is `""`. Nested values are JSON. Nothing else is changed, so that what is read
back is what stood in the table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinflow.cli.text import text_of, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["csv_text"]

QUOTED = frozenset('",\r\n')

ENDS_LINES = "\n\t"


def csv_text(names: Sequence[str], rows: Iterable[Sequence[object]], *, is_shown: bool = False) -> str:
    """Rows as CSV. Where it `is_shown` on a terminal, what the terminal would act on is written out."""
    lines = [names, *rows]
    text = "".join(f"{','.join(map(_field, line)) or EMPTY}\n" for line in lines)
    return visible(text, keep=ENDS_LINES) if is_shown else text


EMPTY = '""'
"""A line of one NULL: a blank line would be passed over by many readers."""


def _field(value: object) -> str:
    if value is None:
        return ""
    text = str(value) if isinstance(value, float) else text_of(value)
    if not text or not QUOTED.isdisjoint(text) or text != text.strip():
        return '"' + text.replace('"', '""') + '"'
    return text
