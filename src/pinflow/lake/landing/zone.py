"""The landing zone: records as they came, in objects that are named and written as the Kafka Connect S3 sink does.

An object holds consecutive records of one partition, one JSON value on each line:
`topics/<topic>/partition=<p>/<topic>+<p>+<first offset, 10 digits>.json`. An object of the same name with `.meta`
after it has what lines cannot hold: times of acceptance, gaps in the offsets, keys, headers, and which lines are not
the record itself. JSON of several lines is written on one line with unchanged tokens, as the connector writes it;
`.meta` keeps its exact bytes. A record that is neither one line nor JSON (it has a line break, or is not UTF-8) is
written as a JSON string of its Base64, and a tombstone as `null`.

The table `landing` is the manifest. Readers find objects in it, never by a listing: an object that is not in the
manifest has not landed.
"""

from __future__ import annotations

import base64
from itertools import accumulate, groupby
from typing import TYPE_CHECKING
from zlib import crc32

import msgspec

from pinflow.errors import CorruptError, GapError, TerminalError
from pinflow.failpoints import hit
from pinflow.lake.landing.layout import ADOPTED, FROM_LOG, meta_path, object_path, path_limits
from pinflow.lake.store.prefetch import prefetch
from pinflow.lake.tables.delta_rs import DeltaRsTable
from pinflow.lake.tables.protocol import Column
from pinflow.log import Chunk, Headers, Records

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pinflow.lake.store.objects import Store
    from pinflow.lake.tables.protocol import Snapshot

__all__ = [
    "ADOPTED",
    "FROM_LOG",
    "Landed",
    "Landing",
    "TopicManifest",
    "decode",
    "encode",
    "read_manifest",
]

MANIFEST = "landing"

COLUMNS = (
    Column("path", "string"),
    Column("topic", "string"),
    Column("partition", "int"),
    Column("first", "string"),
    Column("next", "string"),
    Column("records", "bigint"),
    Column("bytes", "bigint"),
    Column("crc", "bigint"),
    Column("landed_at", "timestamp"),
)


class Landed(msgspec.Struct, frozen=True):
    """A row of the manifest: an object with the positions from `first` up to, not including, `next`.

    `bytes` and `crc` (CRC-32) are of the lines followed by the `.meta` object.
    """

    path: str
    topic: str
    partition: int
    first: str
    next: str
    records: int
    bytes: int
    crc: int


