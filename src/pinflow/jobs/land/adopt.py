"""land --adopt: a landing zone that a Kafka Connect S3 sink wrote becomes part of the lake.

The records of its many small files are copied into a few large objects below `adopted/` in the lake, with rows in the
manifest; the zone itself is only read. Offsets come from the names of the files, and positions are offsets as text, as
in the Kafka log: landing continues from them when the lake is given that log. The zone does not record when a record
was accepted; the time at which its file was last written is taken instead.

1. **Find** the files of every topic. The topic's positions show which of them are adopted already.
2. **Check**: read every new file and count its lines. Nothing is adopted unless the offsets of all files are
   consecutive.
3. **Adopt** each topic in steps of the job `land/<topic>`: plan, do, commit. A step's plan names the files.

If the command is killed, run it again: it continues. Run later, it adopts the files that were written since.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pinflow.errors import CorruptError, GapError, UsageError
from pinflow.jobs.land.land import land_positions, prepare_landing
from pinflow.jobs.readers.acceptance import Acceptance
from pinflow.lake import open_store
from pinflow.lake.landing.connect_zone import (
    FileRange,
    ZoneReader,
    find_files,
    find_ranges,
    first_offset,
    split_lines,
)
from pinflow.lake.landing.layout import ADOPTED, object_path
from pinflow.lake.store.check import require_conditions
from pinflow.log import Chunk, Records, offset_of, position_at
from pinflow.steps.plan import Plan, slices_of
from pinflow.steps.slices import ForeignSlice, Slice
from pinflow.steps.steps import Job

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pinflow.config import Land
    from pinflow.jobs.runtime import Runtime
    from pinflow.lake import Landing, Store
    from pinflow.steps.plan import Tally
    from pinflow.steps.steps import Prepared

__all__ = ["AdoptJob", "adopt_jobs"]

FILES_A_STEP = 5_000
"""Files that one plan names: some 500 kB of JSON, and half a minute of reading from a bucket."""

FAULTS_SHOWN = 5
"""Faults of a zone that an error message lists; it counts the others."""


class _Origin(NamedTuple):
    """Where the zone is, and the command that adopts it."""

    source: Store
    reader: ZoneReader
    folder: str
    command: str


class AdoptJob(Job):
    """A `Job` that adopts the files of one topic. With `command` set, no other job takes up its steps."""

    kind = "adopt"

    def __init__(
        self, topic: str, origin: _Origin, landing: Landing, config: Land, ranges: dict[int, list[FileRange]]
    ) -> None:
        self.name = f"land/{topic}"
        self.table = landing.manifest
        self.command = origin.command
        self._topic = topic
        self._source = origin.source
        self._reader = origin.reader
        self._landing = landing
        self._config = config
        self._ranges = ranges

    @property
    def records(self) -> int:
        """How many records there are to adopt."""
        return sum(each.lines for ranges in self._ranges.values() for each in ranges)

    def fetch_next(self, positions: dict[int, str]) -> Sequence[Slice]:
        """See `Job`: for each partition as many files as fit into one object."""
        most = max(1, FILES_A_STEP // max(1, len(self._ranges)))
        slices = []
        for partition, ranges in sorted(self._ranges.items()):
            position = positions.get(partition)
            left = [each for each in ranges if position is None or each.offset >= offset_of(position)]
            taken = self._take_fitting(left[:most])
            if taken:
                self._landing.require_path_fits(object_path(ADOPTED, self._topic, partition, taken[0].offset))
                slices.append(
                    ForeignSlice(
                        partition,
                        start=position or position_at(taken[0].offset),
                        end=position_at(taken[-1].end),
                        records=sum(each.lines for each in taken),
                        files=[each.path for each in taken],
                        skip=taken[0].skip,
                    )
                )
        return slices

    def prepare(self, plan: Plan, before: Mapping[int, Tally]) -> Prepared:
        """See `Job`: write one object for each partition; the commit appends their manifest rows."""
        acceptance = Acceptance(before, plan.made_at)
        chunks = acceptance.correct_times(map(self._read_chunk, slices_of(plan, ForeignSlice)))
        return prepare_landing(plan, self.table, self._landing.write_all(chunks, ADOPTED), acceptance)

    def _take_fitting(self, ranges: list[FileRange]) -> list[FileRange]:
        taken: list[FileRange] = []
        records = nbytes = 0
        for each in ranges:
            full = (
                records + each.lines > self._config.flush_records
                or nbytes + each.size > self._config.flush_bytes
            )
            if taken and (full or each.skip):
                break
            taken.append(each)
            records += each.lines
            nbytes += each.size
        return taken

    def _read_chunk(self, piece: ForeignSlice) -> Chunk:
        values: list[bytes | None] = []
        offsets: list[int] = []
        timestamps: list[int] = []
        skip = piece.skip
        for path, found in zip(piece.files, self._reader.take(piece.files), strict=True):
            if found is None:
                raise GapError(
                    "a file to adopt is missing",
                    where=self._source.child(path),
                    hint="restore the file: a planned step needs it",
                )
            data, written_at = found
            lines = split_lines(data)[skip:]
            first = first_offset(path) + skip
            values += lines
            offsets += range(first, first + len(lines))
            timestamps += [int(written_at.timestamp() * 1_000_000)] * len(lines)
            skip = 0
        if (len(values), position_at(offsets[-1] + 1)) != (piece.records, piece.end):
            raise CorruptError(
                f"the files hold {len(values)} records, there were {piece.records} when the step was planned",
                where=self._source.child(piece.files[0]),
                hint="restore the files as they were, and stop the sink while its zone is adopted",
            )
        return Chunk(
            self._topic, piece.partition, piece.start, piece.end, offsets, timestamps, Records(values)
        )


def adopt_jobs(runtime: Runtime, prefix: str, *, accept_gaps: bool = False) -> list[AdoptJob]:
    """Check a zone, and make a job for every topic with new files; nothing is written yet.

    Args:
        runtime: The lake to adopt into.
        prefix: A folder below the lake (`topics/`), one of the disk (`/data/zone`, `./zone`), or a URL (`s3://…`).
        accept_gaps: Adopt what exists although offsets are missing, as where the sink ignored tombstones.

    Raises:
        UsageError: The zone holds files that are not JSON, or records of a topic came from this lake's own log.
        AbsentError: The zone has no files.
        GapError: Offsets are missing.
        CorruptError: An offset occurs twice with different content.
    """
    origin = _origin(runtime, prefix, accept_gaps=accept_gaps)
    if not runtime.landing.manifest.exists():
        require_conditions(runtime.store)
    rows = runtime.landing.manifest.select("SELECT path, topic FROM this")
    known = {row["path"] for row in rows} if origin.source is runtime.store else set()
    from_log = {row["topic"] for row in rows if not row["path"].startswith(f"{ADOPTED}/")}
    if not runtime.log.capabilities.managed:
        from_log |= set(runtime.log.topics.readable())
    jobs, missing, twice = [], [], []
    zone = find_files(origin.source, origin.folder, known)
    origin.reader.expect(zone)
    for topic, partitions in zone.items():
        _require_foreign(topic, from_log)
        positions = land_positions(runtime, topic, runtime.landing.manifest)
        fresh = {}
        for number, files in sorted(partitions.items()):
            position = positions.get(number)
            found = find_ranges(origin.reader, files, offset_of(position) if position is not None else None)
            fresh[number] = found.ranges
            missing += [f"{topic} partition {number}: {each}" for each in found.missing]
            twice += [f"{topic} partition {number}: {each}" for each in found.twice]
        jobs.append(AdoptJob(topic, origin, runtime.landing, runtime.config.land, fresh))
    where = origin.source.child(origin.folder)
    if twice:
        raise CorruptError(_list_faults("records occur twice with different content", twice), where=where)
    if missing and not accept_gaps:
        hint = "restore the files, or adopt the existing records with --accept-gaps"
        raise GapError(_list_faults("records are missing", missing), where=where, hint=hint)
    return jobs


def _origin(runtime: Runtime, prefix: str, *, accept_gaps: bool) -> _Origin:
    words = ["pinflow", "land", "--adopt", prefix, *(["--accept-gaps"] if accept_gaps else [])]
    command = shlex.join(words)
    if "://" in prefix or prefix.startswith(("/", "./", "../", "~")):
        source = open_store(prefix if "://" in prefix else str(Path(prefix).expanduser()), read_only=True)
        return _Origin(source, ZoneReader(source), "", command)
    folder = prefix.strip("/")
    if not folder:
        raise UsageError(
            "a folder below the lake is needed", where="--adopt", hint="pinflow land --adopt topics/"
        )
    return _Origin(runtime.store, ZoneReader(runtime.store), folder, command)


def _require_foreign(topic: str, from_log: set[str]) -> None:
    if topic in from_log:
        raise UsageError(
            f"topic {topic!r} has records from this lake's own log: its offsets would mean two things",
            where="--adopt",
            hint="adopt into a lake of its own: lake.url and, for the embedded log, log.url",
        )


def _list_faults(what: str, faults: list[str]) -> str:
    more = f"; and {len(faults) - FAULTS_SHOWN} more" if len(faults) > FAULTS_SHOWN else ""
    return f"{what}: {'; '.join(faults[:FAULTS_SHOWN])}{more}"
