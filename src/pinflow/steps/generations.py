"""Generations: the folders that a table and its quarantine have now.

A table is opened by its name. Generation 0 is in `tables/<name>`. A replay builds a later one beside it, and puts
`generations/<table>/<number>.json`, which names the folders of the table and of its quarantine. The highest number is
current, so that one put swaps both at once. The object is put if absent, and never deleted: a late replay cannot bring
an old generation back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pinflow.steps.plan import Tally

if TYPE_CHECKING:
    from pinflow.lake.store.objects import Store

__all__ = ["Generation", "all_generations", "current_generation", "put_generation"]


class Generation(msgspec.Struct, frozen=True):
    """Folders below `tables/`, and when they became current (milliseconds since 1970 UTC; 0 from the beginning).

    `step` is the step of the table's job that put it, and `totals` are the sums over all steps up to that one: one put
    decides both.
    """

    number: int
    table: str
    quarantine: str
    swapped_at: int = 0
    step: int = 0
    totals: dict[int, Tally] = {}


def current_generation(store: Store, table: str, quarantine: str) -> Generation:
    """The current generation of a table and its quarantine; takes one listing of a small folder."""
    return all_generations(store, table, quarantine)[-1]


def all_generations(store: Store, table: str, quarantine: str) -> list[Generation]:
    """All generations, oldest first; the last is current."""
    found = [Generation(0, table, quarantine)]
    for path in sorted(store.list(f"generations/{table}")):
        data = store.get(path)
        if data is not None:
            found.append(msgspec.json.decode(data, type=Generation))
    return found


def put_generation(store: Store, table: str, generation: Generation) -> bool:
    """Make a generation current and return True; if its number exists already, change nothing and return False."""
    path = f"generations/{table}/{generation.number:010d}.json"
    return store.put_if_absent(path, msgspec.json.encode(generation))
