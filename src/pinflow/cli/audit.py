"""`pinflow audit` and `pinflow status`."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from typing import TYPE_CHECKING

import click

from pinflow.cli.common import command_options, echo_json
from pinflow.cli.options import json_option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pinflow.config import Settings
    from pinflow.jobs.reports.audit import Audit

__all__ = ["audit", "print_audit", "status"]

DIFFERENCE = 3


@click.command
@click.option("--deep", is_flag=True, help="Count the rows themselves, and check every landed object.")
@json_option
@command_options
def audit(settings: Settings, *, deep: bool, as_json: bool) -> None:
    """Check that accepted = cleaned + superseded + quarantined + waiting, for every partition.

    Without --deep the sums come from metadata, and superseded rows are among the cleaned. Exits with 3 when anything
    does not add up.
    """
    from pinflow import tasks

    found = tasks.audit(settings, deep=deep)
    if as_json:
        echo_json(found)
    else:
        print_audit(found)
    if not found.ok:
        sys.exit(DIFFERENCE)


def print_audit(found: Audit) -> None:
    """The lines as a table on stdout, and the verdict."""
    from pinflow.cli.show import print_rows

    names = [
        "topic",
        "partition",
        "table",
        "accepted",
        "landed",
        "cleaned",
        "superseded",
        "quarantined",
        "waiting",
    ]
    names.append("difference")
    if not found.deep:
        names.remove("superseded")
    print_rows(
        ["cleaned or superseded" if name == "cleaned" and not found.deep else name for name in names],
        [[getattr(line, name) for name in names] for line in found.lines],
    )
    nulled: dict[str, Counter[str]] = {}
    for line in found.lines:
        nulled.setdefault(line.table or "", Counter()).update(line.nulled)
    _print_nulled(nulled)
    for problem in found.problems:
        click.echo(f"difference: {problem}", err=True)
    accepted = sum(line.accepted for line in found.lines)
    count = len(found.problems)
    verdict = "everything adds up" if found.ok else f"{count} difference{'s' * (count > 1)}"
    click.echo(f"audit: {accepted:,} records accepted, {verdict}", err=True)


@click.command
@click.option("--positions", is_flag=True, help="Show the positions of the jobs in each partition instead.")
@json_option
@command_options
def status(settings: Settings, *, positions: bool, as_json: bool) -> None:
    """Show how far every topic is: accepted, landed, cleaned, what waits, and which jobs fail."""
    import msgspec

    from pinflow import tasks
    from pinflow.cli.show import failing_lines, print_rows

    found = tasks.status(settings)
    if as_json:
        echo_json(found)
        return
    if positions:
        print_rows(
            ["topic", "partition", "landed to", "cleaned to"],
            [
                (each.topic, partition, each.landed_to.get(partition), each.cleaned_to.get(partition))
                for each in found
                for partition in sorted(each.landed_to.keys() | each.cleaned_to.keys())
            ],
        )
        return
    print_rows(
        ["topic", "table", "partitions", "accepted", "landed", "rows", "quarantined", "to land", "to clean"],
        [msgspec.structs.astuple(each)[:9] for each in found],
    )
    for topic in found:
        for line in failing_lines(topic):
            click.echo(line, err=True)
    _print_nulled({each.table or "": each.nulled for each in found})


def _print_nulled(by_table: Mapping[str, Mapping[str, int]]) -> None:
    """A table of its own, if there is any: cells that had a text and became NULL by a rule."""
    from pinflow.cli.show import print_rows

    rows = [(table, *cell) for table, cells in by_table.items() for cell in sorted(cells.items())]
    if rows:
        click.echo()
        print_rows(["table", "field", "cells made NULL"], rows)
        sample = f'SELECT * FROM "{rows[0][0]}_nulled"'  # noqa: S608 - shown, not run
        click.echo(f"their texts: pinflow query --sql {shlex.quote(sample)}", err=True)
