"""`pinflow status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pinflow.cli.common import command_options, echo_json
from pinflow.cli.options import json_option

if TYPE_CHECKING:
    from pinflow.config import Settings

__all__ = ["status"]


@click.command
@click.option("--positions", is_flag=True, help="Show the positions of the jobs in each partition instead.")
@json_option
@command_options
def status(settings: Settings, *, positions: bool, as_json: bool) -> None:
    """Show how far every topic is: accepted, landed, cleaned, what waits, and which jobs fail."""
    import msgspec

    from pinflow import tasks
    from pinflow.cli.show import failing_lines, print_nulled, print_rows

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
    print_nulled({each.table or "": each.nulled for each in found})
