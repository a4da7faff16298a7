"""`pinflow doctor`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from pinflow.cli.common import command_options, echo_json
from pinflow.cli.options import json_option

if TYPE_CHECKING:
    from pinflow.config import Settings

__all__ = ["doctor"]


@click.command
@json_option
@command_options
def doctor(settings: Settings, *, as_json: bool) -> None:
    """Check every configured part by using it, and say what to do next. Exits with 1 when a part is broken."""
    from pinflow import tasks
    from pinflow.cli.show import print_rows

    found = tasks.doctor(settings)
    if as_json:
        echo_json(found)
    else:
        print_rows(
            ["part", "state", "what was found", "next"],
            [(each.part, each.state, each.found, each.hint) for each in found],
        )
    if any(each.state == "broken" for each in found):
        sys.exit(1)
