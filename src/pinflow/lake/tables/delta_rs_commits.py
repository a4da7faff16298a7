"""Commits to a Delta table by delta-rs. Each carries a transaction (job, step), and the id of its writer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from deltalake import (
    CommitProperties,
    DeltaTable,
    PostCommitHookProperties,
    QueryBuilder,
    Transaction,
    write_deltalake,
)

from pinflow.lake.tables.protocol import Append, Nothing, Remove, Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arro3.core.types import ArrowStreamExportable

    from pinflow.lake.tables.protocol import Change, RowOffsets

__all__ = ["HOOKS", "carries", "commit_change"]

HOOKS = PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)

REBASES = 15
"""How many appends of others a removal lets pass while it commits; it takes longer than they do."""

WRITER = "writer"
"""The key in the commit's metadata whose value is the writer's id."""

RECENT = 100
"""How many commits are searched for one whose answer was lost: others make fewer in that time."""


def commit_change(
    delta: DeltaTable, change: Change, job: str, step: int, writer_id: str, *, wider: bool
) -> None:
    """Make a change in one commit; fails if others have committed. Further columns of a `wider` table get NULL.

    A replacement carries no transaction, since it can be repeated without a difference.
    """
    if isinstance(change, Remove):
        _remove(delta, change, job, step, writer_id)
        return
    if isinstance(change, Nothing):
        _append(delta, _no_rows(delta), _properties(job, step, writer_id))
        return
    schema_mode: Literal["merge"] | None = "merge" if wider else None
    if isinstance(change, Append):
        _append(delta, change.rows, _properties(job, step, writer_id), schema_mode)
        return
    write_deltalake(
        delta,
        change.rows,
        mode="overwrite",
        schema_mode=schema_mode,
        predicate=_predicate(change.records),
        commit_properties=CommitProperties(max_commit_retries=0, custom_metadata={WRITER: writer_id}),
        post_commithook_properties=HOOKS,
    )


def carries(delta: DeltaTable, writer_id: str) -> bool:
    """Whether this writer made one of the last commits of the table."""
    return any(commit.get(WRITER) == writer_id for commit in delta.history(RECENT))


def _append(
    delta: DeltaTable,
    rows: ArrowStreamExportable,
    properties: CommitProperties,
    schema_mode: Literal["merge"] | None = None,
) -> None:
    write_deltalake(
        delta,
        rows,
        mode="append",
        schema_mode=schema_mode,
        commit_properties=properties,
        post_commithook_properties=HOOKS,
    )


def _remove(delta: DeltaTable, change: Remove, job: str, step: int, writer_id: str) -> None:
    """Remove rows while others append; a commit is made whether or not any of the rows exists."""
    delta.delete(
        _predicate(change.row_offsets),
        commit_properties=_properties(job, step, writer_id, retries=REBASES),
        post_commithook_properties=HOOKS,
    )
    if delta.transaction_version(job) != step:  # none of the rows exists: then the library makes no commit
        _append(delta, _no_rows(delta), _properties(job, step, writer_id))


def _no_rows(delta: DeltaTable) -> ArrowStreamExportable:
    return QueryBuilder().register("this", delta).execute("SELECT * FROM this LIMIT 0").read_all()


def _properties(job: str, step: int, writer_id: str, *, retries: int = 0) -> CommitProperties:
    return CommitProperties(
        app_transactions=[Transaction(job, step)],
        max_commit_retries=retries,
        custom_metadata={WRITER: writer_id},
    )


def _predicate(records: Sequence[Span | RowOffsets]) -> str:
    """A condition for the rows of records, with bounds by which the library skips files."""
    return " OR ".join(
        f"(_partition = {each.partition} AND _offset BETWEEN {each.first} AND {each.last})"
        if isinstance(each, Span)
        else f"(_partition = {each.partition} AND _offset >= {min(each.offsets)} AND _offset <= {max(each.offsets)}"
        f" AND _offset IN ({', '.join(map(str, each.offsets))}))"
        for each in records
    )
