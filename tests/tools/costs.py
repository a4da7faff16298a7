"""What each test costs: a pytest plugin that writes wall seconds, and CPU seconds of its process and all below it.

python -m pytest -p tests.tools.costs --costs build/costs.tsv ...

CPU seconds stay about the same on a busy machine; wall seconds less CPU seconds is about what a test waits for.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Cost", "pytest_addoption", "pytest_runtest_protocol", "spent"]

TICKS = os.sysconf("SC_CLK_TCK")


class Cost(NamedTuple):
    """Seconds."""

    wall: float
    cpu: float


class _Process(NamedTuple):
    parent: int
    ticks: int


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where the table is written."""
    parser.addoption("--costs", help="append a line for each test: wall seconds, CPU seconds, its name")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Measure a test with the fixtures that are made for it, or after it are ended."""
    before = spent()
    result = yield
    after = spent()
    path = item.config.getoption("--costs")
    if path:
        with Path(path).open("a") as table:
            table.write(f"{after.wall - before.wall:.2f}\t{after.cpu - before.cpu:.2f}\t{item.nodeid}\n")
    return result


def spent() -> Cost:
    """Of this process, those below it, and those that they have waited for."""
    processes = _processes()
    below = {os.getpid()}
    while more := {number for number, each in processes.items() if each.parent in below} - below:
        below |= more
    return Cost(time.monotonic(), sum(processes[number].ticks for number in below) / TICKS)


def _processes() -> dict[int, _Process]:
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                stat = (folder / "stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has just ended
            fields = stat.rpartition(")")[2].split()
            found[int(folder.name)] = _Process(int(fields[1]), sum(int(each) for each in fields[11:15]))
    return found
