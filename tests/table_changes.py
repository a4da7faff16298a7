"""What another program may do to a table: changes that a job carries on with, and changes that stop it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arro3.core import Array, DataType
from arro3.core import Table as Arrow
from deltalake import DeltaTable, QueryBuilder, TableFeatures, write_deltalake
from deltalake.schema import Field, PrimitiveType

from pinflow.jobs.pipelines import Pipeline, side_pipelines
from tests.pipeline import ID, drain, post, rows, select, table, topic

if TYPE_CHECKING:
    from collections.abc import Callable

    from pinflow.jobs.pipelines import Side
    from pinflow.jobs.runtime import Runtime

    Change = Callable[[str], None]


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
