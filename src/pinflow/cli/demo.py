"""`pinflow demo`."""

from __future__ import annotations

import sys
from itertools import islice
from typing import TYPE_CHECKING

import click

from pinflow.cli.arguments import MOST_POSTS
from pinflow.cli.common import command_options, echo_json
from pinflow.cli.options import json_option

if TYPE_CHECKING:
    from pinflow.config import Settings
    from pinflow.stations.demo import DemoReport

__all__ = ["demo"]

ROWS_SHOWN = 5
DIFFERENCE = 3


@click.command
@click.option(
    "--posts",
    type=click.IntRange(1, MOST_POSTS),
    default=11_154,
    show_default=True,
    help="Size of a new source.",
)
@json_option
@command_options
def demo(settings: Settings, *, posts: int, as_json: bool) -> None:
    """Run the whole pipeline once on synthetic posts, and check it.

    Makes a source, starts the gateway, land and stream, posts every row through both endpoints and a tenth again, waits
    until all has arrived, runs batch, answers ten questions from both sides and audits. Everything is left in the home
    folder to look at; run again, it goes on from there. Exits with 3 when anything differs.
    """
    from pinflow.cli.show import Bar
    from pinflow.stations.demo import demo as run

    with Bar() as bar:
        report = run(settings, posts=posts, say=lambda line: click.echo(line, err=True), progress=bar)
    if as_json:
        echo_json(report)
    else:
        _print(report)
    if not report.ok:
        sys.exit(DIFFERENCE)


def _print(report: DemoReport) -> None:
    from pinflow.cli.audit import print_audit
    from pinflow.cli.show import print_rows
    from pinflow.queries import questions

    for name, answer in report.answers.items():
        click.echo(f"\n{name}: {questions()[name].title}")
        print_rows(answer.columns, islice(answer.tuples(), ROWS_SHOWN))
        if len(answer) > ROWS_SHOWN:
            click.echo(f"… {len(answer) - ROWS_SHOWN:,} rows more")
    click.echo()
    print_audit(report.audit)
    both = "differ: " + ", ".join(report.differing) if report.differing else "agree"
    stages = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in report.seconds.items())
    rate = report.acknowledged / report.seconds["post"]
    click.echo(f"both sides {both} on {len(report.answers)} questions", err=True)
    click.echo(f"{report.acknowledged:,} records acknowledged, {rate:,.0f} a second; {stages}", err=True)
    lake = "" if report.lake.startswith(report.home) else f" and in {report.lake}"
    click.echo(
        f"everything is in {report.home}{lake}; next: pinflow query, pinflow status, pinflow up", err=True
    )
