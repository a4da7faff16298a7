"""Changes that other programs make to a table, and whether pinflow can go on with them.

pinflow goes on with further columns that may be NULL (rows that it appends have NULL there), another order of the
columns, rewritten files, and table properties. It cannot go on with a column that is missing or has another type, a new
column that must have a value, column mapping, partitions, or features that the library lacks.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from deltalake.exceptions import SchemaMismatchError
from deltalake.schema import ArrayType, PrimitiveType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deltalake import DeltaTable
    from deltalake.schema import Field

    from pinflow.lake.tables.protocol import Column

__all__ = ["SPARK_TYPES", "delta_type", "explain_refusal", "is_wider", "read_obstacles", "write_obstacles"]

SPARK_TYPES = {
    "int": "integer",
    "bigint": "long",
    "string": "string",
    "binary": "binary",
    "float": "float",
    "timestamp": "timestamp",
}
"""Spark SQL type → Delta type."""

PHYSICAL_NAME = "delta.columnMapping.physicalName"

FILLED = ("delta.generationExpression", "delta.identity.start", "CURRENT_DEFAULT")
"""Metadata of a column whose values the writer has to generate."""

DELETION_VECTORS = "deletionVectors"

_FEATURE = re.compile(r"(?:features required: \[|Feature ')([\w, -]+)")
_LACKING = re.compile(
    r"unsupported|not supported|cannot cast schema|not found in schema|schema mismatch|schema error|append-only"
    r"|failed validation check",
    re.IGNORECASE,
)


def read_obstacles(delta: DeltaTable, columns: Sequence[Column]) -> list[str]:
    """Why the columns cannot be read from the table's files; empty if they can."""
    found = _column_changes(delta, columns)
    if DELETION_VECTORS in (delta.protocol().reader_features or []) and delta.deletion_vectors().read_all():
        found.append("rows are marked as deleted by deletion vectors, which pinflow does not read")
    return found


def write_obstacles(delta: DeltaTable, columns: Sequence[Column]) -> list[str]:
    """Why rows of these columns cannot be appended; empty if they can."""
    found = _column_changes(delta, columns)
    ours = {column.name for column in columns}
    for field in delta.schema().fields:
        if field.name not in ours and (not field.nullable or any(key in field.metadata for key in FILLED)):
            found.append(f"the new column {field.name!r} has to have a value")
    return found


def is_wider(delta: DeltaTable, columns: Sequence[Column]) -> bool:
    """Whether the table has further columns."""
    return len(delta.schema().fields) > len(columns)


def explain_refusal(delta: DeltaTable | None, error: object) -> str | None:
    """How a change of the table made the library refuse; None if the error has another cause."""
    text = str(error)
    if "non-2xx" in text or not (isinstance(error, SchemaMismatchError) or _LACKING.search(text)):
        return None
    if (features := _FEATURE.search(text)) is not None:
        return f"it has features that this program lacks: {features[1]}"
    if "failed validation check" in text and delta is not None:
        return f"rows violate its constraints: {_constraints(delta)}"
    return " ".join(text.split("\n", 1)[0].split())


def delta_type(name: str) -> PrimitiveType | ArrayType:
    """The Delta type of a Spark SQL type: one of `SPARK_TYPES`, or `array<…>` of one."""
    if name.startswith("array<"):
        return ArrayType(delta_type(name.removeprefix("array<").removesuffix(">")), contains_null=True)
    return PrimitiveType(SPARK_TYPES[name])


def _column_changes(delta: DeltaTable, columns: Sequence[Column]) -> list[str]:
    fields = {field.name: field for field in delta.schema().fields}
    found = []
    for column in columns:
        field = fields.get(column.name)
        if field is None:
            found.append(f"the column {column.name!r} is gone")
        elif (kind := _spark_type(field)) != column.type:
            found.append(f"the column {column.name!r} is of type {kind}, it was {column.type}")
        elif field.metadata.get(PHYSICAL_NAME, field.name) != field.name:
            found.append(f"the column {column.name!r} has another name in the files")
    partitions = delta.metadata().partition_columns
    if partitions:
        found.append(f"it is partitioned by {', '.join(partitions)}")
    return found


def _spark_type(field: Field) -> str:
    """The Spark SQL type of a column."""
    kind = field.type
    if isinstance(kind, ArrayType) and isinstance(kind.element_type, PrimitiveType):
        return f"array<{_spark_name(kind.element_type)}>"
    return _spark_name(kind) if isinstance(kind, PrimitiveType) else str(kind.type)


def _spark_name(kind: PrimitiveType) -> str:
    return next((name for name, delta in SPARK_TYPES.items() if delta == kind.type), str(kind.type))


def _constraints(delta: DeltaTable) -> str:
    prefix = "delta.constraints."
    named = {
        key.removeprefix(prefix): rule
        for key, rule in delta.metadata().configuration.items()
        if key.startswith(prefix)
    }
    return (
        ", ".join(f"{name} ({rule})" for name, rule in sorted(named.items())) or "a column must not be NULL"
    )
