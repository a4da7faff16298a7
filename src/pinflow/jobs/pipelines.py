"""The two sides of the pipeline: which topics feed which tables.

Posts to the batch endpoint arrive in the topics `<id>.pin`, `.geo` and `.user`, and end in the tables `pin`, `geo` and
`user`. Posts to the stream endpoint arrive in `streaming-<id>-pin`, …, and end in `<id>_pin_table`, …. All topics are
landed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from pinflow.datasets import LINEAGE, Dataset, datasets
from pinflow.datasets.naming import table_name, topic_name
from pinflow.lake.tables.protocol import Column, Table, Tables
from pinflow.steps.commands import replaying
from pinflow.steps.generations import Generation, current_generation

if TYPE_CHECKING:
    from pinflow.lake.store.objects import Store

__all__ = ["NULLED", "QUARANTINE", "SIDES", "Pipeline", "Side", "pipelines", "side_pipelines"]

Side = Literal["batch", "stream"]

SIDES: tuple[Side, ...] = ("batch", "stream")

QUARANTINE = {"raw": "string", "raw_bytes": "binary", "reason": "string"} | LINEAGE
"""Columns of a quarantine table: the record's text, its bytes if it is not a JSON object, the reason, the lineage."""

NULLED = {"ind": "int", "field": "string", "text": "string"} | LINEAGE
"""Columns of the samples of cells that a rule made NULL: the post, the record's field, its text, and the lineage."""


class Pipeline(NamedTuple):
    """One dataset on one side: the topic that its records arrive in, and the table that they end in."""

    side: Side
    dataset: Dataset
    topic: str
    table: str

    @property
    def job(self) -> str:
        """The name of the job that cleans it."""
        return f"{self.side}/{self.topic}"

    @property
    def quarantine(self) -> str:
        """The table of its rejected records."""
        return f"{self.table}_quarantine"

    @property
    def nulled(self) -> str:
        """The table with samples of its cells that a rule made NULL."""
        return f"{self.table}_nulled"

    def open_table(self, tables: Tables) -> Table:
        """The table of clean rows."""
        return self.tables_of(tables, self.generation(tables.store))[0]

    def open_quarantine(self, tables: Tables) -> Table:
        """The table of rejected records."""
        return self.tables_of(tables, self.generation(tables.store))[1]

    def open_nulled(self, tables: Tables, generation: Generation | None = None) -> Table:
        """The table of samples of one generation, by default of the current one."""
        folder = self.nulled_folder((generation or self.generation(tables.store)).table)
        return tables.open(self.nulled, [Column(*pair) for pair in NULLED.items()], folder)

    def nulled_folder(self, folder: str) -> str:
        """The folder of the samples that belong to a folder of the clean table. No generation records it."""
        return f"{self.nulled}{folder.removeprefix(self.table)}"

    def generation(self, store: Store) -> Generation:
        """Its current generation."""
        return current_generation(store, self.table, self.quarantine)

    def tables_of(self, tables: Tables, generation: Generation) -> tuple[Table, Table]:
        """The table of clean rows and the quarantine of one generation."""
        clean = [Column(*pair) for pair in (self.dataset.clean | LINEAGE).items()]
        rejected = [Column(*pair) for pair in QUARANTINE.items()]
        mend = replaying(self.side, self.dataset.name)
        return (
            tables.open(self.table, clean, generation.table, mend=mend),
            tables.open(self.quarantine, rejected, generation.quarantine, mend=mend),
        )


def side_pipelines(side: Side, user_id: str) -> list[Pipeline]:
    """The three pipelines of a side."""
    return [
        Pipeline(
            side,
            each,
            topic_name(side, user_id, each.name),
            table_name(side, user_id, each.name),
        )
        for each in datasets()
    ]


def pipelines(user_id: str) -> list[Pipeline]:
    """The six pipelines of both sides."""
    return [pipeline for side in SIDES for pipeline in side_pipelines(side, user_id)]
