"""What an engine does, whatever runs the SQL."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pinflow.datasets import Dataset
    from pinflow.errors import PinflowError
    from pinflow.lake.tables.protocol import Relation, Snapshot
    from pinflow.log import Chunk
    from pinflow.steps.slices import Slice

__all__ = [
    "LONGEST_SAMPLE",
    "MOST_SAMPLES",
    "Cleaned",
    "Engine",
    "Input",
    "Outcome",
    "RecordId",
    "RecordsInMemory",
    "Result",
    "Session",
    "View",
    "as_int",
]

MOST_SAMPLES = 100
"""Samples of one field that a step keeps of the cells that became NULL; all of them are counted."""

LONGEST_SAMPLE = 1_000
"""Characters of the text that a sample keeps."""


class RecordId(NamedTuple):
    """A record of a topic, by its partition and offset."""

    partition: int
    offset: int


class Input(Protocol):
    """The records of one step, which are not read yet.

    An engine that works in this process reads the chunks. One that works in a cluster reads the slices with its own
    workers where it can, and takes the chunks where only this process can read them.

    Attributes:
        topic: The topic of the records.
        slices: Where they are; empty where they are in memory only.
    """

    topic: str
    slices: Sequence[Slice]

    @abstractmethod
    def chunks(self) -> Iterable[Chunk]:
        """Read the records, each partition in the order of offsets. May be called again, and gives the same."""


class RecordsInMemory(Input):
    """Records that were read already."""

    def __init__(self, topic: str, chunks: Sequence[Chunk]) -> None:
        self.topic = topic
        self.slices = ()
        self._chunks = chunks

    def chunks(self) -> Sequence[Chunk]:
        """See `Input.chunks`."""
        return self._chunks


class Outcome(NamedTuple):
    """What became of the records of one partition.

    Attributes:
        records: How many there were.
        rows: How many came clean.
        rejected: How many were rejected.
        first: The offset of the first record.
        last: The offset of the last record.
        cells: By field, how many cells of the rows had a text and became NULL by a rule.
    """

    records: int
    rows: int
    rejected: int
    first: int
    last: int
    cells: Mapping[str, int] = {}


class Cleaned(NamedTuple):
    """What became of records: clean rows with lineage, rejects with reasons, and the sums a partition.

    `nulled` are samples of the cells that had a text and became NULL by a rule: of each field the first `MOST_SAMPLES`,
    by partition and offset. The rows, the rejects and the samples hold until the engine cleans again.
    """

    rows: Relation
    rejects: Relation
    nulled: Relation
    outcomes: Mapping[int, Outcome]


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


def as_int(value: object) -> int:
    """A whole number of a result.

    Raises:
        TypeError: The value is anything else.
    """
    if not isinstance(value, int):
        raise TypeError(f"not an integer: {value!r}")
    return value


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

    @abstractmethod
    def clean(
        self, dataset: Dataset, records: Input, refused: Mapping[RecordId, str] | None = None
    ) -> Cleaned:
        """Clean the records of one step. Deterministic in the records, but for the order of rows.

        Every row has been made when it returns. Records that are `refused` are rejects for the reasons given, and no
        rule sees them.

        Raises:
            RecordError: A rule fails at the value of some record.
            UnavailableError: What does not fit into memory cannot be kept on the disk now.
            LimitError: The memory that the engine may use is not enough.
        """

    @abstractmethod
    def session(self, views: Sequence[View]) -> Session:
        """Load views for questions."""

    @abstractmethod
    def close(self) -> None:
        """Let go of memory and temporary files. Safe to repeat."""
