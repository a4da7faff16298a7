"""Rows that another program deletes from a table or adds to it: each is missed, or counted, by name."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from arro3.core import Array, DataType
from arro3.core import Table as Arrow
from deltalake import DeltaTable, write_deltalake
from tests.pipeline import drain, post, rows, table, topic
from tests.table_changes import (
    ALL,
    add_columns,
    ages,
    committed,
    deletion_vectors_allowed,
    fill,
    more,
    road_of,
    url_of,
)

from pinflow.errors import ChangedTableError
from pinflow.jobs.maintain.maintain import maintain
from pinflow.jobs.replay.replay import replay
from pinflow.jobs.reports.audit import audit

if TYPE_CHECKING:
    from pinflow.jobs.runtime import Runtime


@pytest.mark.parametrize("name", ["pin", "geo", "user"])
@pytest.mark.parametrize("predicate", ["ind = 1", None])
def test_rows_that_another_program_deletes_are_missing_by_name_and_no_file_is_unreadable(
    runtime: Runtime, name: str, predicate: str | None
) -> None:
    post(
        runtime,
        topic("stream", name),
        rows(*({"ind": ind, "index": ind, "latitude": 1} for ind in (1, 2, 3))),
    )
    drain(runtime, "land", "stream")
    DeltaTable(url_of(runtime, name)).delete(predicate)
    post(runtime, topic("stream", name), rows({"ind": 4, "index": 4}))
    drain(runtime, "land", "stream")
    gone = 1 if predicate else 3
    for deep in (False, True):
        found = audit(runtime, deep=deep)
        assert not found.ok
        assert f"{table('stream', name)}: {gone} rows are missing" in found.problems[0]
        assert f"pinflow replay run stream {name}" in found.problems[0]
        assert not any("cannot be read" in problem for problem in found.problems)
    assert replay(runtime, road_of(name)).swapped
    assert audit(runtime, deep=True).ok


def test_rows_that_were_deleted_after_a_column_came_are_missing_and_no_file_is_unreadable(
    runtime: Runtime,
) -> None:
    """The rewritten file has a column more than the others."""
    fill(runtime)
    add_columns(url_of(runtime))
    DeltaTable(url_of(runtime)).delete("ind = 1")
    more(runtime)
    drain(runtime, "stream")
    assert ages(runtime) == ALL[1:]
    (problem, lost) = audit(runtime, deep=True).problems
    assert "1 rows are missing" in problem
    assert "1 records do not add up" in lost


def test_rows_that_another_program_adds_are_counted_as_such_and_stand_for_no_record(runtime: Runtime) -> None:
    fill(runtime)
    other = Arrow.from_arrays(
        [Array([2, 99], type=DataType.int32()), Array(["x", "y"], type=DataType.string())],
        names=["ind", "extra"],
    )
    write_deltalake(url_of(runtime), other, mode="append", schema_mode="merge")
    more(runtime)
    drain(runtime, "stream")
    assert ages(runtime) == ALL
    for deep in (False, True):
        (problem,) = audit(runtime, deep=deep).problems
        assert "2 rows were not written by its job" in problem
    assert maintain(runtime).problems == []


def test_rows_marked_by_a_deletion_vector_are_not_shown_as_if_they_were_there(runtime: Runtime) -> None:
    fill(runtime)
    url = url_of(runtime)
    deletion_vectors_allowed(url)
    mark_deleted(url, row=0)
    more(runtime)
    drain(runtime, "stream")  # appends go on
    with pytest.raises(ChangedTableError, match="deletion vectors"):
        ages(runtime)
    assert any("deletion vectors" in problem for problem in audit(runtime, deep=True).problems)
    assert replay(runtime, road_of()).swapped
    assert ages(runtime) == ALL


def mark_deleted(url: str, row: int) -> None:
    """Commit an inline deletion vector for a row of the first file, in the format of Delta's protocol."""
    adds = [
        action["add"]
        for file in sorted(Path(url, "_delta_log").glob("*.json"))
        for line in file.read_text().splitlines()
        if "add" in (action := json.loads(line))
    ]
    bitmap = struct.pack("<IIHHIH", 12346, 1, 0, 0, 16, row)
    vector = struct.pack("<IQI", 1681511377, 1, 0) + bitmap
    padded = vector + b"\0" * (-len(vector) % 4)
    held = {"storageType": "i", "pathOrInlineDv": z85(padded), "sizeInBytes": len(vector), "cardinality": 1}
    removed = {"path": adds[0]["path"], "deletionTimestamp": adds[0]["modificationTime"], "dataChange": True}
    committed(url, {"remove": removed}, {"add": adds[0] | {"deletionVector": held}})


def z85(data: bytes) -> str:
    """Base 85 in the alphabet of ZeroMQ, which has the characters of RFC 1924 in another order."""
    theirs = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
    ours = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
    return base64.b85encode(data).decode().translate(str.maketrans(theirs, ours))