class _Meta(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the lines cannot hold. Runs are `[value, count]`; lines are counted from 0.

    `accepted_us` are runs of times of acceptance, each as microseconds since the run before, the first since 1970 UTC.
    Version 0.1 wrote `accepted_at` instead, times in milliseconds. `exact` has the bytes of records whose line is the
    same JSON in another form.
    """

    offsets: list[tuple[int, int]]
    accepted_us: list[tuple[int, int]] = []
    accepted_at: list[tuple[int, int]] = []
    base64: list[int] = []
    exact: dict[int, bytes] = {}
    null: list[int] = []
    keys: list[bytes | None] | None = None
    headers: list[Headers] | None = None


class Landing:
    """The landing zone of a lake, in its `store`."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._limits = path_limits(store.url)
        self.manifest = DeltaRsTable(store, MANIFEST, COLUMNS)

    def write_all(self, chunks: Iterable[Chunk], folder: str = FROM_LOG) -> list[Landed]:
        """Write the objects of chunks; see `write`."""
        return list(prefetch(self.store, lambda chunk: self.write(chunk, folder), chunks))

    def write(self, chunk: Chunk, folder: str = FROM_LOG) -> Landed:
        """Write a chunk's object, and overwrite the same object. The object lands with its manifest row.

        Raises:
            TerminalError: The lake cannot hold an object of this name.
        """
        path = object_path(folder, chunk.topic, chunk.partition, chunk.offsets[0])
        self.require_path_fits(path)
        lines, meta = encode(chunk)
        self.store.put(meta_path(path), meta)
        hit("land", "meta-written")
        self.store.put(path, lines)
        hit("land", "object-written")
        return Landed(
            path=path,
            topic=chunk.topic,
            partition=chunk.partition,
            first=chunk.start,
            next=chunk.end,
            records=len(chunk),
            bytes=len(lines) + len(meta),
            crc=crc32(meta, crc32(lines)),
        )

    def require_path_fits(self, path: str) -> None:
        """Check that the lake can hold an object and its `.meta`.

        Raises:
            TerminalError: Their names are too long.
        """
        if not self._limits.fits(meta_path(path)):
            raise TerminalError(
                "the name of the topic is too long for the lake: its objects cannot be written",
                where=self.store.child(path),
                hint="post to a topic with a shorter name; the other topics land",
            )

    def read(self, landed: Landed) -> Chunk:
        """Read an object of the manifest back.

        Raises:
            GapError: The object is missing.
            CorruptError: It is not what was written.
        """
        lines, meta = self.store.get(landed.path), self.store.get(meta_path(landed.path))
        if lines is None or meta is None:
            missing = landed.path if lines is None else meta_path(landed.path)
            raise GapError(
                "a landed object is gone",
                where=self.store.child(missing),
                hint="restore it from a copy; pinflow audit --deep lists all missing objects",
            )
        if crc32(meta, crc32(lines)) != landed.crc:
            raise CorruptError(
                "a landed object is not what was written: its checksum differs",
                where=self.store.child(landed.path),
                hint="restore it from a copy; pinflow audit --deep lists all changed objects",
            )
        return decode(landed, lines, meta)

    def read_all(self, found: Iterable[Landed]) -> Iterator[Chunk]:
        """Read objects back in order; see `read`."""
        return prefetch(self.store, self.read, found)

    def holds(self, topic: str) -> bool:
        """Whether the folder has objects of a topic, whichever program wrote them."""
        return self.store.holds_any(f"topics/{topic}")

    def objects(self, topic: str) -> list[Landed]:
        """The landed objects of a topic, by partition and in the order of positions."""
        return read_manifest(self.manifest, topic)

    def follow(self, topic: str) -> TopicManifest:
        """The manifest of a topic, for repeated reading: each call reads only rows that are new."""
        return TopicManifest(self.manifest, topic)


def read_manifest(manifest: DeltaRsTable | Snapshot, topic: str) -> list[Landed]:
    """The objects of a topic in the manifest or a snapshot of it, by partition and in the order of positions."""
    found: dict[int, list[Landed]] = {}
    for row in manifest.select(_since_sql(topic, 0)):
        landed = msgspec.convert(row, Landed)
        found.setdefault(landed.partition, []).append(landed)
    return [landed for _, each in sorted(found.items()) for landed in _chain_objects(each)]


class TopicManifest:
    """The manifest of one topic. It reads new rows by `landed_at`, which rises with each step (`Plan.made_at`)."""

    def __init__(self, manifest: DeltaRsTable, topic: str) -> None:
        self._manifest = manifest
        self._topic = topic
        self._commits = -1
        self._newest = 0
        self._found: dict[int, list[Landed]] = {}

    def objects(self) -> list[Landed]:
        """All landed objects, by partition and in the order of positions."""
        commits = self._manifest.version()
        if commits != self._commits:
            for row in self._manifest.select(_since_sql(self._topic, self._newest)):
                self._newest = max(self._newest, row.pop("landed_us"))
                landed = msgspec.convert(row, Landed)
                self._found.setdefault(landed.partition, []).append(landed)
            self._found = {
                partition: _chain_objects(found) for partition, found in sorted(self._found.items())
            }
            self._commits = commits
        return [landed for found in self._found.values() for landed in found]


_SINCE = """
SELECT path, topic, partition, first, next, records, bytes, crc, CAST(landed_at AS BIGINT) AS landed_us FROM this
WHERE topic = '{topic}' AND landed_at > arrow_cast({newest}, 'Timestamp(Microsecond, Some("UTC"))')
"""
"""The library skips whole files by their bounds on both columns."""


def _since_sql(topic: str, newest: int) -> str:
    """A query for the objects of a topic that landed later than `newest`, microseconds since 1970 UTC."""
    return _SINCE.format(topic=topic.replace("'", "''"), newest=newest)


def encode(chunk: Chunk) -> tuple[bytes, bytes]:
    """Encode a chunk as the bytes of its lines and of its `.meta` object."""
    values = chunk.records.values
    escaped: list[int] = []
    exact: dict[int, bytes] = {}
    nulls = [index for index, value in enumerate(values) if value is None] if None in values else []
    written = [value if value is not None else b"null" for value in values]
    lines = b"\n".join(written)
    if not _are_lines(lines, len(values)):
        for index, value in enumerate(written):
            if _are_lines(value, 1):
                continue
            joined = _join_lines(value)
            if joined is not None:
                written[index], exact[index] = joined, value
            else:
                written[index] = b'"' + base64.b64encode(value) + b'"'
                escaped.append(index)
        lines = b"\n".join(written)
    meta = _Meta(
        accepted_us=_to_increases(_runs(chunk.timestamps)),
        offsets=_runs([offset - index for index, offset in enumerate(chunk.offsets)]),
        base64=escaped,
        exact=exact,
        null=nulls,
        keys=chunk.records.keys,
        headers=chunk.records.headers,
    )
    return lines + b"\n", msgspec.json.encode(meta)


def decode(landed: Landed, lines: bytes, meta: bytes) -> Chunk:
    """Decode the chunk that `encode` encoded."""
    held = msgspec.json.decode(meta, type=_Meta)
    values: list[bytes | None] = list(lines[:-1].split(b"\n"))
    for index in held.base64:
        values[index] = base64.b64decode(msgspec.json.decode(values[index] or b"", type=str))
    for index, value in held.exact.items():
        values[index] = value
    for index in held.null:
        values[index] = None
    return Chunk(
        topic=landed.topic,
        partition=landed.partition,
        start=landed.first,
        end=landed.next,
        offsets=[shift + index for index, shift in enumerate(_expand(held.offsets))],
        timestamps=_decode_times(held),
        records=Records(values, held.keys, held.headers),
    )


def _are_lines(data: bytes, lines: int) -> bool:
    """Whether bytes are UTF-8 with this many lines, without a carriage return, which a reader may take for a break."""
    if data.count(b"\n") != lines - 1 or b"\r" in data:
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _join_lines(value: bytes) -> bytes | None:
    """Write JSON on one line, every number and string unchanged; None if it is not JSON in UTF-8."""
    try:
        value.decode()
        return msgspec.json.format(value, indent=-1)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return None


def _decode_times(held: _Meta) -> list[int]:
    if held.accepted_us:
        totals = accumulate(increase for increase, _ in held.accepted_us)
        counts = (count for _, count in held.accepted_us)
        return _expand(list(zip(totals, counts, strict=True)))
    return _expand([(milliseconds * 1000, count) for milliseconds, count in held.accepted_at])


def _to_increases(runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    before = [0, *(value for value, _ in runs)]
    return [(value - last, count) for last, (value, count) in zip(before, runs, strict=False)]


def _runs(numbers: list[int]) -> list[tuple[int, int]]:
    return [(number, sum(1 for _ in run)) for number, run in groupby(numbers)]


def _expand(runs: list[tuple[int, int]]) -> list[int]:
    return [number for number, count in runs for _ in range(count)]


def _chain_objects(found: list[Landed]) -> list[Landed]:
    """Order objects of one partition so that each begins where the one before it ends."""
    by_first = {each.first: each for each in found}
    ends = {each.next for each in found}
    ordered: list[Landed] = []
    for head in sorted(set(by_first) - ends):
        position = head
        while position in by_first:
            ordered.append(by_first[position])
            position = by_first[position].next
    return ordered
