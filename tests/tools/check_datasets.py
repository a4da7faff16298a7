"""Refuse rules of the datasets that some value could stop; `make lint` runs it.

python -m tests.tools.check_datasets
"""

from __future__ import annotations

import sys

from pinflow.datasets import Dataset, datasets
from pinflow.engine.duckdb.dialect import what_may_raise
from pinflow.engine.duckdb.records import raw_columns
from pinflow.errors import DialectError

__all__ = ["faults"]


def faults(dataset: Dataset) -> list[DialectError]:
    """What is wrong with the SQL of a dataset, file by file."""
    found: list[DialectError] = []
    for name, sql in (("reject", dataset.reject_sql), ("clean", dataset.clean_sql)):
        try:
            found += what_may_raise(sql, where=dataset.where(name), columns=raw_columns(dataset))
        except DialectError as error:
            found.append(error)
    return found


def main() -> int:
    """Print what is wrong; 1 if anything is."""
    found = [fault for dataset in datasets() for fault in faults(dataset)]
    for fault in found:
        print(fault)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
