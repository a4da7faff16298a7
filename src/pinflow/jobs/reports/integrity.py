"""Are the stored bytes still those that were written? Reads everything once, in pieces, and compares checksums."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinflow.errors import CorruptError, GapError, PinflowError
from pinflow.jobs.topics import landed_only_topics, list_topics
from pinflow.lake.store.prefetch import prefetch

if TYPE_CHECKING:
    from pinflow.jobs.runtime import Runtime
    from pinflow.lake import Landed

__all__ = ["find_damage"]

RECORDS_A_READ, BYTES_A_READ = 50_000, 32 << 20


def find_damage(runtime: Runtime, *, objects: bool = True) -> list[str]:
    """Describe what is damaged or missing in the log and in the landing zone, and where.

    A managed log checks its own bytes and is not read. Landed objects are read only with `objects`.

    Raises:
        UnavailableError: The log or the lake cannot be reached.
    """
    found: list[str] = []
    topics = _list_topics(runtime, found)
    without_log = landed_only_topics(runtime) if topics else set()
    for topic in topics:
        if not runtime.log.capabilities.managed and topic not in without_log:
            found += _check_log(runtime, topic)
        if objects:
            found += _check_objects(runtime, topic)
    return found


def _list_topics(runtime: Runtime, found: list[str]) -> list[str]:
    try:
        return list_topics(runtime)
    except CorruptError as error:
        found.append(_describe(error))
        return []


def _check_log(runtime: Runtime, topic: str) -> list[str]:
    found = []
    try:
        ranges = runtime.log.ranges(topic)
    except CorruptError as error:
        return [_describe(error)]
    for held in ranges:
        try:
            _read_through(runtime, topic, held.partition, held.begin)
        except (CorruptError, GapError) as error:
            found.append(_describe(error))
    return found


def _read_through(runtime: Runtime, topic: str, partition: int, position: str) -> None:
    while True:
        end = _read_end(runtime, topic, partition)  # before the read: the log may grow meanwhile
        chunk = runtime.log.read(
            topic, partition, position, max_records=RECORDS_A_READ, max_bytes=BYTES_A_READ
        )
        if len(chunk):
            position = chunk.end
        elif position != end:
            raise GapError(
                f"the log has nothing from {position} to {end}", where=f"{topic} partition {partition}"
            )
        else:
            return


def _read_end(runtime: Runtime, topic: str, partition: int) -> str:
    return next(held.end for held in runtime.log.ranges(topic) if held.partition == partition)


def _check_objects(runtime: Runtime, topic: str) -> list[str]:
    def check(landed: Landed) -> str | None:
        try:
            records = len(runtime.landing.read(landed))
        except (CorruptError, GapError) as error:
            return _describe(error)
        if records != landed.records:
            return f"{landed.path}: it holds {records} records, but the manifest says {landed.records}"
        return None

    return [
        each for each in prefetch(runtime.store, check, runtime.landing.objects(topic)) if each is not None
    ]


def _describe(error: PinflowError) -> str:
    return f"{error.where}: {error.what}"
