"""replay: build a pipeline's tables again by the current rules, and swap table and quarantine at once.

1. **Build.** Read all records again that the pipeline's job has covered, from the landing zone or the log, and clean
   them into a fresh generation, in steps of a separate job, `replay/<folder>`. The pipeline's job continues meanwhile.
2. **Fence.** Plan the next step of the pipeline's job as a step that only replay can finish. From here on no worker can
   commit to the old generation: a running worker ends, and a starting one names the command to run.
3. **Build** the records that were covered since 1, exactly up to the job's positions.
4. **Compare** both generations.
5. **Stamp.** Make an empty commit to the new table, with the transaction (job, step).
6. **Swap.** Put the generation, if absent, with the sums of the build as the sums of the step: now readers and workers
   find the new tables, and the step is committed.

If another program has changed or deleted the table, the job's plans show its progress (`jobs.replay.coverage`), and the
build covers the job's last plan, even if no worker can commit it.

Readers see no change before 6, and the whole change after it. A replay that was killed can be run again: it continues
its build and keeps its fence. If it was killed before the fence, it need not be run again.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pinflow.errors import ChangedTableError, CorruptError, FencedError, GapError, UnavailableError
from pinflow.failpoints import hit
from pinflow.jobs.clean.clean import CleanJob, pipeline_reader
from pinflow.jobs.maintain.leftovers import HOUR_MS, build_name, last_step_at
from pinflow.jobs.replay.abandon import abandon
from pinflow.jobs.replay.compare import CellsChange, Difference, compare, compare_cells
from pinflow.jobs.replay.coverage import coverage
from pinflow.jobs.replay.rereading import Rereader, RereadTarget
from pinflow.lake.tables.protocol import Nothing
from pinflow.steps.commands import replaying
from pinflow.steps.generations import Generation, put_generation
from pinflow.steps.ledger import pending_plan, put_plan
from pinflow.steps.plan import Plan, Receipt
from pinflow.steps.standing import read_standing
from pinflow.steps.steps import Steps, this_worker

if TYPE_CHECKING:
    from typing import Literal

    from pinflow.jobs.pipelines import Pipeline
    from pinflow.jobs.runtime import Runtime

    Origin = Literal["landing", "log"]

__all__ = ["Replayed", "replay"]

FENCE_ATTEMPTS = 20
"""How often a running worker may plan a step before the fence does; each time the worker's step is finished first."""


class Replayed(msgspec.Struct, frozen=True):
    """The replay of one pipeline; `swapped` is False for a dry run. `records` is how many were read again.

    `cells` is None if they cannot be compared, since a dry run covers less than the job. `compared` is False if the
    old table cannot be read any more.
    """

    side: str
    dataset: str
    table: str
    swapped: bool
    records: int
    difference: Difference
    cells: list[CellsChange] | None = None
    compared: bool = True


class _Build(NamedTuple):
    """A generation that is being built, and the source of its records."""

    pipeline: Pipeline
    generation: Generation
    origin: Origin


def replay(
    runtime: Runtime, pipeline: Pipeline, *, origin: Origin = "landing", dry_run: bool = False
) -> Replayed:
    """Replay one pipeline; see the module. With `dry_run` it ends after the comparison, without a fence.

    A dry run covers whole landing objects only; on both sides it leaves out records beyond them.

    Raises:
        AbsentError: The pipeline's job has committed nothing yet.
        GapError: Some records cannot be read again.
        FencedError: Another replay of the same pipeline is running.
    """
    build = _choose_build(runtime, pipeline, origin)
    _advance(runtime, build, tail=False)
    hit("replay", "built")
    if dry_run:
        return _report_replay(runtime, build, swapped=False)
    plan = _fence(runtime, build)
    hit("replay", "fenced")
    _advance(runtime, build, tail=True)
    _require_complete(runtime, build)
    report = _report_replay(runtime, build, swapped=True)
    _swap(runtime, build, plan)
    return report


def _choose_build(runtime: Runtime, pipeline: Pipeline, origin: Origin) -> _Build:
    """The build by the current rules: one that was begun a short time ago, or a fresh one."""
    current = pipeline.generation(runtime.store)
    stem = f".g{current.number + 1}-{pipeline.dataset.rules}-{origin}"
    half_ms = runtime.config.maintain.retention_hours * HOUR_MS // 2
    attempt = 1
    while True:
        suffix = stem if attempt == 1 else f"{stem}-{attempt}"
        step_at = last_step_at(runtime.store, f"{pipeline.table}{suffix}")
        if not step_at or step_at >= time.time_ns() // 1_000_000 - half_ms or _is_fenced(runtime, pipeline):
            return _Build(
                pipeline,
                Generation(current.number + 1, f"{pipeline.table}{suffix}", f"{pipeline.quarantine}{suffix}"),
                origin,
            )
        attempt += 1  # it is so old that maintain may be deleting it


def _is_fenced(runtime: Runtime, pipeline: Pipeline) -> bool:
    pending = pending_plan(runtime.store, pipeline.job, coverage(runtime, pipeline).step)
    return pending is not None and pending.is_held


