"""A landing zone as the Kafka Connect S3 sink writes it, and what of it can be taken.

`<topic>+<partition>+<first offset>.json` holds a JSON value a line, often one alone. There is no manifest: how many
records a file has is known by its lines, and whether files follow each other by their names.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pinflow.errors import AbsentError, UsageError
from pinflow.lake.store.prefetch import prefetch

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence
    from datetime import datetime

    from pinflow.lake.store.objects import Store

__all__ = [
    "FileRange",
    "FoundRanges",
    "SinkFile",
    "Zone",
    "ZoneReader",
    "find_files",
    "find_ranges",
    "first_offset",
    "split_lines",
]

NAME = re.compile(r"(?:.*/)?(?P<topic>[^/]+)\+(?P<partition>\d+)\+(?P<first>\d+)\.(?P<kind>[^/]+)")

READS_AT_ONCE = 32
"""One-record files come in tens of thousands, and each read is mostly waiting."""

BYTES_AT_ONCE = 64 << 20
"""Of large files fewer are read at once, one at least."""

CACHE_BYTES = 64 << 20
"""What was read to be counted and is kept to be copied: all of a zone of one-record files."""


class SinkFile(NamedTuple):
    """A file of the zone, by its name: its first offset, and its size in bytes."""

    path: str
    first: int
    size: int


class FileRange(msgspec.Struct, frozen=True):
    """What is to be taken of a file: its lines after `skip`, the first of which has this offset."""

    path: str
    offset: int
    lines: int
    size: int
    skip: int = 0

    @property
    def end(self) -> int:
        """The offset after its last."""
        return self.offset + self.lines


class FoundRanges(NamedTuple):
    """The ranges to take, in order; in words, offsets that are missing, and those there twice with other content."""

    ranges: list[FileRange]
    missing: list[str]
    twice: list[str]


Zone = dict[str, dict[int, list[SinkFile]]]
"""Topic → partition → its files by first offset."""


class ZoneReader:
    """Reads files of the zone; what it read is kept for a second reading, up to a bound."""

    def __init__(self, source: Store) -> None:
        self._source = source
        self._at_once = READS_AT_ONCE
        self._cache: dict[str, tuple[bytes, datetime]] = {}
        self._cache_left = CACHE_BYTES

    def expect(self, zone: Zone) -> None:
        """Limit the files read at once, so that as many of the largest fit into memory. Call it before reading."""
        sizes = (file.size for partitions in zone.values() for files in partitions.values() for file in files)
        largest = max(sizes, default=0)
        self._at_once = min(READS_AT_ONCE, max(1, BYTES_AT_ONCE // max(1, largest)))

    def lines(self, path: str) -> list[bytes]:
        """The lines of a file; none where it is gone."""
        found = self._read(path)
        return split_lines(found[0]) if found is not None else []

    def take(self, paths: Sequence[str]) -> Iterator[tuple[bytes, datetime] | None]:
        """Files and when they were last written, in order, and for the last time; None for one that is gone."""
        for path, found in zip(paths, prefetch(self._source, self._read, paths, self._at_once), strict=True):
            self._cache.pop(path, None)
            yield found

    def count_lines(self, files: Iterable[SinkFile]) -> Iterator[int]:
        """How many lines each file has."""
        return prefetch(self._source, lambda file: len(self.lines(file.path)), files, self._at_once)

    def _read(self, path: str) -> tuple[bytes, datetime] | None:
        found = self._cache.get(path) or self._source.get_dated(path)
        if found is not None and len(found[0]) + len(path) <= self._cache_left:
            self._cache_left -= len(found[0]) + len(path)
            self._cache[path] = found
        return found


def find_files(source: Store, folder: str, known: Container[str]) -> Zone:
    """The files below a folder, but for the `known` ones.

    Raises:
        UsageError: There are others than the sink writes in JSON.
        AbsentError: There are none.
    """
    zone: Zone = {}
    for found in source.find(folder):
        if found.path in known or found.path.removesuffix(".meta") in known:
            continue
        name = NAME.fullmatch(found.path)
        if name is None and not found.size:
            continue  # the marker of a folder
        _require_json(source, found.path, name)
        if name is not None:
            files = zone.setdefault(name["topic"], {}).setdefault(int(name["partition"]), [])
            files.append(SinkFile(found.path, int(name["first"]), found.size))
    if not zone and not known:
        raise AbsentError(
            "there is nothing to adopt",
            where=source.child(folder),
            hint="name the folder above <topic>/partition=<p>/<topic>+<p>+<first offset>.json",
        )
    return {
        topic: {
            number: sorted(files, key=lambda file: (file.first, file.path)) for number, files in each.items()
        }
        for topic, each in sorted(zone.items())
    }


def _require_json(source: Store, path: str, name: re.Match[str] | None) -> None:
    kind = name["kind"] if name is not None else ""
    if kind == "json":
        return
    if kind == "json.meta":
        what, hint = "this zone was written by pinflow", "open it as a lake of its own: lake.url"
    elif kind:
        what, hint = (
            f"files of .{kind} cannot be adopted",
            "only JSON can, a value a line: format.class JsonFormat",
        )
    else:
        what, hint = "this is not a file of the S3 sink", "name a folder that holds nothing else"
    raise UsageError(what, where=source.child(path), hint=hint)


def split_lines(data: bytes) -> list[bytes]:
    """The lines of a file, with or without an end of the last."""
    lines = data.split(b"\n")
    return lines if lines[-1] else lines[:-1]


def first_offset(path: str) -> int:
    """The offset in a file's name."""
    name = NAME.fullmatch(path)
    if name is None:
        raise ValueError(f"not a file of the sink: {path}")
    return int(name["first"])


def find_ranges(reader: ZoneReader, files: Iterable[SinkFile], position: int | None) -> FoundRanges:
    """What to take of a partition's files from a position on (None: from the first).

    Every file is read, to count its lines. Where files overlap, lines that say the same are taken once.
    """
    ordered = list(files)
    # The file before the position may have grown since it was taken.
    before = [file for file in ordered if position is not None and file.first < position][-1:]
    wanted = before + [file for file in ordered if position is None or file.first >= position]
    found = FoundRanges([], [], [])
    expected = position
    for file, count in zip(wanted, reader.count_lines(wanted), strict=True):
        if expected is not None and file.first > expected:
            found.missing.append(_describe_gap(expected, file.first))
        covered = max(0, min((expected or 0) - file.first, count))
        if covered and (other := _find_difference(reader, file, covered, found.ranges)) is not None:
            found.twice.append(f"offset {other}, again in {file.path}")
        if count > covered:
            found.ranges.append(
                FileRange(file.path, file.first + covered, count - covered, file.size, covered)
            )
            expected = file.first + count
    return found


def _find_difference(reader: ZoneReader, file: SinkFile, covered: int, ranges: list[FileRange]) -> int | None:
    """The first offset that a file tells otherwise than those before it."""
    lines = reader.lines(file.path)
    at = max(0, bisect_right([piece.offset for piece in ranges], file.first) - 1)
    for piece in ranges[at:]:
        theirs = reader.lines(piece.path)[piece.skip :]
        for offset in range(max(piece.offset, file.first), min(piece.end, file.first + covered)):
            if theirs[offset - piece.offset] != lines[offset - file.first]:
                return offset
    return None


def _describe_gap(start: int, end: int) -> str:
    return f"offset {start}" if end == start + 1 else f"offsets {start} to {end - 1}"
