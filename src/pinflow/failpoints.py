"""Named points at which a test can end the process, as kill -9 would.

`PINFLOW_FAILPOINT=land.planned` ends the process when it first reaches that point, `land.planned:3` when it reaches it
the third time. With `PINFLOW_FAILPOINT_SIGNAL=STOP` it is paused there instead, until somebody sends it SIGCONT.
Without the variable a point is one comparison.
"""

from __future__ import annotations

import os
import signal

__all__ = ["POINTS", "SIGNAL_VARIABLE", "VARIABLE", "hit"]

VARIABLE = "PINFLOW_FAILPOINT"
SIGNAL_VARIABLE = "PINFLOW_FAILPOINT_SIGNAL"

STEP_POINTS = ("planned", "prepared", "receipted", "committed")
"""The points of a job's step, between the numbers of `steps.steps`."""

POINTS = (
    "gateway.queued",
    "gateway.appended",
    "log.inserted",
    "log.committed",
    "land.meta-written",
    "land.object-written",
    *(f"{job}.{point}" for job in ("land", "stream", "batch") for point in STEP_POINTS),
    "stream.half-committed",
    "batch.half-committed",
    "maintain.log-trimmed",
    *(f"maintain.{point}" for point in STEP_POINTS),
    "maintain.compacted",
    "maintain.checkpointed",
    "maintain.log-cleaned",
    "maintain.vacuumed",
    "maintain.plans-marked",
    "maintain.plans-removed",
    "maintain.generation-removed",
    *(f"replay.{point}" for point in STEP_POINTS),
    "replay.half-committed",
    "replay.built",
    "replay.fenced",
    "replay.stamped",
    "replay.swapped",
    "replay.moved",
    "replay.settled",
    "abandon.kept",
    "abandon.stamped",
)
"""Every point there is. `half-committed` lies between the tables of a step that writes more than one."""

_armed, _, _count = os.environ.get(VARIABLE, "").partition(":")
_left = int(_count or 1)

if _armed and _armed not in POINTS:
    raise ValueError(f"{VARIABLE}={_armed} is not a failpoint; there are: {', '.join(POINTS)}")


def hit(room: str, point: str) -> None:
    """End this process, if it is armed for this point and has come here often enough."""
    global _left  # noqa: PLW0603 - a test's own state, in a process that is about to end
    if not _armed or _armed != f"{room}.{point}":
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.Signals[f"SIG{os.environ.get(SIGNAL_VARIABLE, 'KILL')}"])
