"""maintain: keep the log, the tables and the plans small while others write and read.

1. Trim records from the log that every job has committed and that are past the retention.
2. Remove each table's superseded rows, in steps that count them (`jobs.maintain.superseded_rows`).
3. Join the table's many small files into a few.
4. Write its state as a checkpoint, and delete old commits that the checkpoint covers.
5. Delete files that the table stopped using longer ago than `maintain.retention_hours`.
6. Delete old plans and receipts of its jobs, all but the last `maintain.keep_steps`.
7. Delete generations that a replay replaced longer ago than the same time, with their plans.

Every step is safe to repeat and may be killed at any point; the next run does what this one left undone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pinflow.errors import ChangedTableError, TransientError
from pinflow.failpoints import hit
from pinflow.jobs.maintain.leftovers import remove_leftovers
from pinflow.jobs.maintain.retention import trim_log
from pinflow.jobs.maintain.superseded_rows import RemovalJob, clocks_of, count_superseded, removal_name
from pinflow.jobs.pipelines import pipelines
from pinflow.jobs.topics import list_topics
from pinflow.lake.tables.upkeep import as_delta_rs, checkpoint, clean_log, compact, vacuum
from pinflow.steps.ledger import remove_plans
from pinflow.steps.steps import Steps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinflow.jobs.pipelines import Pipeline
    from pinflow.jobs.runtime import Runtime
    from pinflow.lake.tables.delta_rs import DeltaRsTable
    from pinflow.steps.observer import Observer

__all__ = ["Maintained", "TableUpkeep", "maintain"]


class TableUpkeep(msgspec.Struct, frozen=True):
    """What was done to one table: superseded rows removed; files joined; commits, files and plans deleted."""

    table: str
    superseded: int
    joined: int
    commits: int
    files: int
    plans: int


class Maintained(msgspec.Struct, frozen=True):
    """What one run did, or with `dry_run` would do; `trimmed` is topic → records that left the log.

    `problems` describes tables that could not be maintained, since other programs kept writing to them or changed
    them; the next run tries them again.
    """

    dry_run: bool
    tables: list[TableUpkeep]
    trimmed: dict[str, int]
    generations: list[str]
    problems: list[str]


def maintain(runtime: Runtime, *, dry_run: bool = False, observer: Observer | None = None) -> Maintained:
    """Maintain everything once. With `dry_run` nothing changes, and the log is not read.

    Steps that remove superseded rows are reported to the observer.

    Raises:
        FencedError: Another maintain is removing superseded rows of the same table.
        UnavailableError: The log or the lake cannot be read.
    """
    tables, problems = [], list[str]()
    trimmed = {} if dry_run else trim_log(runtime, problems)
    for table, jobs, pipeline in _list_tables(runtime):
        try:
            tables.append(_maintain_table(runtime, table, jobs, pipeline, observer, dry_run=dry_run))
        except (TransientError, ChangedTableError) as error:
            problems.append(f"{table.name}: {error.what}")
    generations = remove_leftovers(runtime, dry_run=dry_run)
    return Maintained(dry_run, tables, trimmed, generations, problems)


def _list_tables(runtime: Runtime) -> Iterator[tuple[DeltaRsTable, list[str], Pipeline | None]]:
    """Every existing table, the jobs that commit to it, and its pipeline if it holds clean rows."""
    manifest = runtime.landing.manifest
    if manifest.exists():
        yield manifest, [f"land/{topic}" for topic in list_topics(runtime)], None
    for pipeline in pipelines(runtime.config.id):
        generation = pipeline.generation(runtime.store)
        table, quarantine = pipeline.tables_of(runtime.tables, generation)
        if table.exists():
            yield as_delta_rs(runtime.store, table), [pipeline.job, removal_name(table.folder)], pipeline
        for other in (quarantine, pipeline.open_nulled(runtime.tables, generation)):
            if other.exists():
                yield as_delta_rs(runtime.store, other), [], None


def _maintain_table(
    runtime: Runtime,
    table: DeltaRsTable,
    jobs: list[str],
    pipeline: Pipeline | None,
    observer: Observer | None,
    *,
    dry_run: bool,
) -> TableUpkeep:
    hours = runtime.config.maintain.retention_hours
    if dry_run:
        superseded = (
            count_superseded(pipeline, runtime.tables, runtime.engine, clocks_of(runtime, pipeline))
            if pipeline is not None
            else 0
        )
        files = vacuum(runtime.store, table, hours, dry_run=True)
        return TableUpkeep(table.name, superseded, compact(table, dry_run=True), 0, files, 0)
    superseded = _remove_superseded(runtime, pipeline, observer) if pipeline is not None else 0
    joined = compact(table)
    hit("maintain", "compacted")
    checkpoint(table)
    hit("maintain", "checkpointed")
    commits = clean_log(runtime.store, table, jobs)
    hit("maintain", "log-cleaned")
    files = vacuum(runtime.store, table, hours)
    hit("maintain", "vacuumed")
    keep, now = runtime.config.maintain.keep_steps, table.snapshot()
    plans = sum(remove_plans(runtime.store, job, now.step_of(job) - keep + 1) for job in jobs)
    return TableUpkeep(table.name, superseded, joined, commits, files, plans)


def _remove_superseded(runtime: Runtime, pipeline: Pipeline, observer: Observer | None) -> int:
    steps = Steps(
        runtime.store,
        RemovalJob(pipeline, runtime.tables, runtime.engine, clocks_of(runtime, pipeline)),
        observer=observer,
    )
    removed = 0
    while plan := steps.advance():
        removed += sum(len(each.offsets) for each in plan.row_offsets)
    return removed
