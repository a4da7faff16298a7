"""What the topics and tables of both sides are called.

| side | topic | table |
|---|---|---|
| batch | `<id>.pin` | `pin` |
| stream | `streaming-<id>-pin` | `<id>_pin_table` |
"""

from __future__ import annotations

from typing import Literal

from pinflow.errors import UsageError

__all__ = [
    "DATASETS",
    "dataset_of",
    "require_dataset",
    "require_side",
    "table_name",
    "topic_name",
    "topic_names",
]

DATASETS = ("pin", "geo", "user")
"""In the order in which the three records of a post are sent."""

STREAM = "streaming-"


SIDES = ("batch", "stream")


def require_side(side: str) -> None:
    """Check the name of a side, which may come from a caller's own code.

    Raises:
        UsageError: There is no such side.
    """
    if side not in SIDES:
        raise UsageError(f"there is no side {side!r}", where="side", hint=f"use one of: {', '.join(SIDES)}")


def require_dataset(dataset: str) -> None:
    """Check the name of a dataset, in the same way.

    Raises:
        UsageError: There is no such dataset.
    """
    if dataset not in DATASETS:
        raise UsageError(
            f"there is no dataset {dataset!r}", where="dataset", hint=f"use one of: {', '.join(DATASETS)}"
        )


def topic_name(side: Literal["batch", "stream"], user_id: str, dataset: str) -> str:
    """The topic of a dataset on a side.

    Raises:
        UsageError: There is no such side.
    """
    require_side(side)
    return f"{user_id}.{dataset}" if side == "batch" else f"{STREAM}{user_id}-{dataset}"


def table_name(side: Literal["batch", "stream"], user_id: str, dataset: str) -> str:
    """The table that a dataset of a side ends in."""
    return dataset if side == "batch" else f"{user_id}_{dataset}_table"


def topic_names(side: Literal["batch", "stream"], user_id: str) -> tuple[str, str, str]:
    """The topics of a side, in the order of `DATASETS`."""
    pin, geo, user = (topic_name(side, user_id, dataset) for dataset in DATASETS)
    return pin, geo, user


def dataset_of(topic: str) -> str | None:
    """The dataset of a topic, whatever its id; None if it has none."""
    separator = "-" if topic.startswith(STREAM) else "."
    name = topic.rpartition(separator)[2]
    return name if name in DATASETS and name != topic else None
