"""What a table of the lake is, whichever library writes it.

An engine brings the tables that it can write (`Engine.tables`): rows that it has made can be committed to those alone.
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
    "Table",
    "Tables",
]

Relation = Any
"""Rows that an engine has made, of the table's columns. Only its own tables can look into it."""

TAKE_BACK = "take the change back, for example with DeltaTable.restore of the package deltalake"
"""What mends a table that nothing builds anew."""


class Column(NamedTuple):
    """A column by its Spark SQL type, of `schema_changes.SPARK_TYPES` or `array<…>` of one; it may be NULL."""

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
    """Rows come to those that are there."""

    rows: Relation


class Remove(NamedTuple):
    """Rows go, beside what others append; it is no error if some are not there."""

    row_offsets: Sequence[RowOffsets]


class Replace(NamedTuple):
    """Rows take the place of all that are of these records."""

    records: Sequence[Span | RowOffsets]
    rows: Relation


class Nothing(NamedTuple):
    """No row comes or goes: the commit only says that the step is done."""


Change = Append | Remove | Replace | Nothing


class Snapshot(Protocol):
    """A table as it was at one moment, for reading: it does not move, whatever others commit.

    One of a table that was not there yet has no rows and no steps.
    """

    name: str
    folder: str
    url: str
    columns: tuple[Column, ...]
    mend: str

    @abstractmethod
    def exists(self) -> bool:
        """Whether the table was there."""

    @abstractmethod
    def step_of(self, job: str) -> int:
        """The last step that a job had committed, 0 for none."""

    @abstractmethod
    def require_readable(self) -> None:
        """Check that the rows can be read as other programs have left the table.

        Raises:
            ChangedTableError: They cannot.
        """

    @abstractmethod
    def files(self) -> list[str]:
        """The addresses of the Parquet files that hold the rows, and nothing but them.

        Raises:
            ChangedTableError: The columns are not to be found in them.
        """

    @abstractmethod
    def num_rows(self) -> int:
        """Rows by the table's metadata; files are read only if another program has written some without statistics."""

    @abstractmethod
    def select(self, sql: str) -> list[dict[str, Any]]:
        """Rows of a small query over the table, which it calls `this`; for metadata tables, not for data."""


class Table(Protocol):
    """A table of the lake, made with the first commit if it is not there.

    Several processes may commit to one table, and other programs may change it; `mend` is the command to run where
    pinflow cannot go on with what they made of it. Not safe to share between threads.
    """

    name: str
    folder: str
    url: str
    columns: tuple[Column, ...]
    mend: str

    @abstractmethod
    def exists(self) -> bool:
        """Whether the table is there; does not make it."""

    @abstractmethod
    def step_of(self, job: str) -> int:
        """The last step that a job committed, 0 for none; from a fresh look at the table, which is made if need be."""

    @abstractmethod
    def commit(self, job: str, step: int, change: Change) -> bool:
        """Commit a change that carries (job, step), unless a commit of that step or a later one is there.

        Which steps are there is read from the very state that the commit is made on, so of two workers with the same
        step one commits and the other finds it done. A failure after the commit itself (a checkpoint that could not be
        written, an answer that was lost) counts as done.

        `Replace` is for a step that another attempt has committed already: it is committed whatever steps are there,
        carries none, and is safe to repeat.

        Returns:
            True when this call made the commit.

        Raises:
            ChangedTableError: Another program has made something else of the table.
            UnavailableError: The table cannot be written now, or others wrote to it all the time.
        """

    @abstractmethod
    def snapshot(self, job: str = "", at_most: int | None = None) -> Snapshot:
        """The table as it is now; with `at_most` as it was before `job` committed a step beyond that."""

    @abstractmethod
    def version(self) -> int:
        """A number that grows with every commit, 0 for a table that is not there. Cheap to ask again and again."""

    @abstractmethod
    def require_writable(self) -> None:
        """Check that a step can be committed to the table as others have left it.

        Raises:
            ChangedTableError: It cannot.
        """


class Tables(Protocol):
    """The tables of a lake that one engine can write."""

    store: Store

    @abstractmethod
    def open(self, name: str, columns: Sequence[Column], folder: str = "", *, mend: str = TAKE_BACK) -> Table:
        """A table of the lake. Its folder below `tables/` is its name, unless another is given. Nothing is made yet."""
