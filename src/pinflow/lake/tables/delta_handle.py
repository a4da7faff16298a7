"""Opening a Delta table, and translating errors of its library: the base of tables and of their snapshots."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from pinflow.errors import ChangedTableError
from pinflow.lake.tables.schema_changes import explain_refusal, read_obstacles

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pinflow.errors import PinflowError
    from pinflow.lake.store.objects import Store
    from pinflow.lake.tables.protocol import Column

__all__ = ["DeltaHandle"]


class DeltaHandle:
    """A Delta table in a folder below `tables/`, with the library's `DeltaTable` once it is opened."""

    def __init__(self, store: Store, name: str, columns: Sequence[Column], folder: str, mend: str) -> None:
        self.name = name
        self.folder = folder
        self.url = store.child(f"tables/{folder}")
        self.columns = tuple(columns)
        self.mend = mend
        self._store = store
        self._delta: DeltaTable | None = None
        self._opened_with: dict[str, str] | None = None

    @contextmanager
    def translate_errors(self, verb: str, hint: str = "pinflow doctor") -> Iterator[None]:
        """Raise errors of the library as errors of pinflow: the table cannot be `verb`, a participle such as "read".

        Raises:
            UnavailableError: Trying again may help.
            ChangedTableError: Another program has changed the table.
            TerminalError: The store refuses, and would refuse again.
        """
        try:
            yield
        except (DeltaError, OSError) as error:
            raise self._library_error(verb, error, hint) from error
        except Exception as error:
            if type(error) is Exception:  # the library's query engine raises bare ones
                raise self._library_error(verb, error, hint) from error
            raise

    def _open(self, version: int | None = None) -> DeltaTable:
        self._opened_with = self._store.options()
        return DeltaTable(self.url, version=version, storage_options=self._opened_with)

    def _has_old_credentials(self) -> bool:
        """Whether the table was opened with credentials that have changed since."""
        return self._opened_with != self._store.options()

    def _require_readable(self, delta: DeltaTable) -> None:
        self._require_unchanged(read_obstacles(delta, self.columns), "read")

    def _require_unchanged(self, changes: Sequence[str], verb: str) -> None:
        if changes:
            raise self._changed_error(verb, "; ".join(changes))

    def _changed_error(self, verb: str, change: str) -> ChangedTableError:
        return ChangedTableError(
            f"another program has changed table {self.name!r}, so that it cannot be {verb}: {change}",
            where=self.url,
            hint=self.mend,
        )

    def _library_error(self, verb: str, reason: object, hint: str = "pinflow doctor") -> PinflowError:
        change = explain_refusal(self._delta, reason)
        if change is not None:
            return self._changed_error(verb, change)
        return self._store.translate_error(f"table {self.name!r} cannot be {verb}", self.url, reason, hint)
