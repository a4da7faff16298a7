"""Delta tables written by delta-rs. They change in numbered steps; each commit carries the transaction (job, step).

Two habits keep the time of a commit constant over thousands of commits: expired logs are never cleaned inside a commit,
and the table is opened afresh at each checkpoint (a `DeltaTable` that stays open gets slower with every commit).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.schema import Field, Schema

from pinflow.lake.tables.delta_handle import DeltaHandle
from pinflow.lake.tables.delta_rs_commits import carries, commit_change
from pinflow.lake.tables.protocol import TAKE_BACK, Remove, Replace, Table, Tables
from pinflow.lake.tables.schema_changes import delta_type, explain_refusal, is_wider, write_obstacles
from pinflow.lake.tables.snapshot import DeltaRsSnapshot, select_from

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pinflow.lake.store.objects import Store
    from pinflow.lake.tables.protocol import Change, Column

__all__ = ["DeltaRsTable", "DeltaRsTables"]

CHECKPOINT_INTERVAL = 50
"""Commits between checkpoints: at 10 the checkpoints outgrow the data, at 250 a commit takes twice as long."""

REMOTE_INTERVAL = 20
"""The same in a bucket, where opening a table takes three requests for each commit since the checkpoint."""

LOG_RETENTION = "interval 1 days"

COMMIT_ATTEMPTS = 20
"""How often one commit may lose against commits of others before it gives up."""


class DeltaRsTables(Tables):
    """`Tables` of delta-rs."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def open(
        self, name: str, columns: Sequence[Column], folder: str = "", *, mend: str = TAKE_BACK
    ) -> DeltaRsTable:
        """See `Tables.open`."""
        return DeltaRsTable(self.store, name, columns, folder, mend=mend)


class DeltaRsTable(DeltaHandle, Table):
    """`Table` of delta-rs. It takes rows by the Arrow C stream interface."""

    def __init__(
        self, store: Store, name: str, columns: Sequence[Column], folder: str = "", *, mend: str = TAKE_BACK
    ) -> None:
        super().__init__(store, name, columns, folder or name, mend)
        self._steps: dict[str, int] = {}
        self._interval = REMOTE_INTERVAL if store.is_remote else CHECKPOINT_INTERVAL

    def exists(self) -> bool:
        """See `Table.exists`."""
        return self._store.holds_any(f"tables/{self.folder}/_delta_log")

    def step_of(self, job: str) -> int:
        """See `Table.step_of`."""
        return self._step(self._reopen(), job)

    def commit(self, job: str, step: int, change: Change) -> bool:
        """See `Table.commit`.

        A removal rewrites whole files while others append: by the bounds on partition and offset the library sees that
        the removal does not touch the appended files. If it cannot see that, since one partition is far behind
        another, the commit fails and is tried again on the newer version; no row is lost.
        """
        delta = self._reopen() if isinstance(change, Replace) else self._open_current()
        writer_id = uuid4().hex
        for _ in range(COMMIT_ATTEMPTS):
            if not isinstance(change, Replace) and self._step(delta, job) >= step:
                return False
            self._require_unchanged(write_obstacles(delta, self.columns), "written")
            try:
                commit_change(delta, change, job, step, writer_id, wider=is_wider(delta, self.columns))
            except CommitFailedError as error:
                if explain_refusal(delta, error) is not None:
                    raise self._library_error("written", error) from error
                delta = self._reopen()  # others have committed: open it again
                if self._carries(delta, writer_id):
                    return True  # this call committed it, and the answer was lost
                continue
            except (DeltaError, OSError) as error:
                if self._carries(self._reopen(), writer_id):
                    return True
                raise self._library_error("written", error) from error
            self._after_commit(delta, job, step, change)
            return True
        raise self._library_error(
            "written", f"other writers committed first {COMMIT_ATTEMPTS} times in a row"
        )

    def _after_commit(self, delta: DeltaTable, job: str, step: int, change: Change) -> None:
        if not isinstance(change, Replace):
            self._steps[job] = step
        if isinstance(change, Remove | Replace) or delta.version() % self._interval == 0:
            self._delta = (
                None  # others may have committed beside it; and one that is kept on and on grows slower
            )

    def snapshot(self, job: str = "", at_most: int | None = None) -> DeltaRsSnapshot:
        """See `Table.snapshot`."""
        delta = None
        if self.exists():
            delta = self._reopen()
            while at_most is not None and self._step(delta, job) > at_most:
                with self.translate_errors("opened"):
                    delta = self._open(delta.version() - 1)
            self._delta = None  # so that later commits do not move the snapshot
        return DeltaRsSnapshot(
            self._store, self.name, self.columns, self.folder, self.mend, delta, self._opened_with
        )

    def version(self) -> int:
        """See `Table.version`."""
        return int(self.refresh().version()) if self._delta is not None or self.exists() else 0

    def require_writable(self) -> None:
        """See `Table.require_writable`."""
        self._require_unchanged(write_obstacles(self._open_current(), self.columns), "written")

    def select(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a query that calls the table `this`; no rows if the table does not exist."""
        if not self.exists():
            return []
        with self.translate_errors("read"):
            return select_from(self.refresh(), sql)

    def refresh(self) -> DeltaTable:
        """The library's own table as it is now. An open one reads the commits since then, which costs less.

        That another program has deleted the table and made it anew is not noticed; `step_of` and `snapshot` do notice.
        """
        delta = self._delta
        if delta is None or self._has_old_credentials():
            return self._reopen()
        before = delta.version()
        with self.translate_errors("read"):
            delta.update_incremental()
        if delta.version() != before:
            self._steps.clear()
        if delta.version() // self._interval != before // self._interval:
            self._delta = None
        return delta

    def open_fresh(self) -> DeltaTable:
        """The library's own table, opened afresh, for `lake.tables.upkeep`."""
        delta, self._delta = self._reopen(), None
        return delta

    def _open_current(self) -> DeltaTable:
        """The open table; opened afresh if its credentials have changed."""
        if self._delta is None or self._has_old_credentials():
            return self._reopen()
        return self._delta

    def _reopen(self) -> DeltaTable:
        with self.translate_errors("opened"):
            try:
                self._delta = self._open()
            except TableNotFoundError:
                self._delta = self._create()
        self._steps.clear()
        return self._delta

    def _step(self, delta: DeltaTable, job: str) -> int:
        """The last step of a job. The library reads the log for each call, so the step is cached."""
        if delta is self._delta and job in self._steps:
            return self._steps[job]
        with self.translate_errors("read"):
            step = delta.transaction_version(job) or 0
        if delta is self._delta:
            self._steps[job] = step
        return step

    def _carries(self, delta: DeltaTable, writer_id: str) -> bool:
        """Whether this writer made one of the last commits."""
        with self.translate_errors("read"):
            return carries(delta, writer_id)

    def _create(self) -> DeltaTable:
        fields = [Field(column.name, delta_type(column.type)) for column in self.columns]
        try:
            return DeltaTable.create(
                self.url,
                Schema(fields),
                mode="error",
                configuration={
                    "delta.checkpointInterval": str(self._interval),
                    "delta.logRetentionDuration": LOG_RETENTION,
                },
                storage_options=self._store.options(),
            )
        except DeltaError:
            return self._open()  # another process created it first
