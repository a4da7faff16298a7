"""`pinflow emulate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pinflow.cli.common import command_options, echo_json, stop_on_signals
from pinflow.cli.options import json_option

if TYPE_CHECKING:
    from pinflow.config import Settings
    from pinflow.emulator import EmulatorReport
    from pinflow.emulator.emulation import EndpointChoice, Rate

__all__ = ["emulate", "rate_of"]


def rate_of(ctx: click.Context, param: click.Parameter, value: str | None) -> float | str | None:  # noqa: ARG001
    """A rate from the command line: `50/s` or `50` is posts a second, `max` as many as possible."""
    if value is None or value == "max":
        return value
    try:
        rate = float(value.removesuffix("/s"))
    except ValueError:
        rate = 0.0
    if not 0 < rate < float("inf"):
        raise click.BadParameter(f"{value!r} is not a rate; write 50/s for posts a second, or max")
    return rate


@click.command
@click.option(
    "--to",
    type=click.Choice(["batch", "stream", "both"]),
    default="both",
    show_default=True,
    help="The API to post to: batch is Kafka REST, stream is Kinesis, or each post to both.",
)
@click.option(
    "--rate", callback=rate_of, help="Posts a second such as 50/s, or max  [default: pauses of 0 or 1 s]"
)
@click.option("--posts", type=click.IntRange(min=1), help="How many posts  [default: until stopped]")
@click.option("--each-once", is_flag=True, help="Every post of the source once, in order, instead of a draw.")
@click.option(
    "--seed", type=int, help="Seed of the draw; 100 gives the published one  [default: emulator.seed]"
)
@click.option(
    "--url", help="Where the gateway listens  [default: emulator.url, or the gateway of this configuration]"
)
@json_option
@command_options
def emulate(
    settings: Settings,
    *,
    to: EndpointChoice,
    rate: Rate,
    posts: int | None,
    each_once: bool,
    seed: int | None,
    url: str | None,
    as_json: bool,
) -> None:
    """Post the source's posts through the gateway: pin, geo and user of each.

    Posts are drawn with replacement, so the same post comes again; the same seed draws the same posts. Ctrl-C ends it
    after the posts in flight. Records are counted when the gateway has acknowledged them.
    """
    from pinflow import tasks
    from pinflow.cli.show import Bar

    with Bar() as bar:
        report = tasks.emulate(
            settings,
            to=to,
            rate=rate,
            posts=posts,
            each_once=each_once,
            seed=seed,
            url=url,
            stop=stop_on_signals(),
            progress=bar,
        )
    if as_json:
        echo_json(report)
    else:
        _print(report)


def _print(report: EmulatorReport) -> None:
    from pinflow.cli.show import print_rows

    print_rows(
        ["topic", "sent", "acknowledged", "rejected"],
        [(name, each.sent, each.acknowledged, each.refused) for name, each in report.topics.items()],
    )
    for message in report.messages:
        click.echo(f"rejected: {message}", err=True)
    click.echo(
        f"{report.posts:,} posts, {report.acknowledged:,} records acknowledged in {report.seconds:.1f} s"
        f" ({report.records_per_second:,.0f} a second), {report.retries:,} requests sent again",
        err=True,
    )
