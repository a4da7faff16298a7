"""Upkeep of one Delta table while others write and read it.

Every function is safe to repeat, and to kill at any point: each makes one commit, or deletes only files that no recent
snapshot names. The transactions (job, step) are part of the table's state and survive all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import CommitFailedError

from pinflow.errors import CorruptError
from pinflow.lake.tables.delta_rs import DeltaRsTable
from pinflow.lake.tables.delta_rs_commits import HOOKS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pinflow.lake.store.objects import Store
    from pinflow.lake.tables.protocol import Table

__all__ = ["as_delta_rs", "checkpoint", "clean_log", "compact", "vacuum"]

T = TypeVar("T")

SMALL_BYTES = 32 << 20
"""A file below this is small; larger ones gain little from being joined."""

MANY = 8
"""Small files that make compacting worth its rewrite; fewer can be read as fast."""

TARGET_BYTES = 128 << 20
SPILL_BYTES = 512 << 20
"""Memory that rewriting may take before it spills to disk."""

ATTEMPTS = 10
"""Tries against conflicting commits of others (another compaction, a removal); the next run tries again."""

REBASES = 15
"""How many appends of others one try lets pass."""


def as_delta_rs(store: Store, table: Table) -> DeltaRsTable:
    """The same table as a table of delta-rs, which keeps it small, whichever engine writes it."""
    if isinstance(table, DeltaRsTable):
        return table
    return DeltaRsTable(store, table.name, table.columns, table.folder, mend=table.mend)


def compact(table: DeltaRsTable, *, dry_run: bool = False) -> int:
    """Join many small files into a few, without a change of rows, and return how many were joined.

    Raises:
        UnavailableError: Commits of others conflicted every time, or the table cannot be written.
    """

    def attempt(delta: DeltaTable) -> int:
        sizes = delta.get_add_actions(flatten=True).column("size_bytes").to_pylist()
        small = sum(size < SMALL_BYTES for size in sizes)
        if small < MANY or dry_run:
            return small if small >= MANY else 0
        done = delta.optimize.compact(
            target_size=TARGET_BYTES,
            max_concurrent_tasks=1,
            max_spill_size=SPILL_BYTES,
            commit_properties=CommitProperties(max_commit_retries=REBASES),
            post_commithook_properties=HOOKS,
        )
        return int(done["numFilesRemoved"])

    return _retry_conflicts(table, "compacted", attempt)


def checkpoint(table: DeltaRsTable) -> None:
    """Write the table's state as a checkpoint, so that opening the table reads one file instead of every commit."""
    _retry_conflicts(table, "checkpointed", lambda delta: delta.create_checkpoint())


def clean_log(store: Store, table: DeltaRsTable, jobs: Iterable[str]) -> int:
    """Remove commits that a checkpoint covers and that are past the table's log retention, and return how many.

    Call `checkpoint` first. The table is opened afresh and compared, since a bad checkpoint would make it unreadable
    (delta-rs#3692).

    Raises:
        CorruptError: The table has changed.
    """
    before = table.open_fresh()
    names = sorted(jobs)
    steps = {job: before.transaction_version(job) or 0 for job in names}
    folder = f"tables/{table.folder}/_delta_log"
    objects = _objects(store, folder)
    _retry_conflicts(table, "cleaned", lambda delta: delta.cleanup_metadata())
    after = table.open_fresh()
    lost = [job for job in names if (after.transaction_version(job) or 0) < steps[job]]
    if after.version() < before.version() or lost:
        raise CorruptError(
            f"the table was at version {before.version()} and is at {after.version()} after cleaning its log",
            where=table.url,
            hint="pinflow audit --deep",
        )
    return len(objects - _objects(store, folder))


def vacuum(store: Store, table: DeltaRsTable, retention_hours: int, *, dry_run: bool = False) -> int:
    """Delete files that the table stopped using longer ago than the retention, and return how many.

    Never in full mode, which would also delete files that a writer has not committed yet.
    """

    def attempt(delta: DeltaTable) -> int:
        given_up = delta.vacuum(retention_hours, dry_run=True, enforce_retention_duration=False, full=False)
        names = {path.rpartition("/")[2] for path in given_up}
        files = names & _objects(store, f"tables/{table.folder}") if names else names
        if files and not dry_run:
            delta.vacuum(
                retention_hours,
                dry_run=False,
                enforce_retention_duration=False,
                full=False,
                commit_properties=CommitProperties(max_commit_retries=REBASES),
                post_commithook_properties=HOOKS,
            )
        return len(files)

    return _retry_conflicts(table, "vacuumed", attempt)


def _retry_conflicts(table: DeltaRsTable, verb: str, attempt: Callable[[DeltaTable], T]) -> T:
    for number in range(1, ATTEMPTS + 1):
        with table.translate_errors(f"{verb} now", "pinflow maintain, later"):
            try:
                return attempt(table.refresh() if number == 1 else table.open_fresh())
            except CommitFailedError:
                if number == ATTEMPTS:
                    raise
    raise AssertionError("unreachable")


def _objects(store: Store, folder: str) -> set[str]:
    return {path.rpartition("/")[2] for path in store.list(folder)}
