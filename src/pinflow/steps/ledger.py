"""Plans and receipts in the lake: only this module puts, reads and removes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pinflow.errors import CorruptError, FencedError, TerminalError
from pinflow.failpoints import hit
from pinflow.steps.generations import all_generations
from pinflow.steps.old_plans import decode_plan
from pinflow.steps.plan import Plan, Receipt, Tally

if TYPE_CHECKING:
    from pinflow.lake.store.objects import Store

__all__ = [
    "jobs_with_plans",
    "list_objects",
    "newest_step",
    "pending_plan",
    "plan_path",
    "put_plan",
    "put_receipt",
    "read_plan",
    "read_receipt",
    "remove_plans",
    "rules_of_attempt",
]

FOLDER = "plans"


def put_plan(store: Store, plan: Plan) -> bool:
    """Put a plan if its step has none yet; of several callers exactly one gets True.

    Raises:
        FencedError: Plans of later steps were put and removed while the caller slept.
    """
    if not store.put_if_absent(plan_path(plan.job, plan.step), msgspec.json.encode(plan)):
        return False
    if plan.step < _low_step(store, plan.job):
        raise FencedError(
            f"other workers of {plan.job!r} are far beyond step {plan.step}",
            where=store.child(_low_step_path(plan.job)),
            hint="start this worker again",
        )
    return True


def put_receipt(store: Store, receipt: Receipt) -> None:
    """Put a receipt; it counts once its step is committed."""
    store.put(_receipt_path(receipt.job, receipt.step), msgspec.json.encode(receipt))


def rules_of_attempt(store: Store, plan: Plan) -> str:
    """The rules of the last attempt at a step that is not committed: those of its receipt, or else of its plan."""
    data = store.get(_receipt_path(plan.job, plan.step))
    attempt = msgspec.json.decode(data, type=Receipt).rules if data is not None else ""
    return attempt or plan.rules


def read_plan(store: Store, job: str, step: int) -> Plan:
    """The plan of a committed step.

    Raises:
        CorruptError: It is missing.
    """
    return _decode(store, job, step, _require_object(store, plan_path(job, step)))


def pending_plan(store: Store, job: str, step: int) -> Plan | None:
    """The plan of the step after a committed one, if there is one."""
    data = store.get(plan_path(job, step + 1))
    return _decode(store, job, step + 1, data) if data is not None else None


def read_receipt(store: Store, plan: Plan) -> Receipt:
    """The receipt of a committed step, by its plan.

    Raises:
        CorruptError: It is missing.
    """
    if plan.kind == "swap":
        return Receipt(plan.job, plan.step, _read_swap_totals(store, plan))
    return msgspec.json.decode(_require_object(store, _receipt_path(plan.job, plan.step)), type=Receipt)


def newest_step(store: Store, job: str) -> int:
    """The highest step that has a plan, committed or not; 0 if there is none."""
    return max((step for step, _ in _list_steps(store, job)), default=0)


def jobs_with_plans(store: Store, kind: str) -> list[str]:
    """The jobs of a kind (`land`, `replay`, …) that have left plans, by what follows the kind in their names."""
    return sorted(store.folders(f"{FOLDER}/{kind}"))


def list_objects(store: Store, job: str) -> list[str]:
    """The paths of all that a job has left: plans, receipts, the low step."""
    return sorted(store.list(f"{FOLDER}/{job}"))


def remove_plans(store: Store, job: str, before: int) -> int:
    """Remove plans and receipts of the steps before one, and return how many objects; safe to repeat.

    1. Raise the low step: a worker that slept through the removal finds it after putting its plan.
    2. Delete the objects, the oldest first.
    """
    paths = sorted(path for step, path in _list_steps(store, job) if step < before)
    if not paths:
        return 0
    if _low_step(store, job) < before:
        store.put(_low_step_path(job), str(before).encode())  # 1
    hit("maintain", "plans-marked")
    for path in paths:  # 2
        store.delete(path)
    hit("maintain", "plans-removed")
    return len(paths)


def plan_path(job: str, step: int) -> str:
    """The path of a step's plan."""
    return f"{FOLDER}/{job}/{step:010d}.json"


def _receipt_path(job: str, step: int) -> str:
    return f"{FOLDER}/{job}/{step:010d}.done.json"


def _low_step_path(job: str) -> str:
    return f"{FOLDER}/{job}/removed-before"


def _low_step(store: Store, job: str) -> int:
    """The lowest step whose plan is kept; 0 if no plan was removed."""
    data = store.get(_low_step_path(job))
    return int(data) if data is not None else 0


def _list_steps(store: Store, job: str) -> list[tuple[int, str]]:
    """Step and path of every plan and receipt of a job."""
    found = []
    for path in store.list(f"{FOLDER}/{job}"):
        number = path.rpartition("/")[2].partition(".")[0]
        if number.isdigit():
            found.append((int(number), path))
    return found


def _decode(store: Store, job: str, step: int, data: bytes) -> Plan:
    """Decode a plan.

    Raises:
        TerminalError: It belongs to a job whose name differs only in case, and the lake cannot distinguish the two.
    """
    plan = decode_plan(data)
    if plan.job != job:
        raise TerminalError(
            f"the lake cannot distinguish the jobs {job!r} and {plan.job!r}: their names differ only in case",
            where=store.child(plan_path(job, step)),
            hint="rename one of the two topics, or set lake.url to a lake that is case-sensitive",
        )
    return plan


def _read_swap_totals(store: Store, plan: Plan) -> dict[int, Tally]:
    found = [each for each in all_generations(store, plan.swaps, "") if each.step == plan.step]
    if not found:
        raise CorruptError(
            "the generation of a committed step is missing",
            where=store.child(f"generations/{plan.swaps}"),
            hint="pinflow audit --deep",
        )
    return found[-1].totals


def _require_object(store: Store, path: str) -> bytes:
    data = store.get(path)
    if data is None:
        raise CorruptError(
            "the plan or the receipt of a committed step is missing",
            where=store.child(path),
            hint="pinflow audit --deep",
        )
    return data
