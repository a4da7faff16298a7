"""replay: a table anew, by the rules of today, and both its tables swapped in one step.

1. **Build.** All that the road's job has covered is read again, from the landing zone or the log, and cleaned into a
   fresh generation, in steps of a job of its own, `replay/<folder>`. The road's job goes on meanwhile.
2. **Fence.** The next step of the road's job is planned, as a step that only replay finishes. From here on no worker
   can commit to the old generation; one that runs ends, one that starts names the command to run.
3. **Build** what came since 1, up to exactly where the job stands.
4. **Compare** both generations.
5. **Stamp.** An empty commit to the new table carries the transaction (job, step).
6. **Swap.** The generation is put, if absent, and with it the sums of the build as what the step came to: now readers
   and workers find the new tables, and the step is committed.

Where another program has changed or deleted the table, the job's plans say how far it has come
(`jobs.replay.standing`), and its last plan is covered by the build though no worker can commit it.

Before 6 nothing has changed for readers, after it everything has. A replay that was killed is run again: it takes up
its build, and its fence, where they are. One without a fence may as well not be.
"""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pinflow.crash import reached
from pinflow.errors import ChangedTableError, CorruptError, FencedError, GapError, UnavailableError
from pinflow.jobs.clean.clean import CleanJob, road_reader
from pinflow.jobs.maintain.leftovers import HOUR_MS, build_name, last_step_at
from pinflow.jobs.replay.abandon import abandon
from pinflow.jobs.replay.compare import Cells, Difference, compare, compare_cells
from pinflow.jobs.replay.rereading import Rereader, Target
from pinflow.jobs.replay.standing import standing
from pinflow.steps.generations import Generation, put_generation
from pinflow.steps.ledger import Plan, Receipt, last_receipt, pending_plan, put_plan
from pinflow.steps.steps import Steps

if TYPE_CHECKING:
    from typing import Literal

    from pinflow.jobs.pipelines import Road
    from pinflow.jobs.runtime import Parts

    Origin = Literal["landing", "log"]

__all__ = ["Replayed", "replay"]

FENCE_ATTEMPTS = 20
"""Steps of running workers that the fence may lose against; each time the worker's step is finished for it."""


class Replayed(msgspec.Struct, frozen=True):
    """One road replayed; `swapped` is False for a dry run. `records` is how many were read again.

    `cells` are None where a dry run covers less than the job has, so that they cannot be compared. Where the table that
    stood before cannot be read any more, nothing is `compared`.
    """

    side: str
    dataset: str
    table: str
    swapped: bool
    records: int
    difference: Difference
    cells: list[Cells] | None = None
    compared: bool = True


class _Build(NamedTuple):
    """A generation under construction, and where its records come from."""

    road: Road
    generation: Generation
    origin: Origin


def replay(parts: Parts, road: Road, *, origin: Origin = "landing", dry_run: bool = False) -> Replayed:
    """Replay one road; see the module. With `dry_run` it ends after the comparison, and fences nobody.

    A dry run covers whole landing objects only; what the job has covered beyond them is left out on both sides.

    Raises:
        AbsentError: The road's job has committed nothing yet.
        GapError: Some records are not there to be read again.
        FencedError: Another replay of the same road is under way.
    """
    build = _build(parts, road, origin)
    _advance(parts, build, tail=False)
    reached("replay", "built")
    if dry_run:
        return _told(parts, build, swapped=False)
    plan = _fence(parts, build)
    reached("replay", "fenced")
    _advance(parts, build, tail=True)
    _all_there(parts, build)
    told = _told(parts, build, swapped=True)
    _swap(parts, build, plan)
    return told


def _build(parts: Parts, road: Road, origin: Origin) -> _Build:
    """The build of today's rules: one that was begun a short time ago, or a fresh one."""
    current = road.generation(parts.store)
    stem = f".g{current.number + 1}-{road.dataset.rules}-{origin}"
    half_ms = parts.config.maintain.retention_hours * HOUR_MS // 2
    attempt = 1
    while True:
        suffix = stem if attempt == 1 else f"{stem}-{attempt}"
        step_at = last_step_at(parts.store, f"{road.table}{suffix}")
        if not step_at or step_at >= time.time_ns() // 1_000_000 - half_ms or _fenced(parts, road):
            return _Build(
                road,
                Generation(current.number + 1, f"{road.table}{suffix}", f"{road.quarantine}{suffix}"),
                origin,
            )
        attempt += 1  # so old that maintain may be deleting it


def _fenced(parts: Parts, road: Road) -> bool:
    pending = pending_plan(parts.store, road.job, standing(parts, road).step)
    return pending is not None and bool(pending.command)


