"""replay: a table anew, by the rules of today, and both its tables swapped in one step.

1. **Build.** All that the pipeline's job has covered is read again, from the landing zone or the log, and cleaned into
   a fresh generation, in steps of a job of its own, `replay/<folder>`. The pipeline's job goes on meanwhile.
2. **Fence.** The next step of the pipeline's job is planned, as a step that only replay finishes. From here on no
   worker can commit to the old generation; one that runs ends, one that starts names the command to run.
3. **Build** what came since 1, up to exactly where the job stands.
4. **Compare** both generations.
5. **Stamp.** An empty commit to the new table carries the transaction (job, step).
6. **Swap.** The generation is put, if absent, and with it the sums of the build as what the step came to: now readers
   and workers find the new tables, and the step is committed.

Where another program has changed or deleted the table, the job's plans say how far it has come
(`jobs.replay.coverage`), and its last plan is covered by the build though no worker can commit it.

Before 6 nothing has changed for readers, after it everything has. A replay that was killed is run again: it takes up
its build, and its fence, where they are. One without a fence may as well not be.
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
from pinflow.steps.generations import Generation, put_generation
from pinflow.steps.ledger import pending_plan, put_plan
from pinflow.steps.plan import Plan, Receipt
from pinflow.steps.spelling import replaying
from pinflow.steps.standing import read_standing
from pinflow.steps.steps import Steps, this_worker

if TYPE_CHECKING:
    from typing import Literal

    from pinflow.jobs.pipelines import Pipeline
    from pinflow.jobs.runtime import Runtime

    Origin = Literal["landing", "log"]

__all__ = ["Replayed", "replay"]

FENCE_ATTEMPTS = 20
"""Steps of running workers that the fence may lose against; each time the worker's step is finished for it."""


class Replayed(msgspec.Struct, frozen=True):
    """One pipeline replayed; `swapped` is False for a dry run. `records` is how many were read again.

    `cells` are None where a dry run covers less than the job has, so that they cannot be compared. Where the table that
    stood before cannot be read any more, nothing is `compared`.
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
    """A generation under construction, and where its records come from."""

    pipeline: Pipeline
    generation: Generation
    origin: Origin


def replay(
    runtime: Runtime, pipeline: Pipeline, *, origin: Origin = "landing", dry_run: bool = False
) -> Replayed:
    """Replay one pipeline; see the module. With `dry_run` it ends after the comparison, and fences nobody.

    A dry run covers whole landing objects only; what the job has covered beyond them is left out on both sides.

    Raises:
        AbsentError: The pipeline's job has committed nothing yet.
        GapError: Some records are not there to be read again.
        FencedError: Another replay of the same pipeline is under way.
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
    """The build of today's rules: one that was begun a short time ago, or a fresh one."""
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
        attempt += 1  # so old that maintain may be deleting it


def _is_fenced(runtime: Runtime, pipeline: Pipeline) -> bool:
    pending = pending_plan(runtime.store, pipeline.job, coverage(runtime, pipeline).step)
    return pending is not None and bool(pending.command)


def _advance(runtime: Runtime, build: _Build, *, tail: bool) -> None:
    """Take the build as far as the pipeline's job has come."""
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
        if pending is not None and pending.command:
            return pending
        if pending is not None:
            try:
                _finish_pending(runtime, pipeline)
            except ChangedTableError:
                by_plans = True  # no worker can finish it: it is covered by the build
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
            if not _is_next(runtime, build):  # another swapped between the look and the put: hold nobody
                abandon(runtime, pipeline)
                raise _late_error(pipeline)
            return plan
    raise UnavailableError(
        "running workers were faster each time",
        where=pipeline.job,
        hint=f"stop pinflow {pipeline.side}, and try again",
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
                f"{found} of {wanted.records} records were found to be read again",
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
    except (ChangedTableError, CorruptError):  # the old table: that is why it is built anew
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
        hint=f"{replaying(pipeline.side, pipeline.dataset.name)}, if it is still needed",
    )


def _swap_time(plan: Plan) -> int:
    return max(plan.made_at, time.time_ns() // 1_000_000)
