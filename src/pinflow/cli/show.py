"""Tables and progress for people, on rich."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO
from typing import TYPE_CHECKING, Self

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.progress import TaskID

    from pinflow.jobs.status import TopicStatus

__all__ = ["Bar", "columns_of", "failing_lines", "print_rows", "text_of"]

WIDEST = 10_000
"""Columns of a table that goes to a pipe or a file: no cell is broken."""

LINES_A_BAR = 10
"""Where there is no terminal, a bar becomes at most so many lines."""


def text_of(value: object) -> str:
    """A value as people read it: whole floats without their point, NULL as a blank."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def columns_of(rows: Sequence[Sequence[object]], names: Sequence[str]) -> Table:
    """A plain table; numbers stand to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, name in enumerate(names):
        values = [row[index] for row in rows if row[index] is not None]
        numbers = bool(values) and all(isinstance(value, int | float) for value in values)
        table.add_column(name, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(_escaped, row))
    return table


def print_rows(names: Sequence[str], rows: Iterable[Sequence[object]], *, stderr: bool = False) -> None:
    """Print a table; a pipe gets as wide a one as it needs."""
    console = Console(stderr=stderr, highlight=False)
    if console.is_terminal:
        console.print(columns_of(list(rows), names))
        return
    wide = Console(highlight=False, width=WIDEST, file=StringIO())
    with wide.capture() as text:
        wide.print(columns_of(list(rows), names))
    click.echo("\n".join(line.rstrip() for line in text.get().splitlines()), err=stderr)


def _escaped(value: object) -> str:
    from rich.markup import escape

    return escape("".join(char if char.isprintable() else " " for char in text_of(value)))


def failing_lines(topic: TopicStatus) -> list[str]:
    """What fails of a topic, for people: the job, since when and where, then the error with its next step."""
    lines = []
    for each in topic.failing:
        since = f" since {_moment(each.since)}" if each.since else ""
        tried = f", tried last {_moment(each.tried_at)} by {each.worker}" if each.worker else ""
        lines.append(f"{each.job}: {each.state}{since}{tried}: {each.what}")
        lines += [
            f"  {name} {text}" for name, text in (("where:", each.where), ("next: ", each.next)) if text
        ]
    return lines


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(sep=" ", timespec="seconds")


class Bar:
    """`pinflow.progress.Progress` on stderr: a bar on a terminal, a few plain lines elsewhere."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._what, self._total, self._done, self._told = "", 0, 0, 0

    def start(self, total: int | None, what: str) -> None:
        """Begin to count up to `total` of `what`; None for an unknown total."""
        self.stop()
        self._what, self._total, self._done, self._told = what, total or 0, 0, 0
        if self._console.is_terminal:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
            )
            self._progress = Progress(*columns, console=self._console, transient=True)
            self._progress.start()
            self._task = self._progress.add_task(what, total=total)

    def advance(self, n: int) -> None:
        """Count `n` more."""
        self._done += n
        if self._progress is not None and self._task is not None:
            self._progress.advance(self._task, n)
        elif self._total and self._done * LINES_A_BAR // self._total > self._told:
            self._told = self._done * LINES_A_BAR // self._total
            self._console.print(f"{self._what}: {self._done:,} of {self._total:,}")

    def stop(self) -> None:
        """Take the bar away."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
