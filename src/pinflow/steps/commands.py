"""How the commands that finish or give up a step are written today; a plan keeps the text of its own version."""

from __future__ import annotations

import re

__all__ = ["giving_up", "replaying", "spelled_today"]

_OLD_REPLAY = re.compile(r"pinflow replay (batch|stream)\b")
"""What was written before `replay` had commands of its own."""


def spelled_today(command: str) -> str:
    """A command as it is written today, whichever version has put it into a plan."""
    return _OLD_REPLAY.sub(r"pinflow replay run \1", command)


def replaying(side: str, dataset: str) -> str:
    """The command that replays a dataset of a side."""
    return f"pinflow replay run {side} {dataset}"


def giving_up(command: str) -> str:
    """The command that gives up what a replay, named by its own command, has begun."""
    return spelled_today(command).replace("pinflow replay run", "pinflow replay abandon", 1)