def _advance(parts: Parts, build: _Build, *, tail: bool) -> None:
    """Take the build as far as the road's job has come."""
    road, name = build.road, build_name(build.generation.table)
    table, _ = road.tables_of(parts.store, build.generation)
    stand = standing(parts, road)
    targets = {
        partition: Target(position, stand.totals[partition].records)
        for partition, position in stand.positions.items()
    }

    def done() -> dict[int, int]:
        so_far = last_receipt(parts.store, name, table)
        return {number: tally.records for number, tally in so_far.totals.items()} if so_far else {}

    landing = parts.landing if build.origin == "landing" else None
    reader = Rereader(road.topic, parts.log, landing, parts.config.batch, targets, done, tail=tail)
    job = CleanJob(road, reader, parts.store, parts.engine, generation=build.generation, name=name)
    steps = Steps(parts.store, job)
    while steps.advance():
        continue


def _fence(parts: Parts, build: _Build) -> Plan:
    road, by_plans = build.road, False
    for _ in range(FENCE_ATTEMPTS):
        if not _in_time(parts, build):
            raise _late(road)
        last = standing(parts, road, by_plans=by_plans)
        pending = pending_plan(parts.store, road.job, last.step)
        if pending is not None and pending.command:
            return pending
        if pending is not None:
            try:
                _finish_for_it(parts, road)
            except ChangedTableError:
                by_plans = True  # no worker can finish it: it is covered by the build
            continue
        plan = Plan(
            job=road.job,
            step=last.step + 1,
            slices=[],
            positions=last.positions,
            worker=f"{socket.gethostname()}:{os.getpid()}",
            made_at=time.time_ns() // 1_000_000,
            command=f"pinflow replay {road.side} {road.dataset.name}",
            since=time.time_ns(),
            swaps=road.table,
        )
        if put_plan(parts.store, plan):
            if not _in_time(parts, build):  # another swapped between the look and the put: hold nobody
                abandon(parts, road)
                raise _late(road)
            return plan
    raise UnavailableError(
        "running workers were faster each time",
        where=road.job,
        hint=f"stop pinflow {road.side}, and try again",
    )


def _in_time(parts: Parts, build: _Build) -> bool:
    return build.road.generation(parts.store).number + 1 == build.generation.number


def _finish_for_it(parts: Parts, road: Road) -> None:
    """Commit the step that another worker has planned; of the two, one commits it."""
    job = CleanJob(road, road_reader(parts, road), parts.store, parts.engine)
    try:
        Steps(parts.store, job).advance(pending_only=True)
    except FencedError:
        return


def _all_there(parts: Parts, build: _Build) -> None:
    built = _built(parts, build)
    for partition, wanted in standing(parts, build.road).totals.items():
        found = built.totals[partition].records if partition in built.totals else 0
        if found != wanted.records:
            raise GapError(
                f"{found} of {wanted.records} records were found to be read again",
                where=f"{build.road.topic} partition {partition}",
                hint="pinflow audit --deep",
            )


def _built(parts: Parts, build: _Build) -> Receipt:
    table, _ = build.road.tables_of(parts.store, build.generation)
    name = build_name(build.generation.table)
    return last_receipt(parts.store, name, table) or Receipt(name, 0, {})


def _told(parts: Parts, build: _Build, *, swapped: bool) -> Replayed:
    built = _built(parts, build)
    difference = _compared(parts, build, partial=not swapped)
    before = standing(parts, build.road).totals.values()
    after = built.totals.values()
    whole = sum(tally.records for tally in before) == sum(tally.records for tally in after)
    return Replayed(
        side=build.road.side,
        dataset=build.road.dataset.name,
        table=build.road.table,
        swapped=swapped,
        records=sum(tally.records for tally in after),
        difference=difference or Difference(0, 0, 0, 0, {}, []),
        cells=compare_cells(before, after) if whole and difference is not None else None,
        compared=difference is not None,
    )


def _compared(parts: Parts, build: _Build, *, partial: bool) -> Difference | None:
    try:
        return compare(parts, build.road, build.generation, partial=partial)
    except (ChangedTableError, CorruptError):  # the old table: that is why it is built anew
        return None


def _swap(parts: Parts, build: _Build, plan: Plan) -> None:
    road = build.road
    table, _ = road.tables_of(parts.store, build.generation)
    table.stamp(road.job, plan.step)
    reached("replay", "stamped")
    swapped = msgspec.structs.replace(
        build.generation, swapped_at=_now(plan), step=plan.step, totals=_built(parts, build).totals
    )
    put_generation(parts.store, road.table, swapped)
    if road.generation(parts.store).table != build.generation.table:
        raise _late(road)
    reached("replay", "swapped")


def _late(road: Road) -> FencedError:
    return FencedError(
        "another replay has swapped its tables in, or this one was given up",
        where=road.table,
        hint=f"pinflow replay {road.side} {road.dataset.name}, if it is needed still",
    )


def _now(plan: Plan) -> int:
    return max(plan.made_at, time.time_ns() // 1_000_000)
