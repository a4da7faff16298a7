"""Commits to a Delta table: each carries a transaction (job, step), and a mark of the call that makes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from deltalake import (
    CommitProperties,
    DeltaTable,
    PostCommitHookProperties,
    QueryBuilder,
    Transaction,
    write_deltalake,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arro3.core.types import ArrowStreamExportable

__all__ = [
    "HOOKS",
    "RowOffsets",
    "Span",
    "append_rows",
    "bears",
    "commit_nothing",
    "remove_rows",
    "replace_rows",
]

HOOKS = PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)

REBASES = 15
"""Appends of others that a removal lets pass while it commits; it takes longer than they do."""

WRITER = "writer"
"""The commit's metadata in which stands which call has made it."""

RECENT = 100
"""Commits looked through for one whose answer was lost: others make fewer meanwhile."""


class RowOffsets(NamedTuple):
    """Rows of one partition, by their offsets."""

    partition: int
    offsets: list[int]


class Span(NamedTuple):
    """Offsets of one partition, from the first to the last."""

    partition: int
    first: int
    last: int


def append_rows(
    delta: DeltaTable, rows: ArrowStreamExportable, job: str, step: int, mark: str, *, wider: bool = False
) -> None:
    """Append rows in one commit; fails if the table has moved. In one that is `wider` other columns are NULL."""
    write_deltalake(
        delta,
        rows,
        mode="append",
        schema_mode="merge" if wider else None,
        commit_properties=_properties(job, step, mark, retries=0),
        post_commithook_properties=HOOKS,
    )


def remove_rows(delta: DeltaTable, places: Sequence[RowOffsets], job: str, step: int, mark: str) -> None:
    """Remove rows in one commit, beside appends; a commit is made whether or not any of them is there."""
    delta.delete(
        _predicate(places),
        commit_properties=_properties(job, step, mark, retries=REBASES),
        post_commithook_properties=HOOKS,
    )
    if delta.transaction_version(job) != step:  # none of the rows is there: then no commit is made
        commit_nothing(delta, job, step, mark)


def replace_rows(
    delta: DeltaTable, spans: Sequence[Span | RowOffsets], rows: ArrowStreamExportable, *, wider: bool = False
) -> None:
    """Put rows in the place of all that are of these records, in one commit; fails if the table has moved.

    It carries no transaction: to do it again makes no difference.
    """
    write_deltalake(
        delta,
        rows,
        mode="overwrite",
        schema_mode="merge" if wider else None,
        predicate=_predicate(spans),
        commit_properties=CommitProperties(max_commit_retries=0),
        post_commithook_properties=HOOKS,
    )


def commit_nothing(delta: DeltaTable, job: str, step: int, mark: str) -> None:
    """Commit no rows; fails if the table has moved."""
    nothing = QueryBuilder().register("this", delta).execute("SELECT * FROM this LIMIT 0").read_all()
    append_rows(delta, nothing, job, step, mark)


def bears(delta: DeltaTable, mark: str) -> bool:
    """Whether a late commit of the table bears a mark."""
    return any(commit.get(WRITER) == mark for commit in delta.history(RECENT))


def _properties(job: str, step: int, mark: str, *, retries: int) -> CommitProperties:
    return CommitProperties(
        app_transactions=[Transaction(job, step)], max_commit_retries=retries, custom_metadata={WRITER: mark}
    )


def _predicate(records: Sequence[Span | RowOffsets]) -> str:
    """The rows of records, named one by one or from the first to the last; by the bounds files are passed over."""
    return " OR ".join(
        f"(_partition = {each.partition} AND _offset BETWEEN {each.first} AND {each.last})"
        if isinstance(each, Span)
        else f"(_partition = {each.partition} AND _offset >= {min(each.offsets)} AND _offset <= {max(each.offsets)}"
        f" AND _offset IN ({', '.join(map(str, each.offsets))}))"
        for each in records
    )
