"""`pinflow query`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from pinflow.cli.common import command_options, echo_json
from pinflow.cli.csv_text import csv_text
from pinflow.cli.streams import is_terminal, write_data

if TYPE_CHECKING:
    from pinflow.config import Settings
    from pinflow.engine import Result
    from pinflow.jobs.pipelines import Side

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
    from pinflow.jobs.runtime import Runtime
    from pinflow.queries import question

    if name is not None and sql is not None:
        raise click.UsageError("a question or --sql, not both")
    if name is None and sql is None:
        _list(form)
        return
    if sql is not None:
        from pinflow.ask.sandbox import run_fenced

        _print(run_fenced(settings, sql), form)
        return
    with Runtime(settings, read_only=True) as runtime:
        from pinflow.ask.ask import ask

        if name == "all":
            _print_all(ask(runtime, side), form)
        else:
            asked = question(name or "")
            _print(ask(runtime, side, [asked])[asked.name], form)


def _list(form: str) -> None:
    from pinflow.engine import Result
    from pinflow.queries import questions

    _print(Result(["query", "meaning"], [(each.name, each.title) for each in questions().values()]), form)


def _print(result: Result, form: str) -> None:
    if form == "json":
        echo_json(_objects(result))
    elif form == "csv":
        write_data(csv_text(result.columns, result.rows, is_shown=is_terminal(sys.stdout)))
    else:
        from pinflow.cli.show import print_rows

        print_rows(result.columns, result.rows)


def _print_all(answers: dict[str, Result], form: str) -> None:
    """Print several answers: one JSON object by question, or tables of which each says its question."""
    from pinflow.queries import questions

    if form == "json":
        echo_json({name: _objects(result) for name, result in answers.items()})
        return
    for index, (name, result) in enumerate(answers.items()):
        if index:
            click.echo()
        if form == "csv":
            named = [(name, *row) for row in result.rows]
            _print(result._replace(columns=["query", *result.columns], rows=named), form)
        else:
            click.echo(f"{name}: {questions()[name].title}")
            _print(result, form)


def _objects(result: Result) -> list[dict[str, object]]:
    return [dict(zip(result.columns, row, strict=True)) for row in result.rows]
