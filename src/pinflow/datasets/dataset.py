"""A dataset read from its folder."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING
from zlib import crc32

import msgspec

from pinflow import __version__
from pinflow.datasets.naming import DATASETS
from pinflow.datasets.shared import with_rules

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["LINEAGE", "Dataset", "dataset", "datasets", "over_ranked"]

LINEAGE = {"_topic": "string", "_partition": "int", "_offset": "bigint", "_accepted_at": "timestamp"}
"""Where a row comes from, and when its record was accepted; every clean row carries these columns."""


READING = "texts as sent"
"""How raw columns come from JSON. A step that was planned under another reading may come to other rows."""


class Dataset(msgspec.Struct, frozen=True):
    """One kind of record.

    Attributes:
        name: `pin`, `geo` or `user`.
        number: The raw column that holds the post's number.
        raw: The fields of a record, all taken as text.
        clean: Clean column → Spark SQL type, in the documented order.
        reject_sql: Adds `_reason` to the view `parsed` (raw columns and lineage): why a record cannot be a row.
        clean_sql: Makes clean columns and lineage of the view `raw`, which holds what was not rejected; and `_nulled`,
            which names the fields whose text became NULL by a rule.
    """

    name: str
    number: str
    raw: list[str]
    clean: dict[str, str]
    reject_sql: str
    clean_sql: str

    def latest(self, columns: Collection[str]) -> str:
        """One row a post of a table of clean rows, with these of its columns; `{table}` stands for its name."""
        names = ", ".join(f"`{column}`" for column in self.clean if column in columns)
        return over_ranked("latest").replace("{columns}", names)

    @property
    def rules(self) -> str:
        """A fingerprint of what decides which rows a record comes to: the definition, and the program that reads it."""
        text = f"{__version__} {READING} {self.clean} {self.reject_sql} {self.clean_sql}"
        return f"{crc32(text.encode()):08x}"

    def where(self, part: str) -> str:
        """The file that a part of the definition stands in, for errors: `clean` is each dataset's own."""
        return (
            f"pinflow/datasets/{self.name}/{part}.sql" if part == "clean" else f"pinflow/datasets/{part}.sql"
        )


@cache
def dataset(name: str) -> Dataset:
    """The dataset of a name."""
    folder = files("pinflow.datasets") / name
    facts = tomllib.loads((folder / "dataset.toml").read_text(encoding="utf-8"))
    return Dataset(
        name=name,
        number=facts["number"],
        raw=facts["raw"],
        clean=facts["clean"],
        reject_sql=with_rules(_text("reject").replace("{number}", facts["number"])),
        clean_sql=with_rules((folder / "clean.sql").read_text(encoding="utf-8")),
    )


@cache
def over_ranked(name: str) -> str:
    """The SQL of `<name>.sql` over `{table}`, a table of clean rows, whose records `newest_first.sql` puts in order.

    `latest`, `superseded` and `standing` are the ones there are: which record of a post stands is decided in one place.
    """
    return _text(name).replace("{ranked}", _text("newest_first"))


def _text(name: str) -> str:
    return (files("pinflow.datasets") / f"{name}.sql").read_text(encoding="utf-8")


def datasets() -> list[Dataset]:
    """All datasets, in the order in which the records of a post are sent."""
    return [dataset(name) for name in DATASETS]
