"""`pinflow query`."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING

import click

from pinflow.cli.common import command_options, echo_json

if TYPE_CHECKING:
    from pinflow.config import Settings
    from pinflow.engine import Result
    from pinflow.jobs.sides import Side

__all__ = ["query"]


@click.command
@click.argument("name", required=False)
@click.option("--side", type=click.Choice(["batch", "stream"]), default="batch", show_default=True)
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True
)
@click.option(
    "--sql",
    help="Run a SELECT of your own over the tables, their quarantines, and samples of cells made NULL.",
)
@command_options
def query(settings: Settings, *, name: str | None, side: Side, form: str, sql: str | None) -> None:
    """Answer a question from the tables, or all of them with the name `all`; without a name, list the questions."""
    from pinflow.jobs.parts import Parts
    from pinflow.queries import question, questions

    if name is not None and sql is not None:
        raise click.UsageError("a question or --sql, not both")
    if name is None and sql is None:
        _list(form)
        return
    if sql is not None:
        from pinflow.jobs.fenced_sql import run_fenced

        _print(run_fenced(settings, sql), form)
        return
    with Parts(settings, read_only=True) as parts:
        from pinflow.jobs.ask import ask

        if name == "all":
            for each, result in ask(parts, side).items():
                click.echo(f"\n{each}: {questions()[each].title}", err=True)
                _print(result, form)
        else:
            asked = question(name or "")
            _print(ask(parts, side, [asked])[asked.name], form)


def _list(form: str) -> None:
    from pinflow.engine import Result
    from pinflow.queries import questions

    _print(Result(["query", "meaning"], [(each.name, each.title) for each in questions().values()]), form)


def _print(result: Result, form: str) -> None:
    if form == "json":
        echo_json([dict(zip(result.columns, row, strict=True)) for row in result.rows])
    elif form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(result.columns)
        writer.writerows(result.rows)
    else:
        from pinflow.cli.show import print_rows

        print_rows(result.columns, result.rows)
