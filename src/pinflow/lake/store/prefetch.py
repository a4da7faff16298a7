"""Reading several objects at once: in a bucket most of a read is waiting."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pinflow.lake.store.objects import Store

__all__ = ["prefetch"]

T = TypeVar("T")
R = TypeVar("R")

AT_ONCE = 8
"""Reads under way: with 30 ms a read some 250 objects a second, and no more than 8 objects held in memory."""


def prefetch(store: Store, read: Callable[[T], R], items: Iterable[T], at_once: int = AT_ONCE) -> Iterator[R]:
    """What each item reads as, in order; on a disk one by one."""
    if not store.is_remote:
        yield from map(read, items)
        return
    with ThreadPoolExecutor(at_once, thread_name_prefix="prefetch") as pool:
        under_way: deque[Future[R]] = deque()
        try:
            for item in items:
                under_way.append(pool.submit(read, item))
                if len(under_way) >= at_once:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()
