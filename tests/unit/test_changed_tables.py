"""Tables that another program changes: what can be carried on with is, what cannot is named, and replay mends it."""

from __future__ import annotations

import base64
import json
import shutil
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from arro3.core import Array, DataType
from arro3.core import Table as Arrow
from deltalake import DeltaTable, QueryBuilder, TableFeatures, write_deltalake
from deltalake.schema import Field, PrimitiveType
from tests.pipeline import ID, drain, post, rows, select, table, topic

from pinflow.config import Log
from pinflow.errors import ChangedTableError, CorruptError, PinflowError
from pinflow.jobs.maintain.maintain import maintain
from pinflow.jobs.pipelines import Pipeline, side_pipelines
from pinflow.jobs.replay.replay import replay
from pinflow.jobs.reports.audit import audit
from pinflow.jobs.reports.status import status
from pinflow.jobs.runtime import Runtime
from pinflow.lake.tables.protocol import Append

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pinflow.config import Settings
    from pinflow.jobs.pipelines import Side

    Change = Callable[[str], None]


@pytest.fixture
def runtime(settings: Settings) -> Iterator[Runtime]:
    with Runtime(settings) as runtime:
        yield runtime


def road_of(name: str = "user", side: Side = "stream") -> Pipeline:
    return next(pipeline for pipeline in side_pipelines(side, ID) if pipeline.dataset.name == name)


def url_of(runtime: Runtime, name: str = "user") -> str:
    return road_of(name).open_table(runtime.tables).url


def fill(runtime: Runtime) -> None:
    """Two steps, so that there are two files; posts 1, 11, 2 and 12."""
    for ind in (1, 2):
        post(runtime, topic("stream", "user"), rows({"ind": ind, "age": ind}, {"ind": ind + 10, "age": ind}))
        drain(runtime, "land", "stream")


def more(runtime: Runtime) -> None:
    post(runtime, topic("stream", "user"), rows({"ind": 5, "age": 5}))


def ages(runtime: Runtime) -> list[tuple[object, ...]]:
    return select(runtime, f'SELECT ind, age FROM "{table("stream", "user")}" ORDER BY ind')


ALL = [(1, 1), (2, 2), (5, 5), (11, 1), (12, 2)]


def rewritten(url: str, columns: str) -> None:
    found = QueryBuilder().register("it", DeltaTable(url)).execute(f"SELECT {columns} FROM it").read_all()
    write_deltalake(url, found, mode="overwrite", schema_mode="overwrite")


def names(url: str) -> list[str]:
    return [field.name for field in DeltaTable(url).schema().fields]


def quoted(found: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in found)


def committed(url: str, *actions: dict[str, Any]) -> None:
    """A commit as another writer would put it."""
    log = Path(url, "_delta_log")
    version = DeltaTable(url).version() + 1
    (log / f"{version:020d}.json").write_text("".join(json.dumps(action) + "\n" for action in actions))


def metadata(url: str) -> dict[str, Any]:
    first = min(Path(url, "_delta_log").glob("*.json")).read_text()
    return next(action for line in first.splitlines() if "metaData" in (action := json.loads(line)))


def with_schema(
    url: str, change: Callable[[list[dict[str, Any]]], None], *others: dict[str, Any], **properties: str
) -> None:
    action = metadata(url)
    action["metaData"]["configuration"] |= {
        f"delta.{name.replace('_', '.')}": value for name, value in properties.items()
    }
    schema = json.loads(action["metaData"]["schemaString"])
    change(schema["fields"])
    action["metaData"]["schemaString"] = json.dumps(schema)
    committed(url, *others, action)


# What can be carried on with.


def add_columns(url: str) -> None:
    DeltaTable(url).alter.add_columns([Field("note", PrimitiveType("string"))])


def add_a_column_in_front(url: str) -> None:
    rewritten(url, f"CASE WHEN ind > 1 THEN 'x' END AS note, {quoted(names(url))}")


def reorder(url: str) -> None:
    rewritten(url, quoted(names(url)[::-1]))


def compact(url: str) -> None:
    DeltaTable(url).optimize.compact()


