"""`pinflow query`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from pinflow.cli.common import command_options, echo_json
from pinflow.cli.csv_text import csv_text
from pinflow.cli.streams import is_terminal, write_data

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pinflow.ask.result import QueryResult
    from pinflow.config import Settings
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
    from pinflow import tasks

    if name is not None and sql is not None:
        raise click.UsageError("a question or --sql, not both")
    if name is None and sql is None:
        _print(tasks.questions(), form)
    elif name == "all":
        _print_all(tasks.query_all(settings, side=side), form)
    else:
        _print(tasks.query(name, settings, side=side, sql=sql), form)


def _print(result: QueryResult, form: str) -> None:
    if form == "json":
        echo_json(result)
    elif form == "csv":
        _write_csv(result.columns, result.tuples())
    else:
        from pinflow.cli.show import print_rows

        print_rows(result.columns, result.tuples())


def _print_all(answers: dict[str, QueryResult], form: str) -> None:
    """Print several answers: one JSON object by question, or one table after the other, each below its question."""
    from pinflow.queries import questions

    if form == "json":
        echo_json(answers)
        return
    for index, (name, result) in enumerate(answers.items()):
        if index:
            click.echo()
        if form == "csv":
            _write_csv(["query", *result.columns], ((name, *row) for row in result.tuples()))
        else:
            click.echo(f"{name}: {questions()[name].title}")
            _print(result, form)


def _write_csv(columns: list[str], rows: Iterable[tuple[object, ...]]) -> None:
    write_data(csv_text(columns, rows, is_shown=is_terminal(sys.stdout)))
