"""audit: does what came in add up with what came out?

For every partition of a pipeline, at any time: accepted = cleaned + superseded + quarantined + waiting. The sums come
from the ranges of the log's partitions, the jobs' receipts and the tables' metadata; `deep` counts rows
instead, looks for records that occur twice, and compares the log and every landed object with their checksums. The
receipts of `maintain` count the superseded rows that it removed: they still count as superseded.

Cells that had a text and that a rule made NULL are not a difference. They are counted, also in superseded rows; there
are never more samples than cells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pinflow.config import mask
from pinflow.datasets import LINEAGE, over_ranked
from pinflow.engine import View, as_int
from pinflow.errors import ChangedTableError, CorruptError
from pinflow.jobs.maintain.superseded_rows import removed_rows
from pinflow.jobs.pipelines import NULLED, QUARANTINE, Pipeline, pipelines
from pinflow.jobs.reports.integrity import find_damage
from pinflow.jobs.topics import count_accepted, landed_only_topics, list_topics
from pinflow.lake.landing.zone import read_manifest
from pinflow.sql_files import read_sql
from pinflow.steps.plan import Tally
from pinflow.steps.standing import lost_plan, read_standing

if TYPE_CHECKING:
    from pinflow.jobs.runtime import Runtime
    from pinflow.lake.tables.protocol import Snapshot

__all__ = ["Audit", "AuditLine", "audit"]


class AuditLine(msgspec.Struct, frozen=True):
    """One partition of a topic. Counts are records.

    `table` is None for a topic that no side reads: it is landed only. Only a deep audit counts `superseded` rows; if it
    is None, `cleaned` includes them. `difference` is 0 if everything adds up. `nulled` counts by field the cells that
    had a text and that a rule made NULL.
    """

    topic: str
    partition: int
    table: str | None
    accepted: int
    landed: int
    cleaned: int
    superseded: int | None
    quarantined: int
    waiting: int
    difference: int
    nulled: dict[str, int] = {}


class Audit(msgspec.Struct, frozen=True):
    """The lines of an audit, and in words what is wrong; `ok` when nothing is."""

    ok: bool
    deep: bool
    lines: list[AuditLine]
    problems: list[str]


class _RowCounts(msgspec.Struct, frozen=True):
    """Counts of one partition: all rows, those not superseded, distinct offsets, rejects, distinct offsets of rejects.

    `both` counts records that have a row and are in quarantine as well; `samples` counts by field the samples of cells
    that became NULL, and their distinct records.
    """

    rows: int = 0
    standing: int = 0
    offsets: int = 0
    rejects: int = 0
    reject_offsets: int = 0
    both: int = 0
    samples: dict[str, tuple[int, int]] = {}


def audit(runtime: Runtime, *, deep: bool = False) -> Audit:
    """Add up every partition of every topic.

    Raises:
        UnavailableError: The log or the lake cannot be read.
    """
    problems: list[str] = []
    identity = runtime.log.identity
    if runtime.lake_log() not in (None, identity):
        problems.append(
            f"{mask(runtime.config.log.url)}: the log is not the one that this lake is filled from"
        )
    by_topic = {pipeline.topic: pipeline for pipeline in pipelines(runtime.config.id)}
    manifest = runtime.landing.manifest.snapshot()
    lines: list[AuditLine] = []
    without_log = landed_only_topics(runtime)
    for topic in list_topics(runtime):
        landed = read_standing(runtime.store, f"land/{topic}", manifest).totals
        pipeline = by_topic.get(topic)
        state = (
            _read_pipeline_or_report(runtime, pipeline, problems, deep=deep) if pipeline is not None else None
        )
        accepted = count_accepted(runtime, topic, manifest, only_landed=topic in without_log)
        for partition, count in accepted.items():
            line = _line(topic, partition, count, landed.get(partition, Tally()), pipeline, state)
            lines.append(line)
            if line.difference or line.waiting < 0:
                problems.append(
                    f"{topic} partition {partition}: {line.difference or -line.waiting} records do not add up"
                )
        problems += _landing_problems(manifest, topic, accepted, landed)
    if deep:
        problems += find_damage(runtime)
    return Audit(not problems, deep, lines, problems)


class _PipelineState(msgspec.Struct, frozen=True):
    """A pipeline at one moment: its job's sums, the rows that maintain removed and, if deep, counts of its rows."""

    pipeline: Pipeline
    totals: dict[int, Tally]
    removed: dict[int, int]
    rows: dict[int, _RowCounts] | None