def z_order(url: str) -> None:
    DeltaTable(url).optimize.z_order(["ind"])


def vacuum(url: str) -> None:
    compact(url)
    DeltaTable(url).vacuum(0, dry_run=False, enforce_retention_duration=False)


def checkpoint(url: str) -> None:
    DeltaTable(url).create_checkpoint()


def change_data_feed(url: str) -> None:
    DeltaTable(url).alter.set_table_properties({"delta.enableChangeDataFeed": "true"})


def constraint_that_holds(url: str) -> None:
    DeltaTable(url).alter.add_constraint({"young": "age < 100"})


def deletion_vectors_allowed(url: str) -> None:
    DeltaTable(url).alter.add_feature(TableFeatures.DeletionVectors, allow_protocol_versions_increase=True)


def changed_and_restored(url: str) -> None:
    drop_a_column(url)
    delta = DeltaTable(url)
    delta.restore(delta.version() - 1)


CARRIED = [
    add_columns,
    add_a_column_in_front,
    reorder,
    compact,
    z_order,
    vacuum,
    checkpoint,
    change_data_feed,
    constraint_that_holds,
    deletion_vectors_allowed,
    changed_and_restored,
]


@pytest.mark.parametrize("change", CARRIED)
def test_the_job_goes_on_with_what_it_can(runtime: Runtime, change: Change) -> None:
    fill(runtime)
    change(url_of(runtime))
    kept = names(url_of(runtime))
    more(runtime)
    assert drain(runtime, "stream") == 1
    assert ages(runtime) == ALL
    assert names(url_of(runtime)) == kept  # what is not pinflow's stays
    assert audit(runtime, deep=True).ok
    assert maintain(runtime).problems == []
    assert ages(runtime) == ALL


def test_a_column_that_comes_between_two_steps_of_a_running_worker_is_null_in_its_rows(
    runtime: Runtime,
) -> None:
    fill(runtime)
    jobs = road_of().open_table(runtime.tables)
    assert jobs.step_of(road_of().job) == 2
    add_columns(url_of(runtime))  # the table is open as it was
    found = Arrow.from_arrays(
        [Array([7], type=DataType.int32()), Array(["Ada"], type=DataType.string())],
        names=["ind", "user_name"],
    )
    assert jobs.commit(road_of().job, 3, Append(_padded(jobs.columns, found)))
    (row,) = jobs.snapshot().select("SELECT ind, note FROM this WHERE ind = 7")
    assert row == {"ind": 7, "note": None}


def _padded(columns: Any, found: Arrow) -> Any:
    import duckdb

    kinds = {"int": "INTEGER", "bigint": "BIGINT", "string": "VARCHAR", "timestamp": "TIMESTAMPTZ"}
    names_ = found.column_names
    db = duckdb.connect()
    db.register("found", found)
    sql = ", ".join(
        (f'"{each.name}"' if each.name in names_ else f"NULL::{kinds[each.type]}") + f' AS "{each.name}"'
        for each in columns
    )
    return db.sql(f"SELECT {sql} FROM found")


# What cannot.


def drop_a_column(url: str) -> None:
    rewritten(url, quoted([name for name in names(url) if name != "age"]))


def rename_a_column(url: str) -> None:
    rewritten(url, quoted(names(url)).replace('"age"', '"age" AS years'))


def change_a_type(url: str) -> None:
    rewritten(url, quoted(names(url)).replace('"age"', 'CAST("age" AS VARCHAR) AS age'))


def widen_a_type(url: str) -> None:
    rewritten(url, quoted(names(url)).replace('"age"', 'CAST("age" AS BIGINT) AS age'))


def overwrite(url: str) -> None:
    other = Arrow.from_arrays([Array([99], type=DataType.int32())], names=["ind"])
    write_deltalake(url, other, mode="overwrite", schema_mode="overwrite")


def add_a_column_that_needs_a_value(url: str) -> None:
    with_schema(
        url,
        lambda fields: fields.append({"name": "must", "type": "string", "nullable": False, "metadata": {}}),
    )


def add_a_generated_column(url: str) -> None:
    made = {"delta.generationExpression": "ind + 1"}
    with_schema(
        url,
        lambda fields: fields.append({"name": "made", "type": "integer", "nullable": True, "metadata": made}),
    )


