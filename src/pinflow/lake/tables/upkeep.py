"""Upkeep of one Delta table, beside those who write and read it.

Everything here is safe to repeat, and at any kill: each call is one commit, or takes away only what no snapshot young
enough to be read still names. Transactions (job, step) stand in the table's state and go through all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import CommitFailedError

from pinflow.errors import CorruptError
from pinflow.lake.tables.commits import HOOKS
from pinflow.lake.tables.delta_rs import DeltaRsTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pinflow.lake.store.objects import Store
    from pinflow.lake.tables.protocol import Table

__all__ = ["as_delta_rs", "checkpoint", "clean_log", "compact", "vacuum"]

T = TypeVar("T")

SMALL_BYTES = 32 << 20
"""A file below this is small; larger ones gain little from being joined."""

MANY = 8
"""Small files that make compacting worth its rewrite: fewer are read as fast."""

TARGET_BYTES = 128 << 20
SPILL_BYTES = 512 << 20
"""Memory that rewriting may take before it spills to disk."""

ATTEMPTS = 10
"""Tries against others that commit what conflicts (another compaction, a removal); the next run takes it up again."""

REBASES = 15
"""Appends of others that one try lets pass."""


def as_delta_rs(store: Store, table: Table) -> DeltaRsTable:
    """A table as it is kept small: by delta-rs, whichever engine has written it."""
    if isinstance(table, DeltaRsTable):
        return table
    return DeltaRsTable(store, table.name, table.columns, table.folder, mend=table.mend)


def compact(table: DeltaRsTable, *, dry_run: bool = False) -> int:
    """Join many small files into few; rows stay what they are. Returns how many files were joined.

    Raises:
        UnavailableError: Others committed what conflicts all the time, or the table cannot be written.
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
    """Write the table's state as a checkpoint, so that opening it reads one file and not every commit."""
    _retry_conflicts(table, "checkpointed", lambda delta: delta.create_checkpoint())


def clean_log(store: Store, table: DeltaRsTable, jobs: Iterable[str]) -> int:
    """Remove commits that a checkpoint covers and that are past the table's log retention; returns how many.

    Only after `checkpoint`. The table is opened afresh and compared, since it could not be read any more, were the
    checkpoint not good (delta-rs#3692).

    Raises:
        CorruptError: The table is not what it was before.
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
    """Delete files that the table gave up longer ago than the retention, and return how many.

    Never in full mode, which would also take files that a writer has written and not yet committed.
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
                return attempt(table.open_fresh())
            except CommitFailedError:
                if number == ATTEMPTS:
                    raise
    raise AssertionError("unreachable")


def _objects(store: Store, folder: str) -> set[str]:
    return {path.rpartition("/")[2] for path in store.list(folder)}
