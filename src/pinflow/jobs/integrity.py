"""Are the stored bytes still what was written? Reads everything once, in bounded pieces, against its checksums."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinflow.errors import CorruptError, GapError, PinflowError

if TYPE_CHECKING:
    from pinflow.jobs.parts import Parts
    from pinflow.log import Extent

__all__ = ["damage"]

RECORDS_A_READ, BYTES_A_READ = 50_000, 32 << 20


def damage(parts: Parts) -> list[str]:
    """What is damaged or missing in the log and in the landing zone, in words, each with its place.

    Raises:
        UnavailableError: The log or the lake cannot be reached.
    """
    found: list[str] = []
    for topic in _topics(parts, found):
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
            _read_through(parts, topic, extent)
        except (CorruptError, GapError) as error:
            found.append(_told(error))
    return found


def _read_through(parts: Parts, topic: str, extent: Extent) -> None:
    position = extent.begin
    while position != extent.end:
        chunk = parts.log.read(
            topic, extent.partition, position, max_records=RECORDS_A_READ, max_bytes=BYTES_A_READ
        )
        if not len(chunk):
            raise GapError(
                f"the log has nothing from {position} to {extent.end}",
                where=f"{topic} partition {extent.partition}",
            )
        position = chunk.end


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
