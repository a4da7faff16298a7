"""`pinflow audit`."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

import click

from pinflow.cli.common import command_options, echo_json
from pinflow.cli.options import json_option

if TYPE_CHECKING:
    from pinflow.config import Settings
    from pinflow.jobs.reports.audit import Audit

__all__ = ["audit", "print_audit"]

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
    from pinflow.cli.show import print_nulled, print_rows

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
    print_nulled(nulled)
    for problem in found.problems:
        click.echo(f"difference: {problem}", err=True)
    accepted = sum(line.accepted for line in found.lines)
    count = len(found.problems)
    verdict = "everything adds up" if found.ok else f"{count} difference{'s' * (count > 1)}"
    click.echo(f"audit: {accepted:,} records accepted, {verdict}", err=True)