def _read_pipeline_or_report(
    runtime: Runtime, pipeline: Pipeline, problems: list[str], *, deep: bool
) -> _PipelineState | None:
    """Read a pipeline's tables; if they cannot be read, add that to the problems and return None."""
    try:
        return _read_pipeline(runtime, pipeline, problems, deep=deep)
    except (ChangedTableError, CorruptError) as error:
        problems.append(f"{pipeline.table}: {error.what}; next: {error.hint}")
        return None


def _read_pipeline(
    runtime: Runtime, pipeline: Pipeline, problems: list[str], *, deep: bool
) -> _PipelineState:
    """Read a pipeline's tables as of one step of its job, whatever is committed meanwhile."""
    generation = pipeline.generation(runtime.store)
    now_table, now_quarantine = pipeline.tables_of(runtime.tables, generation)
    table = now_table.snapshot()
    stands = read_standing(runtime.store, pipeline.job, table)
    step, totals = stands.step, stands.totals
    quarantine = now_quarantine.snapshot(pipeline.job, at_most=step)
    nulled = pipeline.open_nulled(runtime.tables, generation).snapshot(pipeline.job, at_most=step)
    removed = removed_rows(runtime.store, table)
    if lost_plan(runtime.store, pipeline.job, now_table, step) is not None:
        problems.append(
            f"{table.name}: steps that were committed to the table are missing; next: {table.mend}"
        )
    for each, counted, gone in ((table, "rows", sum(removed.values())), (quarantine, "rejected", 0)):
        each.require_readable()
        expected = sum(getattr(tally, counted) for tally in totals.values()) - gone
        if (held := each.num_rows()) != expected:
            problems.append(_describe_miscount(each, held, expected))
    cells = sum(sum(tally.cells.values()) for tally in totals.values())
    if (samples := nulled.num_rows()) > cells:
        problems.append(
            f"{nulled.name}: the table holds {samples} samples, its job's receipts say {cells} cells"
        )
    rows = None
    if deep:
        try:
            rows = _rows_by_partition(runtime, pipeline, table, quarantine, nulled)
        except (ChangedTableError, CorruptError) as error:
            problems.append(f"{error.where}: {error.what}")
        for partition, seen in (rows or {}).items():
            problems += _row_problems(pipeline, partition, seen)
            problems += _sample_problems(pipeline, partition, seen, totals.get(partition, Tally()))
    return _PipelineState(pipeline, totals, removed, rows)


def _describe_miscount(table: Snapshot, held: int, expected: int) -> str:
    """Describe that a table does not hold the rows that its job has written to it."""
    counts = f"the table holds {held} rows, its job's receipts say {expected}"
    if held < expected:
        return (
            f"{table.name}: {expected - held} rows are missing: {counts}; another program may have deleted them; "
            f"next: {table.mend}"
        )
    return f"{table.name}: {held - expected} rows were not written by its job: {counts}; next: {table.mend}"


def _line(
    topic: str,
    partition: int,
    accepted: int,
    landed: Tally,
    pipeline: Pipeline | None,
    state: _PipelineState | None,
) -> AuditLine:
    if pipeline is None:
        return AuditLine(topic, partition, None, accepted, landed.records, 0, None, 0, 0, 0)
    if state is None:  # its tables cannot be read
        return AuditLine(topic, partition, pipeline.table, accepted, landed.records, 0, None, 0, 0, accepted)
    total = state.totals.get(partition, Tally())
    superseded, cleaned, quarantined = None, total.rows, total.rejected
    if state.rows is not None:
        seen = state.rows.get(partition, _RowCounts())
        superseded = seen.rows - seen.standing + state.removed.get(partition, 0)
        cleaned, quarantined = seen.standing, seen.rejects
    return AuditLine(
        topic=topic,
        partition=partition,
        table=state.pipeline.table,
        accepted=accepted,
        landed=landed.records,
        cleaned=cleaned,
        superseded=superseded,
        quarantined=quarantined,
        waiting=accepted - total.records,
        difference=total.records - cleaned - (superseded or 0) - quarantined,
        nulled=total.cells,
    )


