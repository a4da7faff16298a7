"""What is asked of a home that an earlier version left (`tests.tools.keep_home`), by that version and by this one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

ID = "0a6a638f5991"
KEY = '"kept"'
SIDES = ("batch", "stream")
DATASETS = ("pin", "geo", "user")

KILLED = {
    "maintain/geo": "the removal of a superseded row was planned",
    "batch/geo": "a step was planned",
    "stream/geo": "samples of a step were committed, but neither its quarantine nor its rows",
    "batch/user": "a move out of quarantine was planned",
    "stream/user": "a move out of quarantine had its rows committed, and left quarantine as it was",
    "batch/pin": "a replay had fenced the job",
    "stream/pin": "a replay had stamped the new table, but not swapped it in",
    "land/kept": "an adopted topic was planned",
    "land/geo": "a landing object was planned",
}
"""Where each job was killed."""

FINISH = (
    ("land", "--adopt", "topics/"),
    ("land", "--drain"),
    ("replay", "batch", "pin"),
    ("replay", "stream", "pin"),
    ("batch", "--drain"),
    ("stream", "--drain"),
    ("replay", "batch", "user", "--quarantine"),
    ("replay", "stream", "user", "--quarantine"),
    ("maintain",),
)
"""The commands that finish all of it."""


def read_with(run: Callable[..., str]) -> dict[str, Any]:
    """The ten answers of each side, and every row of each table, with what was rejected or made NULL."""

    def query(*args: str) -> Any:
        return json.loads(run("query", *args, "--format", "json"))

    return {
        "answers": {side: query("all", "--side", side) for side in SIDES},
        "rows": {name: query("--sql", _every_row(name)) for name in DATASETS},
        "rejected": query("--sql", _every_row(*(f"{name}_quarantine" for name in DATASETS))),
        "nulled": query("--sql", _every_row(*(f"{name}_nulled" for name in DATASETS))),
    }


def _every_row(*tables: str) -> str:
    """SQL for the rows of tables of both sides, which have the same columns, with the table's name."""
    both = [name for table in tables for name in (table, _of_stream(table))]
    return (
        " UNION ALL ".join(f"SELECT '{name}' AS held, * FROM \"{name}\"" for name in both) + " ORDER BY ALL"
    )


def _of_stream(table: str) -> str:
    dataset, _, suffix = table.partition("_")
    return f"{ID}_{dataset}_table" + (f"_{suffix}" if suffix else "")
