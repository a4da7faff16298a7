"""A landing zone that the Kafka Connect S3 sink wrote, and which of its records can be adopted.

`<topic>+<partition>+<first offset>.json` holds one JSON value on each line, often only one. There is no manifest: the
number of records is the number of lines, and the names of the files show their offsets.
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
"""There may be tens of thousands of one-record files, and reading one is mostly waiting."""

BYTES_AT_ONCE = 64 << 20
"""Fewer large files are read at once, but at least one."""

CACHE_BYTES = 64 << 20
"""How much is kept from counting for copying: enough for a whole zone of one-record files."""


class SinkFile(NamedTuple):
    """A file of the zone: its path, its first offset by its name, and its size in bytes."""

    path: str
    first: int
    size: int


class FileRange(msgspec.Struct, frozen=True):
    """The lines of a file to adopt: `lines` lines after the first `skip`, beginning with this offset."""

    path: str
    offset: int
    lines: int
    size: int
    skip: int = 0

    @property
    def end(self) -> int:
        """The offset after the last line."""
        return self.offset + self.lines


class FoundRanges(NamedTuple):
    """The ranges to adopt in order, and descriptions of offsets that are missing or occur twice with other content."""

    ranges: list[FileRange]
    missing: list[str]
    twice: list[str]


Zone = dict[str, dict[int, list[SinkFile]]]
"""Topic → partition → files in the order of their first offsets."""


class ZoneReader:
    """Reads files of the zone, and caches them for a second reading, up to a limit."""

    def __init__(self, source: Store) -> None:
        self._source = source
        self._at_once = READS_AT_ONCE
        self._cache: dict[str, tuple[bytes, datetime]] = {}
        self._cache_left = CACHE_BYTES

    def expect(self, zone: Zone) -> None:
        """Set how many files are read at once, so that the largest fit into memory. Call it before reading."""
        sizes = (file.size for partitions in zone.values() for files in partitions.values() for file in files)
        largest = max(sizes, default=0)
        self._at_once = min(READS_AT_ONCE, max(1, BYTES_AT_ONCE // max(1, largest)))

    def lines(self, path: str) -> list[bytes]:
        """The lines of a file; empty if the file is missing."""
        found = self._read(path)
        return split_lines(found[0]) if found is not None else []

    def take(self, paths: Sequence[str]) -> Iterator[tuple[bytes, datetime] | None]:
        """Read files for the last time, in order, with the time of their last write; None for a missing file."""
        for path, found in zip(paths, prefetch(self._source, self._read, paths, self._at_once), strict=True):
            self._cache.pop(path, None)
            yield found

    def count_lines(self, files: Iterable[SinkFile]) -> Iterator[int]:
        """Count the lines of each file, in order."""
        return prefetch(self._source, lambda file: len(self.lines(file.path)), files, self._at_once)

    def _read(self, path: str) -> tuple[bytes, datetime] | None:
        found = self._cache.get(path) or self._source.get_dated(path)
        if found is not None and len(found[0]) + len(path) <= self._cache_left:
            self._cache_left -= len(found[0]) + len(path)
            self._cache[path] = found
        return found


def find_files(source: Store, folder: str, known: Container[str]) -> Zone:
    """Find the files below a folder, except the `known` ones.

    Raises:
        UsageError: The folder has files other than the sink's JSON files.
        AbsentError: The folder has no files.
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
            "only files with a JSON value on each line can be adopted: format.class JsonFormat",
        )
    else:
        what, hint = "this is not a file of the S3 sink", "name a folder that holds nothing else"
    raise UsageError(what, where=source.child(path), hint=hint)


def split_lines(data: bytes) -> list[bytes]:
    """Split a file into lines; the last line may lack its line break."""
    lines = data.split(b"\n")
    return lines if lines[-1] else lines[:-1]


def first_offset(path: str) -> int:
    """The first offset of a file, by its name."""
    name = NAME.fullmatch(path)
    if name is None:
        raise ValueError(f"not a file of the sink: {path}")
    return int(name["first"])


def find_ranges(reader: ZoneReader, files: Iterable[SinkFile], position: int | None) -> FoundRanges:
    """Find what to adopt of a partition's files from a position on (None: from the first).

    Every file is read to count its lines. If files overlap, equal lines are adopted once.
    """
    ordered = list(files)
    # The file before the position may have grown since it was adopted.
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
    """The first offset at which a file differs from the files before it; None if it does not."""
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
