"""What replays leave behind: generations that were replaced, and builds that were never finished."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING

from pinflow.errors import ChangedTableError
from pinflow.failpoints import hit
from pinflow.jobs.maintain.superseded_rows import removal_name
from pinflow.jobs.pipelines import Pipeline, pipelines
from pinflow.steps.generations import all_generations
from pinflow.steps.ledger import jobs_with_plans, list_objects, pending_plan
from pinflow.steps.standing import read_step

if TYPE_CHECKING:
    from pinflow.jobs.runtime import Runtime
    from pinflow.lake.store.objects import Store
    from pinflow.lake.tables.protocol import Tables
    from pinflow.steps.plan import Plan

__all__ = ["HOUR_MS", "build_name", "last_step_at", "list_builds", "remove_leftovers"]

HOUR_MS = 3_600_000


def remove_leftovers(runtime: Runtime, *, dry_run: bool = False) -> list[str]:
    """Delete folders that were unused for the whole retention, and return their names.

    Safe to repeat, and to kill at any point. A reader of an old generation has the retention to finish; a running
    replay plans steps more often than that. While a replay holds the job of a pipeline, the pipeline's builds stay.
    """
    before = time.time_ns() // 1_000_000 - runtime.config.maintain.retention_hours * HOUR_MS
    removed = []
    for pipeline in pipelines(runtime.config.id):
        folders = [
            *_find_replaced(runtime.store, pipeline, before),
            *_find_unfinished(runtime.tables, pipeline, before),
        ]
        for table, quarantine in folders:
            if _remove_generation(
                runtime.store, table, [quarantine, pipeline.nulled_folder(table)], dry_run=dry_run
            ):
                removed.append(table)
    return removed


def build_name(folder: str) -> str:
    """The job that builds a generation, named by the folder of its table."""
    return f"replay/{folder}"


def list_builds(store: Store, pipeline: Pipeline) -> list[str]:
    """The table folders of all builds of a pipeline that have plans, finished or not."""
    return [name for name in jobs_with_plans(store, "replay") if name.startswith(f"{pipeline.table}.g")]


def last_step_at(store: Store, folder: str) -> int:
    """When the newest step of a build was planned (milliseconds since 1970 UTC); 0 if it has no step."""
    step = 0
    newest: Plan | None = None
    while plan := pending_plan(store, build_name(folder), step):
        newest, step = plan, step + 1
    return newest.made_at if newest is not None else 0


def _find_replaced(store: Store, pipeline: Pipeline, before: int) -> list[tuple[str, str]]:
    generations = all_generations(store, pipeline.table, pipeline.quarantine)
    return [
        (old.table, old.quarantine)
        for old, following in pairwise(generations)
        if following.table != old.table and following.swapped_at < before
    ]


def _find_unfinished(tables: Tables, pipeline: Pipeline, before: int) -> list[tuple[str, str]]:
    store = tables.store
    try:
        pending = pending_plan(store, pipeline.job, read_step(pipeline.job, pipeline.open_table(tables)))
    except ChangedTableError:
        return []  # a replay's build may be about to repair this table
    if pending is not None and pending.is_held:
        return []
    known = {each.table for each in all_generations(store, pipeline.table, pipeline.quarantine)}
    return [
        (folder, f"{pipeline.quarantine}{folder.removeprefix(pipeline.table)}")
        for folder in list_builds(store, pipeline)
        if folder not in known and last_step_at(store, folder) < before
    ]


def _remove_generation(store: Store, table: str, others: list[str], *, dry_run: bool) -> bool:
    """Delete all objects of a generation: its tables first, since an interrupted removal is found by its plans."""
    paths = [path for folder in (table, *others) for path in sorted(store.list(f"tables/{folder}"))]
    paths += [*list_objects(store, removal_name(table)), *list_objects(store, build_name(table))]
    if paths and not dry_run:
        for path in paths:
            store.delete(path)
            hit("maintain", "generation-removed")
    return bool(paths)
