"""Loading a source from files: one JSON object a line, with the columns of the table as its fields."""

from __future__ import annotations

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from pinflow.errors import TerminalError
from pinflow.source.moments import moment_of
from pinflow.source.rows import Block, GeoRow, PinRow, UserRow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

__all__ = ["file_blocks"]

Row = PinRow | GeoRow | UserRow

FILES: dict[str, type[Row]] = {"pin.jsonl": PinRow, "geo.jsonl": GeoRow, "user.jsonl": UserRow}
"""File → what a line of it holds, in the order of the tables."""

BLOCK_LINES = 10_000
"""Lines read at a time: a few tens of megabytes."""

UTF_16_BOMS = (BOM_UTF16_LE, BOM_UTF16_BE)
"""No line in UTF-8 begins with these. Some shells of Windows write UTF-16 unless asked for something else."""

SHOWN_CHARACTERS = 80
"""Of a value in a message."""


def file_blocks(folder: Path) -> Iterator[Block]:
    """The rows of `pin.jsonl`, `geo.jsonl` and `user.jsonl`, in blocks of one file each.

    Times may be written in every form that `moment_of` reads. Empty lines and byte order marks are skipped.
    Keeps the numbers of all posts in memory, not their rows.

    Raises:
        TerminalError: A file is missing, a line is not such a row, a number comes twice in a file, or a post is
            not in all three files. Says the file and the line.
    """
    for name in FILES:
        if not (folder / name).is_file():
            raise _error("a file of the source is missing", folder / name)
    expected: dict[int, int] | None = None
    for position, name in enumerate(FILES):
        seen: dict[int, int] = {}
        rows = _rows(folder / name, FILES[name], seen)
        while block := list(islice(rows, BLOCK_LINES)):
            yield _block(position, block)
        if expected is None:
            expected = seen
        _same_numbers(expected, seen, folder, name)


def _rows(path: Path, kind: type[Row], seen: dict[int, int]) -> Iterator[tuple[object, ...]]:
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(kind)
    with path.open("rb") as lines:
        for line_number, line in enumerate(lines, 1):
            if line.startswith(UTF_16_BOMS):
                raise _error(f"{path.name} is in UTF-16: store it as UTF-8", path, line_number)
            text = line.removeprefix(BOM_UTF8)
            if not text.strip():
                continue
            try:
                row: Row = decoder.decode(text)
                values = _values(row)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise _error(f"the line is not a row of {path.name}: {error}", path, line_number) from error
            first_line = seen.setdefault(row.number, line_number)
            if first_line != line_number:
                raise _error(f"post {row.number} comes twice, first in line {first_line}", path, line_number)
            yield values


def _values(row: Row) -> tuple[object, ...]:
    if isinstance(row, GeoRow):
        return (row.ind, _moment("timestamp", row.timestamp), row.latitude, row.longitude, row.country)
    if isinstance(row, UserRow):
        return (row.ind, row.first_name, row.last_name, row.age, _moment("date_joined", row.date_joined))
    return msgspec.structs.astuple(row)


def _moment(field: str, text: str | None) -> datetime | None:
    moment = None if text is None else moment_of(text)
    if moment is None and text is not None:
        raise msgspec.ValidationError(
            f"{text[:SHOWN_CHARACTERS]!r} is not an ISO 8601 time of the years 1 to 9999 in UTC - at `$.{field}`"
        )
    return moment


def _block(position: int, rows: list[tuple[object, ...]]) -> Block:
    block = Block([], [], [])
    block[position].extend(rows)
    return block


def _same_numbers(expected: dict[int, int], seen: dict[int, int], folder: Path, name: str) -> None:
    pins = next(iter(FILES))
    if not seen:
        raise _error("a file of the source holds no row", folder / name)
    if absent := expected.keys() - seen.keys():
        number = min(absent)
        raise _error(f"post {number} is not in {name}", folder / pins, expected[number])
    if surplus := seen.keys() - expected.keys():
        number = min(surplus)
        raise _error(f"post {number} is not in {pins}", folder / name, seen[number])


def _error(what: str, path: Path, line: int | None = None) -> TerminalError:
    return TerminalError(
        f"{what}; nothing was loaded",
        where=str(path) if line is None else f"{path}, line {line}",
        hint=f"pinflow source load takes a folder with {', '.join(FILES)}, the same posts in each",
    )