def map_names(url: str) -> None:
    def mapped(fields: list[dict[str, Any]]) -> None:
        for number, field in enumerate(fields, 1):
            field["metadata"] = {
                "delta.columnMapping.id": number,
                "delta.columnMapping.physicalName": f"col-{number}",
            }

    protocol = {"protocol": {"minReaderVersion": 2, "minWriterVersion": 5}}
    with_schema(url, mapped, protocol, columnMapping_mode="name", columnMapping_maxColumnId="8")


def annotate_names_without_the_feature(url: str) -> None:
    """No reader takes such a table."""
    bad = {"delta.columnMapping.id": 1, "delta.columnMapping.physicalName": "col-1"}
    with_schema(url, lambda fields: fields[0].update(metadata=bad))


def column_mapping(url: str) -> None:
    DeltaTable(url).alter.add_feature(TableFeatures.ColumnMapping, allow_protocol_versions_increase=True)


def row_tracking(url: str) -> None:
    DeltaTable(url).alter.add_feature(TableFeatures.RowTracking, allow_protocol_versions_increase=True)


def unknown_feature_for_writers(url: str) -> None:
    committed(url, {"protocol": {"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": ["nosuch"]}})


def unknown_feature_for_readers(url: str) -> None:
    features = {"readerFeatures": ["nosuch"], "writerFeatures": ["nosuch"]}
    committed(url, {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, **features}})


def constraint_that_is_violated(url: str) -> None:
    DeltaTable(url).alter.add_constraint({"few": "age < 5"})


def partition(url: str) -> None:
    """As Spark does with overwriteSchema: the table anew, under its transactions."""
    found = QueryBuilder().register("it", DeltaTable(url)).execute("SELECT * FROM it").read_all()
    steps = [
        action
        for file in sorted(Path(url, "_delta_log").glob("*.json"))
        for line in file.read_text().splitlines()
        if "txn" in (action := json.loads(line))
    ]
    shutil.rmtree(url)
    write_deltalake(url, found, partition_by=["_partition"])
    committed(url, steps[-1])


REFUSED = [
    (drop_a_column, "the column 'age' is gone"),
    (rename_a_column, "the column 'age' is gone"),
    (change_a_type, "the column 'age' is of type string, it was int"),
    (widen_a_type, "the column 'age' is of type bigint, it was int"),
    (overwrite, "the column 'user_name' is gone"),
    (add_a_column_that_needs_a_value, "the new column 'must' has to have a value"),
    (add_a_generated_column, "the new column 'made' has to have a value"),
    (map_names, "has another name in the files"),
    (annotate_names_without_the_feature, "Column mapping is not enabled"),
    (column_mapping, "features that this program lacks: ColumnMapping"),
    (row_tracking, "features that this program lacks: RowTracking"),
    (unknown_feature_for_writers, "features that this program lacks"),
    (unknown_feature_for_readers, "features that this program lacks: nosuch"),
    (constraint_that_is_violated, r"rows violate its constraints: few \(age < 5\)"),
    (partition, "it is partitioned by _partition"),
]


def refused(runtime: Runtime, match: str) -> None:
    """The job says which change it was, for good, with the command that mends it; other jobs go on."""
    for name in ("pin", "geo"):
        post(runtime, topic("stream", name), rows({"ind": 1, "index": 1}))
    with pytest.raises(ChangedTableError, match=match) as changed:
        drain(runtime, "stream")
    assert table("stream", "user") in changed.value.what
    assert changed.value.hint == "pinflow replay stream user"
    by_topic = {each.topic: each for each in status(runtime)}
    assert [by_topic[topic("stream", name)].to_clean for name in ("pin", "geo")] == [0, 0]
    jobs = {each.job: each.state for each in by_topic[topic("stream", "user")].failing}
    assert jobs[road_of().job] == "set aside"


