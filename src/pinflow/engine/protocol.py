"""What an engine does, whatever runs the SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from arro3.core.types import ArrowStreamExportable

    from pinflow.datasets import Dataset
    from pinflow.errors import PinflowError
    from pinflow.lake.tables.protocol import Snapshot
    from pinflow.log import Chunk
    from pinflow.steps.plan import Tally

__all__ = [
    "LONGEST_SAMPLE",
    "MOST_SAMPLES",
    "Cleaned",
    "Engine",
    "RecordId",
    "Result",
    "Session",
    "View",
]

MOST_SAMPLES = 100
"""Samples of one field that a step keeps of the cells that became NULL; all of them are counted."""

LONGEST_SAMPLE = 1_000
"""Characters of the text that a sample keeps."""


class RecordId(NamedTuple):
    """A record of a topic, by its partition and offset."""

    partition: int
    offset: int


class Cleaned(NamedTuple):
    """What became of records: clean rows with lineage, rejects with reasons, and the sums a partition.

    `nulled` are samples of the cells that had a text and became NULL by a rule: of each field the first `MOST_SAMPLES`,
    by partition and offset. The rows, the rejects and the samples hold until the engine cleans again.
    """

    rows: ArrowStreamExportable
    rejects: ArrowStreamExportable
    nulled: ArrowStreamExportable
    tallies: dict[int, Tally]


class View(NamedTuple):
    """A table as questions see it: its name, a snapshot of its rows, its columns, and SQL over `{table}`.

    Only the columns named are read. `unreadable` is raised by a question that needs the view, and by no other; then
    there is no snapshot.
    """

    name: str
    snapshot: Snapshot | None
    columns: dict[str, str]
    sql: str = "SELECT * FROM {table}"
    unreadable: PinflowError | None = None


class Result(NamedTuple):
    """An answer: column names and rows."""

    columns: list[str]
    rows: list[tuple[object, ...]]


class Session(Protocol):
    """Views loaded for questions, bounded in memory and time."""

    def ask(self, sql: str, *, where: str) -> Result:
        """Answer a question written in Spark SQL; `where` names its file for errors.

        Raises:
            DialectError: The SQL uses what the engine cannot be given faithfully.
        """

    def run(self, sql: str) -> Result:
        """Run one SELECT in the engine's own SQL. It can read the views, and nothing else.

        Raises:
            UsageError: It is not one SELECT, reaches for anything but the views, or takes too long or too much.
        """

    def close(self) -> None:
        """Let go of everything. Safe to repeat."""


class Engine(Protocol):
    """Runs the SQL of datasets and questions. Not safe to share between threads."""

    def clean(
        self,
        dataset: Dataset,
        topic: str,
        chunks: Iterable[Chunk],
        refused: Mapping[RecordId, str] | None = None,
    ) -> Cleaned:
        """Clean records of one topic. Deterministic in the chunks, but for the order of rows.

        Every row has been made when it returns. Records that are `refused` are rejects for the reasons given, and no
        rule sees them.

        Raises:
            RecordError: A rule fails at the value of some record.
            UnavailableError: What does not fit into memory cannot be kept on the disk now.
            LimitError: The memory that the engine may use is not enough.
        """

    def session(self, views: Sequence[View]) -> Session:
        """Load views for questions."""

    def close(self) -> None:
        """Let go of memory and temporary files. Safe to repeat."""
