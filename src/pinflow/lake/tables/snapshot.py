"""A Delta table at one moment, read by delta-rs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deltalake import QueryBuilder

from pinflow.lake.tables.delta_handle import DeltaHandle
from pinflow.lake.tables.protocol import Snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deltalake import DeltaTable

    from pinflow.lake.store.objects import Store
    from pinflow.lake.tables.protocol import Column

__all__ = ["DeltaRsSnapshot", "select_from"]


class DeltaRsSnapshot(DeltaHandle, Snapshot):
    """`Snapshot` of a `DeltaTable` that only it may use; None if the table did not exist."""

    def __init__(
        self,
        store: Store,
        name: str,
        columns: Sequence[Column],
        folder: str,
        mend: str,
        delta: DeltaTable | None,
        opened_with: dict[str, str] | None,
    ) -> None:
        super().__init__(store, name, columns, folder, mend)
        self._delta = delta
        self._opened_with = opened_with

    def exists(self) -> bool:
        """See `Snapshot.exists`."""
        return self._delta is not None

    def step_of(self, job: str) -> int:
        """See `Snapshot.step_of`."""
        delta = self._renew()
        if delta is None:
            return 0
        with self.translate_errors("read"):
            return delta.transaction_version(job) or 0

    def require_readable(self) -> None:
        """See `Snapshot.require_readable`."""
        delta = self._renew()
        if delta is not None:
            self._require_readable(delta)

    def files(self) -> list[str]:
        """See `Snapshot.files`."""
        delta = self._renew()
        if delta is None:
            return []
        self._require_readable(delta)
        with self.translate_errors("read"):
            paths = delta.get_add_actions(flatten=True).column("path").to_pylist()
        return [f"{self.url}/{path}" for path in paths]

    def num_rows(self) -> int:
        """See `Snapshot.num_rows`."""
        delta = self._renew()
        if delta is None:
            return 0
        with self.translate_errors("read"):
            counts = delta.get_add_actions(flatten=True).column("num_records").to_pylist()
        if None in counts:
            (row,) = self.select("SELECT count(*) AS rows FROM this")
            return int(row["rows"])
        return sum(counts)

    def select(self, sql: str) -> list[dict[str, Any]]:
        """See `Snapshot.select`."""
        delta = self._renew()
        if delta is None:
            return []
        with self.translate_errors("read"):
            return select_from(delta, sql)

    def _renew(self) -> DeltaTable | None:
        """The table at its version, opened again if its credentials have changed."""
        if self._delta is not None and self._has_old_credentials():
            with self.translate_errors("opened"):
                self._delta = self._open(self._delta.version())
        return self._delta


def select_from(delta: DeltaTable, sql: str) -> list[dict[str, Any]]:
    """The rows of a query that calls the table `this`."""
    found = QueryBuilder().register("this", delta).execute(sql).read_all()
    columns = {name: found.column(name).to_pylist() for name in found.column_names}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
