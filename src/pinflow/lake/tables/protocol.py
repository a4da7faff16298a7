"""Tables of the lake, whichever library writes them.

An engine has the tables that it can write (`Engine.tables`): the rows that it makes can be committed only to those.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pinflow.lake.store.objects import Store

__all__ = [
    "TAKE_BACK",
    "Append",
    "Change",
    "Column",
    "Nothing",
    "Relation",
    "Remove",
    "Replace",
    "RowOffsets",
    "Snapshot",
    "Span",
    "StepTable",
    "Table",
    "Tables",
]

Relation = Any
"""Rows of the table's columns, made by an engine. Only the engine's own tables can read them."""

TAKE_BACK = "take the change back, for example with DeltaTable.restore of the package deltalake"
"""How to repair a table that no command can rebuild."""


class Column(NamedTuple):
    """A column that may be NULL, with its Spark SQL type: one of `schema_changes.SPARK_TYPES` or `array<…>` of one."""

    name: str
    type: str


class RowOffsets(NamedTuple):
    """Rows of one partition, by their offsets."""

    partition: int
    offsets: list[int]


class Span(NamedTuple):
    """Offsets of one partition, from the first to the last."""

    partition: int
    first: int
    last: int


class Append(NamedTuple):
    """Add rows."""

    rows: Relation


class Remove(NamedTuple):
    """Remove rows, while others may append. Rows that do not exist are ignored."""

    row_offsets: Sequence[RowOffsets]


class Replace(NamedTuple):
    """Replace all rows of these records by others."""

    records: Sequence[Span | RowOffsets]
    rows: Relation


class Nothing(NamedTuple):
    """Change no rows: the commit only records that the step is done."""


Change = Append | Remove | Replace | Nothing


class StepTable(Protocol):
    """What says which steps of a job are committed: a table, or a snapshot of one.

    Attributes:
        name: What the table is called.
        folder: The folder below `tables/` that it stands in.
        url: The address of that folder.
        columns: The columns that pinflow reads and writes.
        mend: The command to run if pinflow cannot go on with what another program has made of the table.
    """

    name: str
    folder: str
    url: str
    columns: tuple[Column, ...]
    mend: str

    @abstractmethod
    def exists(self) -> bool:
        """Whether the table exists, or existed at the moment of the snapshot; does not create it."""

    @abstractmethod
    def step_of(self, job: str) -> int:
        """The last step that a job committed, or 0. A table is opened afresh, and created if it does not exist."""


class Snapshot(StepTable, Protocol):
    """A table at one moment, for reading: it does not change, whatever others commit.

    The snapshot of a table that did not exist has no rows and no steps.
    """

    @abstractmethod
    def require_readable(self) -> None:
        """Check that the rows can be read, whatever other programs have done to the table.

        Raises:
            ChangedTableError: They cannot be read.
        """

    @abstractmethod
    def files(self) -> list[str]:
        """The addresses of the Parquet files that together hold exactly the table's rows.

        Raises:
            ChangedTableError: The files do not have the table's columns.
        """

    @abstractmethod
    def num_rows(self) -> int:
        """The number of rows by the table's metadata; reads files that another program wrote without statistics."""

    @abstractmethod
    def select(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a query that calls the table `this`; for small tables of metadata, not for data."""


class Table(StepTable, Protocol):
    """A table of the lake, created by the first commit if it does not exist.

    Several processes may commit to one table, and other programs may change it. Not safe to share between threads.
    """

    @abstractmethod
    def commit(self, job: str, step: int, change: Change) -> bool:
        """Commit a change with the transaction (job, step), unless that step or a later one is committed already.

        The committed steps are read from the same version that the commit is based on, so of two workers with the same
        step one commits and the other finds it done. If only work after the commit fails (a checkpoint that could not
        be written, a lost answer), the commit counts as done.

        `Replace` is for a step that another attempt has committed already: it is always committed, carries no
        transaction, and is safe to repeat.

        Returns:
            True when this call made the commit.

        Raises:
            ChangedTableError: Another program has changed the table so that it cannot be written.
            UnavailableError: The table cannot be written now, or other writers won every time.
        """

    @abstractmethod
    def snapshot(self, job: str = "", at_most: int | None = None) -> Snapshot:
        """The table as it is now, or with `at_most` as it was before `job` committed a later step than that."""

    @abstractmethod
    def version(self) -> int:
        """A number that grows with every commit; 0 for a table that does not exist. Cheap to call often."""

    @abstractmethod
    def require_writable(self) -> None:
        """Check that a step can be committed, whatever other programs have done to the table.

        Raises:
            ChangedTableError: It cannot be committed.
        """


class Tables(Protocol):
    """The tables of a lake that one engine can write."""

    store: Store

    @abstractmethod
    def open(self, name: str, columns: Sequence[Column], folder: str = "", *, mend: str = TAKE_BACK) -> Table:
        """Open a table of the lake, without creating it. Its folder below `tables/` is its name by default."""