def _rows_by_partition(
    runtime: Runtime, pipeline: Pipeline, table: Snapshot, quarantine: Snapshot, nulled: Snapshot
) -> dict[int, _RowCounts]:
    session = runtime.engine.session(
        [
            View("kept", table, pipeline.dataset.clean | LINEAGE),
            View("rejects", quarantine, QUARANTINE),
            View("samples", nulled, NULLED),
        ]
    )
    try:
        kept = session.ask(STANDING, where="pinflow/datasets/standing.sql").rows
        rejects = session.ask(read_sql(PACKAGE, "rejects"), where="audit").rows
        both = session.ask(read_sql(PACKAGE, "both"), where="audit").rows
        samples = session.ask(read_sql(PACKAGE, "samples"), where="audit").rows
    finally:
        session.close()
    found: dict[int, _RowCounts] = {}
    for partition, rows, offsets, standing in kept:
        found[as_int(partition)] = _RowCounts(
            rows=as_int(rows), offsets=as_int(offsets), standing=as_int(standing)
        )
    for partition, count, offsets in rejects:
        before = found.get(as_int(partition), _RowCounts())
        found[as_int(partition)] = msgspec.structs.replace(
            before, rejects=as_int(count), reject_offsets=as_int(offsets)
        )
    for partition, count in both:
        found[as_int(partition)] = msgspec.structs.replace(found[as_int(partition)], both=as_int(count))
    for partition, field, count, offsets in samples:
        before = found.get(as_int(partition), _RowCounts())
        counts = before.samples | {str(field): (as_int(count), as_int(offsets))}
        found[as_int(partition)] = msgspec.structs.replace(before, samples=counts)
    return found


PACKAGE = "pinflow.jobs.reports"

STANDING = over_ranked("standing").replace("{table}", "kept")


def _row_problems(pipeline: Pipeline, partition: int, seen: _RowCounts) -> list[str]:
    problems = []
    if seen.rows != seen.offsets:
        problems.append(
            f"{pipeline.table} partition {partition}: {seen.rows - seen.offsets} records occur twice"
        )
    if seen.rejects != seen.reject_offsets:
        twice = seen.rejects - seen.reject_offsets
        problems.append(f"{pipeline.quarantine} partition {partition}: {twice} records occur twice")
    if seen.both:
        problems.append(
            f"{pipeline.table} partition {partition}: {seen.both} records are in quarantine too, so others are missing"
        )
    return problems


def _sample_problems(pipeline: Pipeline, partition: int, seen: _RowCounts, total: Tally) -> list[str]:
    problems = []
    for field, (samples, offsets) in seen.samples.items():
        cells = total.cells.get(field, 0)
        where = f"{pipeline.nulled} partition {partition}"
        if samples != offsets:
            problems.append(f"{where}: {samples - offsets} samples of {field} occur twice")
        if samples > cells:
            problems.append(f"{where}: {samples} samples of {field}, receipts say {cells} cells")
    return problems


def _landing_problems(
    manifest: Snapshot, topic: str, accepted: dict[int, int], landed: dict[int, Tally]
) -> list[str]:
    problems = []
    objects = read_manifest(manifest, topic)
    for partition, count in accepted.items():
        reported = landed.get(partition, Tally()).records
        held = sum(each.records for each in objects if each.partition == partition)
        if held != reported:
            problems.append(
                f"{topic} partition {partition}: the manifest has {held} records, receipts say {reported}"
            )
        if reported > count:
            problems.append(f"{topic} partition {partition}: {reported} records landed of {count} accepted")
    return problems
