"""Are the stored bytes still what was written? Reads everything once, in bounded pieces, against its checksums."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinflow.errors import CorruptError, GapError, PinflowError

if TYPE_CHECKING:
    from pinflow.jobs.parts import Parts

__all__ = ["damage"]

RECORDS_A_READ, BYTES_A_READ = 50_000, 32 << 20


def damage(parts: Parts) -> list[str]:
    """What is damaged or missing in the log and in the landing zone, in words, each with its place.

    A log that others run answers for its own bytes and is not read.

    Raises:
        UnavailableError: The log or the lake cannot be reached.
    """
    found: list[str] = []
    for topic in _topics(parts, found):
        if not parts.log.abilities.remote:
            found += _damaged_log(parts, topic)
        found += _damaged_objects(parts, topic)
    return found


def _topics(parts: Parts, found: list[str]) -> list[str]:
    try:
        return parts.log.topics.readable()
    except CorruptError as error:
        found.append(_told(error))
        return []


def _damaged_log(parts: Parts, topic: str) -> list[str]:
    found = []
    try:
        extents = parts.log.extents(topic)
    except CorruptError as error:
        return [_told(error)]
    for extent in extents:
        try:
            _read_through(parts, topic, extent.partition, extent.begin)
        except (CorruptError, GapError) as error:
            found.append(_told(error))
    return found


def _read_through(parts: Parts, topic: str, partition: int, position: str) -> None:
    while True:
        end = _end(parts, topic, partition)  # before the read: the log may grow meanwhile
        chunk = parts.log.read(topic, partition, position, max_records=RECORDS_A_READ, max_bytes=BYTES_A_READ)
        if len(chunk):
            position = chunk.end
        elif position != end:
            raise GapError(
                f"the log has nothing from {position} to {end}", where=f"{topic} partition {partition}"
            )
        else:
            return


def _end(parts: Parts, topic: str, partition: int) -> str:
    return next(extent.end for extent in parts.log.extents(topic) if extent.partition == partition)


def _damaged_objects(parts: Parts, topic: str) -> list[str]:
    found = []
    for landed in parts.landing.landed(topic):
        try:
            records = len(parts.landing.read(landed))
        except (CorruptError, GapError) as error:
            found.append(_told(error))
            continue
        if records != landed.records:
            found.append(f"{landed.path}: it holds {records} records, the manifest says {landed.records}")
    return found


def _told(error: PinflowError) -> str:
    return f"{error.where}: {error.what}"