@pytest.mark.parametrize(("change", "match"), REFUSED)
def test_what_it_cannot_go_on_with_is_named_and_a_replay_mends_it(
    runtime: Runtime, change: Change, match: str
) -> None:
    fill(runtime)
    change(url_of(runtime))
    more(runtime)
    refused(runtime, match)
    assert replay(runtime, road_of()).swapped
    drain(runtime)
    assert ages(runtime) == ALL
    assert audit(runtime, deep=True).ok
    assert [each.failing for each in status(runtime) if each.failing] == []


@pytest.mark.parametrize("point", ["planned", "prepared", "receipted"])
@pytest.mark.parametrize(("change", "match"), REFUSED)
def test_so_it_is_when_the_table_changes_under_a_step(
    runtime: Runtime, change: Change, match: str, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step is planned and cannot be committed: the replay covers it."""
    fill(runtime)
    more(runtime)

    def hit(kind: str, where: str) -> None:
        if (kind, where) == ("stream", point):
            change(url_of(runtime))

    with monkeypatch.context() as patched:
        patched.setattr("pinflow.steps.steps.hit", hit)
        with pytest.raises(ChangedTableError, match=match):
            drain(runtime, "stream")
    assert replay(runtime, road_of()).swapped
    drain(runtime)
    assert ages(runtime) == ALL
    assert audit(runtime, deep=True).ok


@pytest.mark.parametrize("change", CARRIED)
def test_a_change_under_a_step_that_can_be_carried_is(
    runtime: Runtime, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(runtime)
    more(runtime)

    def hit(kind: str, where: str) -> None:
        if (kind, where) == ("stream", "receipted"):
            change(url_of(runtime))

    with monkeypatch.context() as patched:
        patched.setattr("pinflow.steps.steps.hit", hit)
        drain(runtime, "stream")
    assert ages(runtime) == ALL
    assert audit(runtime, deep=True).ok


def test_a_replay_of_a_stuck_step_that_is_killed_after_its_fence_is_run_again(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(runtime)
    constraint_that_is_violated(url_of(runtime))
    more(runtime)
    with pytest.raises(ChangedTableError):
        drain(runtime, "stream")

    class KilledError(Exception):
        pass

    def hit(_kind: str, where: str) -> None:
        if where in {"fenced", "stamped"}:
            raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr("pinflow.jobs.replay.replay.hit", hit)
        with pytest.raises(KilledError):
            replay(runtime, road_of())
    with pytest.raises(PinflowError):
        drain(runtime, "stream")  # nobody goes on beside it
    assert replay(runtime, road_of()).swapped
    drain(runtime)
    assert ages(runtime) == ALL
    assert audit(runtime, deep=True).ok


def test_a_table_that_is_mended_and_changed_again_is_mended_again(runtime: Runtime) -> None:
    fill(runtime)
    for ind in (20, 21):
        drop_a_column(url_of(runtime))
        post(runtime, topic("stream", "user"), rows({"ind": ind}))
        with pytest.raises(ChangedTableError):
            drain(runtime, "stream")
        assert replay(runtime, road_of()).swapped
        drop_a_column(url_of(runtime))  # right after the swap, before any step
        assert replay(runtime, road_of()).swapped
        drain(runtime)
    assert [ind for ind, _ in ages(runtime)] == [1, 2, 11, 12, 20, 21]
    assert audit(runtime, deep=True).ok


def test_a_table_that_another_program_has_deleted_is_missed_and_a_replay_makes_it_anew(
    runtime: Runtime,
) -> None:
    fill(runtime)
    shutil.rmtree(url_of(runtime))
    more(runtime)
    assert any("steps that were committed to the table are missing" in problem for problem in audit(runtime).problems)
    with pytest.raises(CorruptError, match="has lost commits") as lost:
        drain(runtime, "stream")
    assert "pinflow replay stream user" in lost.value.hint
    assert replay(runtime, road_of()).swapped
    drain(runtime)
    assert ages(runtime) == ALL
    assert audit(runtime, deep=True).ok


# Rows that others delete, add or change.


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
        assert f"pinflow replay stream {name}" in found.problems[0]
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


# The tables beside those of clean rows.


def test_a_quarantine_that_others_have_widened_takes_rejects(runtime: Runtime) -> None:
    post(runtime, topic("stream", "user"), [b"1"])
    drain(runtime, "land", "stream")
    add_columns(road_of().open_quarantine(runtime.tables).url)
    post(runtime, topic("stream", "user"), [b"2"])
    drain(runtime, "land", "stream")
    assert len(select(runtime, f'SELECT raw FROM "{table("stream", "user")}_quarantine"')) == 2
    assert audit(runtime, deep=True).ok


def test_a_quarantine_that_cannot_be_written_is_mended_by_a_replay(runtime: Runtime) -> None:
    post(runtime, topic("stream", "user"), [b"1"])
    drain(runtime, "land", "stream")
    url = road_of().open_quarantine(runtime.tables).url
    rewritten(url, quoted([name for name in names(url) if name != "reason"]))
    post(runtime, topic("stream", "user"), [b"2", b'{"ind": 5, "age": 5}'])
    with pytest.raises(ChangedTableError, match=r"user_table_quarantine.*'reason' is gone"):
        drain(runtime, "stream")
    assert replay(runtime, road_of()).swapped
    drain(runtime)
    assert len(select(runtime, f'SELECT raw FROM "{table("stream", "user")}_quarantine"')) == 2
    assert audit(runtime, deep=True).ok


def test_a_widened_manifest_takes_what_lands(runtime: Runtime) -> None:
    post(runtime, topic("batch", "user"), rows({"ind": 1}))
    drain(runtime, "land")
    add_columns(runtime.landing.manifest.url)
    post(runtime, topic("batch", "user"), rows({"ind": 2}))
    drain(runtime, "land", "batch")
    assert len(select(runtime, "SELECT ind FROM user")) == 2
    assert audit(runtime, deep=True).ok


def test_a_manifest_that_cannot_be_written_says_what_to_do(runtime: Runtime) -> None:
    post(runtime, topic("batch", "user"), rows({"ind": 1}))
    drain(runtime, "land")
    url = runtime.landing.manifest.url
    rewritten(url, quoted([name for name in names(url) if name != "crc"]))
    post(runtime, topic("batch", "user"), rows({"ind": 2}))
    with pytest.raises(ChangedTableError, match=r"table 'landing'.*'crc' is gone") as changed:
        drain(runtime, "land")
    assert "restore" in changed.value.hint
    delta = DeltaTable(url)
    delta.restore(delta.version() - 1)
    assert drain(runtime, "land", "batch") == 3
    assert audit(runtime, deep=True).ok


def test_a_changed_table_keeps_its_own_topic_in_the_log_and_no_other(settings: Settings) -> None:
    config = msgspec.structs.replace(settings.config, log=Log(url=settings.config.log.url, retention_bytes=1))
    with Runtime(msgspec.structs.replace(settings, config=config)) as runtime:
        fill(runtime)
        for ind in (1, 2):
            post(runtime, topic("stream", "geo"), rows({"ind": ind}))
            drain(runtime, "land", "stream")
        unknown_feature_for_readers(url_of(runtime))
        done = maintain(runtime)
        assert done.trimmed.keys() == {topic("stream", "geo")}
        assert any(problem.startswith(topic("stream", "user")) for problem in done.problems)


def test_one_changed_table_hides_no_other_from_questions_audit_and_maintain(runtime: Runtime) -> None:
    fill(runtime)
    post(runtime, topic("stream", "geo"), rows({"ind": 1}))
    drain(runtime, "stream")
    unknown_feature_for_readers(url_of(runtime))
    assert select(runtime, f'SELECT ind FROM "{table("stream", "geo")}"') == [(1,)]
    with pytest.raises(ChangedTableError):
        ages(runtime)
    lines = {(line.topic, line.partition): line for line in audit(runtime).lines}
    assert lines[topic("stream", "geo"), 0].difference == 0
    assert lines[topic("stream", "user"), 0].difference == 4
    states = {each.topic: [failing.state for failing in each.failing] for each in status(runtime)}
    assert states == {topic("stream", "geo"): [], topic("stream", "user"): ["unreadable"]}
    done = maintain(runtime)
    assert table("stream", "geo") in [each.table for each in done.tables]
    assert any(table("stream", "user") in problem for problem in done.problems)
