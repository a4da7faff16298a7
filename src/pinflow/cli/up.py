"""`pinflow up`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pinflow.cli.common import command_options, stop_on_signals
from pinflow.cli.emulate import rate_of
from pinflow.cli.options import metrics_option

if TYPE_CHECKING:
    from rich.console import Group

    from pinflow.config import Settings
    from pinflow.stations.supervisor import UpState

__all__ = ["up"]

GENTLE = "2/s"

PLAIN_EVERY = 10
"""Where there is no terminal, every tenth state is printed as a line."""


@click.command
@click.option("--no-emulator", is_flag=True, help="Post nothing; wait for posts from elsewhere.")
@click.option(
    "--rate",
    default=GENTLE,
    show_default=True,
    callback=rate_of,
    help="Posts a second of the emulator, or max.",
)
@metrics_option
@command_options
def up(settings: Settings, *, no_emulator: bool, rate: float | str, metrics_port: int | None) -> None:
    """Run gateway, land, stream, batch, maintain and emulator until Ctrl-C.

    Each is a process of its own; one that dies is started again. Their logs are in the logs folder of the home.
    With --metrics-port the metrics of all of them are at one address.
    """
    from rich.live import Live

    from pinflow.cli.show import Bar, console
    from pinflow.stations.supervisor import up as run

    stop = stop_on_signals()
    screen = console()
    shown = 0

    def plain(state: UpState) -> None:
        nonlocal shown
        if shown % PLAIN_EVERY == 0:
            click.echo(_line(state), err=True)
        shown += 1

    given = None if no_emulator else str(rate)
    with Bar() as bar:
        if screen.is_terminal:
            with Live(console=screen, auto_refresh=False, transient=True) as live:
                show = lambda state: live.update(_picture(state), refresh=True)  # noqa: E731
                run(settings, stop=stop, rate=given, progress=bar, show=show, metrics_port=metrics_port)
        else:
            run(settings, stop=stop, rate=given, progress=bar, show=plain, metrics_port=metrics_port)
    click.echo("all processes have ended", err=True)


def _line(state: UpState) -> str:
    accepted = sum(each.accepted for each in state.topics)
    waiting = sum(each.to_land + each.to_clean for each in state.topics)
    down = [each.name for each in state.stations if each.pid is None]
    failing = [failing.job for topic in state.topics for failing in topic.failing]
    return (
        f"{state.gateway}: {accepted:,} records accepted, {waiting:,} waiting"
        + (f", down: {', '.join(down)}" if down else "")
        + (f", failing: {', '.join(failing)} (pinflow status)" if failing else "")
    )


def _picture(state: UpState) -> Group:
    from rich.console import Group
    from rich.text import Text

    from pinflow.cli.show import columns_of, failing_lines

    stations = columns_of(
        [[each.name, each.pid or "down", each.restarts, each.last_line] for each in state.stations],
        ["name", "process", "restarts", "last line"],
    )
    topics = columns_of(
        [
            [
                each.topic,
                each.accepted,
                f"{state.rates.get(each.topic, 0.0):.1f}",
                each.to_land,
                each.table or "landed only",
                each.rows,
                each.quarantined,
                each.to_clean,
            ]
            for each in state.topics
        ],
        ["topic", "accepted", "a second", "to land", "table", "rows", "quarantined", "to clean"],
    )
    failing = [Text(line) for topic in state.topics for line in failing_lines(topic)]
    return Group(Text(f"gateway at {state.gateway}    Ctrl-C ends all\n"), stations, Text(), topics, *failing)