def _advance(runtime: Runtime, build: _Build, *, tail: bool) -> None:
    """Advance the build to the progress of the pipeline's job."""
    pipeline, name = build.pipeline, build_name(build.generation.table)
    table, _ = pipeline.tables_of(runtime.tables, build.generation)
    covered = coverage(runtime, pipeline)
    targets = {
        partition: RereadTarget(position, covered.totals[partition].records)
        for partition, position in covered.positions.items()
    }

    def count_done() -> dict[int, int]:
        totals = read_standing(runtime.store, name, table).totals
        return {number: tally.records for number, tally in totals.items()}

    landing = runtime.landing if build.origin == "landing" else None
    reader = Rereader(
        pipeline.topic, runtime.log, landing, runtime.config.batch, targets, count_done, tail=tail
    )
    job = CleanJob(pipeline, reader, runtime.tables, runtime.engine, generation=build.generation, name=name)
    steps = Steps(runtime.store, job)
    while steps.advance():
        continue


def _fence(runtime: Runtime, build: _Build) -> Plan:
    pipeline, by_plans = build.pipeline, False
    for _ in range(FENCE_ATTEMPTS):
        if not _is_next(runtime, build):
            raise _late_error(pipeline)
        last = coverage(runtime, pipeline, by_plans=by_plans)
        pending = pending_plan(runtime.store, pipeline.job, last.step)
        if pending is not None and pending.is_held:
            return pending
        if pending is not None:
            try:
                _finish_pending(runtime, pipeline)
            except ChangedTableError:
                by_plans = True  # no worker can finish the step: the build covers it
            continue
        plan = Plan(
            kind="swap",
            job=pipeline.job,
            step=last.step + 1,
            slices=[],
            positions=last.positions,
            worker=this_worker(),
            made_at=time.time_ns() // 1_000_000,
            command=replaying(pipeline.side, pipeline.dataset.name),
            since=time.time_ns(),
            swaps=pipeline.table,
        )
        if put_plan(runtime.store, plan):
            if not _is_next(runtime, build):  # another replay swapped in between: release the job
                abandon(runtime, pipeline)
                raise _late_error(pipeline)
            return plan
    raise UnavailableError(
        "a running worker planned a step first each time",
        where=pipeline.job,
        hint=f"stop pinflow {pipeline.side}, and run the replay again",
    )


def _is_next(runtime: Runtime, build: _Build) -> bool:
    return build.pipeline.generation(runtime.store).number + 1 == build.generation.number


def _finish_pending(runtime: Runtime, pipeline: Pipeline) -> None:
    """Commit the step that another worker has planned; of the two, one commits it."""
    job = CleanJob(pipeline, pipeline_reader(runtime, pipeline), runtime.tables, runtime.engine)
    try:
        Steps(runtime.store, job).advance(pending_only=True)
    except FencedError:
        return


def _require_complete(runtime: Runtime, build: _Build) -> None:
    built = _read_build(runtime, build)
    for partition, wanted in coverage(runtime, build.pipeline).totals.items():
        found = built.totals[partition].records if partition in built.totals else 0
        if found != wanted.records:
            raise GapError(
                f"only {found} of {wanted.records} records can be read again",
                where=f"{build.pipeline.topic} partition {partition}",
                hint="pinflow audit --deep",
            )


def _read_build(runtime: Runtime, build: _Build) -> Receipt:
    table, _ = build.pipeline.tables_of(runtime.tables, build.generation)
    name = build_name(build.generation.table)
    return read_standing(runtime.store, name, table).receipt or Receipt(name, 0, {})


def _report_replay(runtime: Runtime, build: _Build, *, swapped: bool) -> Replayed:
    built = _read_build(runtime, build)
    difference = _compare_tables(runtime, build, partial=not swapped)
    before = coverage(runtime, build.pipeline).totals.values()
    after = built.totals.values()
    whole = sum(tally.records for tally in before) == sum(tally.records for tally in after)
    return Replayed(
        side=build.pipeline.side,
        dataset=build.pipeline.dataset.name,
        table=build.pipeline.table,
        swapped=swapped,
        records=sum(tally.records for tally in after),
        difference=difference or Difference(0, 0, 0, 0, {}, []),
        cells=compare_cells(before, after) if whole and difference is not None else None,
        compared=difference is not None,
    )


def _compare_tables(runtime: Runtime, build: _Build, *, partial: bool) -> Difference | None:
    try:
        return compare(runtime, build.pipeline, build.generation, partial=partial)
    except (ChangedTableError, CorruptError):  # the old table is unreadable: that is why it is rebuilt
        return None


def _swap(runtime: Runtime, build: _Build, plan: Plan) -> None:
    pipeline = build.pipeline
    table, _ = pipeline.tables_of(runtime.tables, build.generation)
    table.commit(pipeline.job, plan.step, Nothing())
    hit("replay", "stamped")
    swapped = msgspec.structs.replace(
        build.generation,
        swapped_at=_swap_time(plan),
        step=plan.step,
        totals=_read_build(runtime, build).totals,
    )
    put_generation(runtime.store, pipeline.table, swapped)
    if pipeline.generation(runtime.store).table != build.generation.table:
        raise _late_error(pipeline)
    hit("replay", "swapped")


def _late_error(pipeline: Pipeline) -> FencedError:
    return FencedError(
        "another replay has swapped its tables in, or this one was given up",
        where=pipeline.table,
        hint=f"if a replay is still needed, run {replaying(pipeline.side, pipeline.dataset.name)}",
    )


def _swap_time(plan: Plan) -> int:
    return max(plan.made_at, time.time_ns() // 1_000_000)
