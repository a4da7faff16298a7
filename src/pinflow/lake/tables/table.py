"""Delta tables: appended to in numbered steps, each commit carrying the transaction (job, step).

Two habits keep commits flat over thousands of them: expired logs are never cleaned inside a commit, and the table is
opened afresh at each checkpoint (a `DeltaTable` kept open grows slower with every commit).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.schema import Field, Schema

from pinflow.errors import ChangedTableError
from pinflow.lake.tables.changes import delta_type, is_wider, refused_for, unreadable, unwritable
from pinflow.lake.tables.commits import append_rows, bears, commit_nothing, remove_rows, replace_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from arro3.core.types import ArrowStreamExportable

    from pinflow.errors import PinflowError
    from pinflow.lake.store.objects import Store
    from pinflow.lake.tables.commits import RowOffsets, Span

__all__ = ["Column", "Table"]

CHECKPOINT_INTERVAL = 50
"""Commits between checkpoints: at 10 the checkpoints outgrow the data, at 250 a commit takes twice as long."""

REMOTE_INTERVAL = 20
"""The same in a bucket, where to open a table takes three requests for every commit since the checkpoint."""

TAKE_BACK = "take the change back, for example with DeltaTable.restore of the package deltalake"
"""What mends a table that nothing builds anew."""

LOG_RETENTION = "interval 1 days"

COMMIT_ATTEMPTS = 20
"""Appends of other jobs to the same table that one commit may lose against before it gives up."""


class Column(NamedTuple):
    """A column by its Spark SQL type, of `lake.tables.changes.SPARK_TYPES` or `array<…>` of one; it may be NULL."""

    name: str
    type: str


class Table:
    """A Delta table of the lake, opened on first use and made if it is not there.

    Its folder below `tables/` is its name, unless told otherwise: `steps.generations`. Not safe to share between
    threads. Several processes may append to one table, and other programs may change it (`lake.tables.changes`);
    `mend` is the command to run where pinflow cannot go on with what they made of it.
    """

    def __init__(
        self, store: Store, name: str, columns: Sequence[Column], folder: str = "", *, mend: str = TAKE_BACK
    ) -> None:
        self.name = name
        self.folder = folder or name
        self.url = store.child(f"tables/{self.folder}")
        self.columns = tuple(columns)
        self.mend = mend
        self._store = store
        self._opened: DeltaTable | None = None
        self._opened_with: dict[str, str] | None = None
        self._steps: dict[str, int] = {}
        self._pinned = False
        self._interval = REMOTE_INTERVAL if store.is_remote else CHECKPOINT_INTERVAL

    def pinned(self, job: str = "", at_most: int | None = None) -> Table:
        """The table as it is now, for reading: it does not move any more, whatever others commit.

        With `at_most` as it was before `job` committed a step beyond that.
        """
        twin = Table(self._store, self.name, self.columns, self.folder, mend=self.mend)
        twin._pinned = True
        if self.exists():
            delta = self._reopened()
            while at_most is not None and self._step(delta, job) > at_most:
                with self.calling("opened"):
                    delta = self._open(delta.version() - 1)
            twin._opened, self._opened = delta, None  # so that what is committed here does not move it
            twin._opened_with = self._opened_with
        return twin

    def version_of(self, job: str) -> int:
        """The last step that a job committed to this table, 0 when none; from a fresh look at the table."""
        return self._step(self._reopened(), job)

    def append(self, job: str, step: int, rows: ArrowStreamExportable) -> bool:
        """Append rows in one commit carrying (job, step), unless a commit of that step or a later one is there.

        The version is read from the very snapshot that the commit is made on, so of two workers with the same step
        one commits and the other finds it done. A failure after the commit itself (a checkpoint that could not be
        written, an answer that was lost) counts as done, by the mark that the commit bears.

        Returns:
            True when this call made the commit.

        Raises:
            ChangedTableError: Another program has made something else of the table.
            UnavailableError: The table cannot be written now.
        """
        return self._once(
            job,
            step,
            lambda delta, mark: append_rows(
                delta, rows, job, step, mark, wider=is_wider(delta, self.columns)
            ),
        )

    def remove(self, job: str, step: int, places: Sequence[RowOffsets]) -> bool:
        """Remove rows in one commit carrying (job, step), unless a commit of that step or a later one is there.

        Whole files are written anew without the rows, beside appends: the bounds on partition and offset let the
        library see that what others append meanwhile is not meant. Where it cannot see it, since one partition is far
        behind another, the commit fails and is tried again on what the table is then; no row is lost.

        Returns:
            True when this call made the commit.

        Raises:
            UnavailableError: The table cannot be written now, or others wrote to it all the time.
        """
        done = self._once(job, step, lambda delta, mark: remove_rows(delta, places, job, step, mark))
        self._opened = None  # others may have committed beside it
        return done

    def replace(self, spans: Sequence[Span | RowOffsets], rows: ArrowStreamExportable) -> None:
        """Put rows in the place of all that are of these records, in one commit. Safe to repeat.

        Raises:
            UnavailableError: The table cannot be written now, or others wrote to it all the time.
        """
        for _ in range(COMMIT_ATTEMPTS):
            delta = self._reopened()
            self._require(unwritable(delta, self.columns), "written")
            try:
                replace_rows(delta, spans, rows, wider=is_wider(delta, self.columns))
            except CommitFailedError as error:
                if refused_for(delta, error) is not None:
                    raise self._failed("written", error) from error
                continue
            except (DeltaError, OSError) as error:
                raise self._failed("written", error) from error
            return
        raise self._failed("written", f"{COMMIT_ATTEMPTS} commits in a row lost against other writers")

    def stamp(self, job: str, step: int) -> bool:
        """Commit (job, step) with no rows, unless a commit of that step or a later one is there; see `append`."""
        return self._once(job, step, lambda delta, mark: commit_nothing(delta, job, step, mark))

    def _once(self, job: str, step: int, write: Callable[[DeltaTable, str], None]) -> bool:
        delta = self._delta()
        mark = uuid4().hex
        for _ in range(COMMIT_ATTEMPTS):
            if self._step(delta, job) >= step:
                return False
            self._require(unwritable(delta, self.columns), "written")
            try:
                write(delta, mark)
            except CommitFailedError as error:
                if refused_for(delta, error) is not None:
                    raise self._failed("written", error) from error
                delta = self._reopened()  # the table moved under us: look again
                if self._bears(delta, mark):
                    return True  # it was moved by this very call, which has not heard of it
                continue
            except (DeltaError, OSError) as error:
                if self._bears(self._reopened(), mark):
                    return True
                raise self._failed("written", error) from error
            self._steps[job] = step
            if delta.version() % self._interval == 0:
                self._opened = None
            return True
        raise self._failed("written", f"{COMMIT_ATTEMPTS} commits in a row lost against other writers")

    def require_writable(self) -> None:
        """Check that a step can be committed to the table as others have left it.

        Raises:
            ChangedTableError: It cannot.
        """
        self._require(unwritable(self._delta(), self.columns), "written")

    def require_readable(self) -> None:
        """Check that the table's rows can be read as others have left it; one that is not there can.

        Raises:
            ChangedTableError: They cannot.
        """
        if self.exists():
            self._require(unreadable(self._reopened(), self.columns), "read")

    def opened(self) -> DeltaTable:
        """The Delta table itself, from a fresh look, for what `lake.tables.upkeep` does to it."""
        delta, self._opened = self._reopened(), None
        return delta

    @contextmanager
    def calling(self, verb: str, hint: str = "pinflow doctor") -> Iterator[None]:
        """Tell errors of the library as ours: the table cannot be `verb`.

        Raises:
            UnavailableError: Trying again may help.
            TerminalError: The store refuses for good.
        """
        try:
            yield
        except (DeltaError, OSError) as error:
            raise self._failed(verb, error, hint) from error
        except Exception as error:
            if type(error) is Exception:  # so the library tells what its query engine could not read
                raise self._failed(verb, error, hint) from error
            raise

    def exists(self) -> bool:
        """Whether the table is there; does not make it."""
        if self._pinned:
            return self._opened is not None
        return self._store.holds_any(f"tables/{self.folder}/_delta_log")

    def files(self) -> list[str]:
        """The addresses of the Parquet files that make up the table now; none when it is not there.

        Raises:
            ChangedTableError: Its columns are not to be found in them.
        """
        if not self.exists():
            return []
        self.require_readable()
        with self.calling("read"):
            paths = self._reopened().get_add_actions(flatten=True).column("path").to_pylist()
        return [f"{self.url}/{path}" for path in paths]

    def num_rows(self) -> int:
        """Rows by the table's metadata; files are read only if another program has written some without statistics."""
        if not self.exists():
            return 0
        with self.calling("read"):
            counts = self._reopened().get_add_actions(flatten=True).column("num_records").to_pylist()
        if None in counts:
            (row,) = self.select("SELECT count(*) AS rows FROM this")
            return int(row["rows"])
        return sum(counts)

    def num_commits(self) -> int:
        """The version of the table: how many commits it has seen. Cheap to ask again and again."""
        delta = self._opened
        if delta is None or self._opened_with != self._store.options():
            return int(self._reopened().version()) if self.exists() else 0
        before = delta.version()
        if not self._pinned:
            with self.calling("read"):
                delta.update_incremental()
        if delta.version() != before:
            self._steps.clear()
        if delta.version() // self._interval != before // self._interval:
            self._opened = None  # one that is kept on and on grows slower
        return int(delta.version())

    def select(self, sql: str) -> list[dict[str, Any]]:
        """Rows of a small query over the table, which it calls `this`; for metadata tables, not for data."""
        if not self.exists():
            return []
        with self.calling("read"):
            found = QueryBuilder().register("this", self._reopened()).execute(sql).read_all()
        columns = {name: found.column(name).to_pylist() for name in found.column_names}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def _delta(self) -> DeltaTable:
        """The table as it was left, afresh if its credentials are no longer those that hold."""
        if self._opened is None or self._opened_with != self._store.options():
            return self._reopened()
        return self._opened

    def _reopened(self) -> DeltaTable:
        if self._pinned and self._opened is not None:
            if self._opened_with != self._store.options():  # the credentials it was opened with are over
                with self.calling("opened"):
                    self._opened = self._open(self._opened.version())
            return self._opened
        with self.calling("opened"):
            try:
                self._opened = self._open()
            except TableNotFoundError:
                self._opened = self._created()
        self._steps.clear()
        return self._opened

    def _open(self, version: int | None = None) -> DeltaTable:
        self._opened_with = self._store.options()
        return DeltaTable(self.url, version=version, storage_options=self._opened_with)

    def _step(self, delta: DeltaTable, job: str) -> int:
        """The last step of a job in a table that was opened; the library reads the log again to tell it."""
        if delta is self._opened and job in self._steps:
            return self._steps[job]
        with self.calling("read"):
            step = delta.transaction_version(job) or 0
        if delta is self._opened:
            self._steps[job] = step
        return step

    def _bears(self, delta: DeltaTable, mark: str) -> bool:
        """Whether a late commit of the table bears a mark."""
        with self.calling("read"):
            return bears(delta, mark)

    def _require(self, changes: Sequence[str], verb: str) -> None:
        if changes:
            raise self._changed(verb, "; ".join(changes))

    def _changed(self, verb: str, change: str) -> ChangedTableError:
        return ChangedTableError(
            f"another program has changed table {self.name!r}, so that it cannot be {verb}: {change}",
            where=self.url,
            hint=self.mend,
        )

    def _failed(self, verb: str, reason: object, hint: str = "pinflow doctor") -> PinflowError:
        change = refused_for(self._opened, reason)
        if change is not None:
            return self._changed(verb, change)
        return self._store.translate_error(f"table {self.name!r} cannot be {verb}", self.url, reason, hint)

    def _created(self) -> DeltaTable:
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
            return self._open()  # another process made it first
