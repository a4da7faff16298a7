"""A landing zone as the Kafka Connect S3 sink writes it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pinflow.lake import Store

__all__ = ["sink_path", "write_zone"]


def sink_path(topic: str, partition: int, first: int, folder: str = "topics") -> str:
    """Where the sink puts the file that begins with an offset."""
    return f"{folder}/{topic}/partition={partition}/{topic}+{partition}+{first:010d}.json"


def write_zone(
    store: Store,
    topic: str,
    partition: int,
    values: Iterable[bytes],
    *,
    first: int = 0,
    flush: int = 1,
    folder: str = "topics",
) -> None:
    """Write values as consecutive records of a partition, so many a file (`flush.size`)."""
    records = list(values)
    files = [
        (
            sink_path(topic, partition, first + at, folder),
            b"".join(value + b"\n" for value in records[at : at + flush]),
        )
        for at in range(0, len(records), flush)
    ]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda file: store.put(*file), files))
