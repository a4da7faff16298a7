"""Tables and progress for people, on rich where there is a terminal."""

from __future__ import annotations

import shlex
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

import click
from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from pinflow.cli.streams import is_terminal
from pinflow.cli.text import text_of, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.progress import TaskID

    from pinflow.jobs.reports.status import TopicStatus

__all__ = ["Bar", "columns_of", "console", "failing_lines", "print_nulled", "print_rows"]

WIDEST = 10_000
"""Without a terminal no cell is broken or cut; beyond this width the columns that follow are out of line instead."""

LINES_A_BAR = 10
"""Where there is no terminal, a bar becomes at most this many lines."""


def console(*, stderr: bool = False) -> Console:
    """A console that is a terminal only if there is one, and prints text as it is, without markup."""
    stream = sys.stderr if stderr else sys.stdout
    terminal = is_terminal(stream)
    return Console(
        file=stream,
        force_terminal=terminal,
        force_interactive=terminal,
        highlight=False,
        markup=False,
        emoji=False,
    )


def columns_of(rows: Sequence[Sequence[object]], names: Sequence[str]) -> Table:
    """A plain table for a terminal; numbers stand to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, name in enumerate(names):
        justify = "right" if _is_numeric(rows, index) else "left"
        table.add_column(Text(_cell(name)), justify=justify, overflow="fold")  # type: ignore[arg-type]
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    return table


def print_rows(names: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table on stdout; a pipe or a file gets as wide a one as it needs."""
    found = list(rows)
    if is_terminal(sys.stdout):
        console().print(columns_of(found, names))
        return
    cells = [[_cell(name) for name in names], *([_cell(value) for value in row] for row in found)]
    widths = [min(WIDEST, max(map(cell_len, column))) for column in zip(*cells, strict=True)]
    right = [_is_numeric(found, index) for index in range(len(names))]
    lines = (
        "  ".join(_padded(*each) for each in zip(line, widths, right, strict=True)).rstrip() for line in cells
    )
    click.echo("\n".join(lines))


def _is_numeric(rows: Sequence[Sequence[object]], index: int) -> bool:
    values = [row[index] for row in rows if row[index] is not None]
    return bool(values) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in values
    )


def _cell(value: object) -> str:
    """A value on one line, in characters that stdout has."""
    encoding = sys.stdout.encoding or "utf-8"
    return visible(text_of(value)).encode(encoding, "backslashreplace").decode(encoding)


def _padded(text: str, width: int, right: bool) -> str:
    blanks = " " * (width - cell_len(text))
    return blanks + text if right else text + blanks


def failing_lines(topic: TopicStatus) -> list[str]:
    """The failing jobs of a topic, for people: since when and where each fails, then the error with its next step."""
    lines = []
    for each in topic.failing:
        since = f" since {_moment(each.since)}" if each.since else ""
        tried = f", tried last {_moment(each.tried_at)} by {each.worker}" if each.worker else ""
        lines.append(f"{each.job}: {each.state}{since}{tried}: {each.what}")
        lines += [
            f"  {name} {text}" for name, text in (("where:", each.where), ("next: ", each.next)) if text
        ]
    return [visible(line) for line in lines]


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(sep=" ", timespec="seconds")


class Bar:
    """`pinflow.progress.Progress` on stderr: a bar on a terminal, a few plain lines elsewhere."""

    def __init__(self) -> None:
        self._console = console(stderr=True)
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._what, self._total, self._done, self._reported = "", 0, 0, 0

    def start(self, total: int | None, what: str) -> None:
        """Begin to count up to `total` of `what`; None for an unknown total."""
        self.stop()
        self._what, self._total, self._done, self._reported = what, total or 0, 0, 0
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
        elif self._total and self._done * LINES_A_BAR // self._total > self._reported:
            self._reported = self._done * LINES_A_BAR // self._total
            self._console.print(f"{self._what}: {self._done:,} of {self._total:,}")

    def stop(self) -> None:
        """Remove the bar."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def print_nulled(by_table: Mapping[str, Mapping[str, int]]) -> None:
    """A table of its own, if there is any: cells that had a text and became NULL by a rule."""
    rows = [(table, *cell) for table, cells in by_table.items() for cell in sorted(cells.items())]
    if rows:
        click.echo()
        print_rows(["table", "field", "cells made NULL"], rows)
        sample = f'SELECT * FROM "{rows[0][0]}_nulled"'  # noqa: S608 - shown, not run
        click.echo(f"their texts: pinflow query --sql {shlex.quote(sample)}", err=True)
