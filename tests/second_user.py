"""A user who may read a home and not write to it: another than the owner, or the owner without the right to write."""

from __future__ import annotations

import os
import stat
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.e2e.command import BOUND_S, command, environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOT_WITHOUT_ITS_RIGHTS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner,-chown", "--"]
"""Before a command: root is asked for permissions as any owner is."""

WRITE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def as_reader(*words: str) -> list[str]:
    return [*(ROOT_WITHOUT_ITS_RIGHTS if os.geteuid() == 0 else []), *words]


def run_as_reader(*args: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a pinflow command without the rights of root."""
    return subprocess.run(
        as_reader(*command(*args, home=home)),
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        check=False,
        env=environment(PINFLOW__WORKER__RETRY_SECONDS="0.1"),
    )


@contextmanager
def write_protected(folder: Path) -> Iterator[None]:
    """Take the right to write from everything in a folder, and give it back at the end."""
    found = [folder, *folder.rglob("*")]
    for path in found:
        path.chmod(path.stat().st_mode & ~WRITE)
    try:
        yield
    finally:
        for path in found:
            if path.exists():
                path.chmod(path.stat().st_mode | stat.S_IWUSR)
