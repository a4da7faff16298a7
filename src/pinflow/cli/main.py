"""`pinflow`: the command line. A command is imported when it is called, so that `--help` is quick."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

import click

from pinflow import __version__
from pinflow.cli.options import common_options
from pinflow.cli.streams import OutputClosed, finish, mute, prepare
from pinflow.errors import PinflowError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


class _Entry(NamedTuple):
    target: str
    help: str


COMMANDS = {
    "demo": _Entry("pinflow.cli.demo:demo", "Run the whole pipeline once on synthetic posts, and check it."),
    "up": _Entry("pinflow.cli.up:up", "Run all processes of the pipeline until Ctrl-C."),
    "init": _Entry("pinflow.cli.config:init", "Make a home folder with a configuration to edit."),
    "source": _Entry("pinflow.cli.source:source", "Make, load or show the source database."),
    "emulate": _Entry("pinflow.cli.emulate:emulate", "Post the source's posts through the gateway."),
    "gateway": _Entry("pinflow.cli.gateway:gateway", "Take posts over HTTP into the log."),
    "land": _Entry("pinflow.cli.jobs:land", "Move records from the log to the landing zone."),
    "batch": _Entry("pinflow.cli.jobs:batch", "Clean landed records into the batch tables."),
    "stream": _Entry("pinflow.cli.jobs:stream", "Clean records of the log into the stream tables."),
    "query": _Entry("pinflow.cli.query:query", "Answer a question from the tables."),
    "audit": _Entry("pinflow.cli.audit:audit", "Check that what came in adds up with what came out."),
    "status": _Entry("pinflow.cli.status:status", "Show how far every topic is."),
    "maintain": _Entry(
        "pinflow.cli.maintain:maintain", "Keep log, tables and plans small, beside running jobs."
    ),
    "replay": _Entry(
        "pinflow.cli.replay:replay", "Rebuild tables by the rules of today, or retry what was rejected."
    ),
    "config": _Entry("pinflow.cli.config:config", "Show the configuration and where each value came from."),
    "doctor": _Entry("pinflow.cli.doctor:doctor", "Check every configured part by using it."),
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """In the order of the pipeline."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].target.partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See `click.Group`; an option that only some commands have is an error before one."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            command = next((word for word in args if word in COMMANDS), None)
            if command is None or error.option_name not in ("--json", "--format"):
                raise
            option = error.option_name
            ctx.fail(f"{option} is an option of commands: pinflow {command} {option}")

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments name, or say which one they may mean."""
        if args and args[0] not in COMMANDS and (close := get_close_matches(args[0], COMMANDS, n=1)):
            ctx.fail(f"No such command {args[0]!r}. Did you mean {close[0]!r}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@common_options
@click.version_option(__version__, prog_name="pinflow")
def cli(**_: object) -> None:
    """The whole pipeline of a Pinterest-style post: HTTP, durable log, lake, one set of SQL rules, answers, audit.

    Begin with: pinflow demo. The options below may stand before a command or after it.
    """


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code: 0 done, 1 failed, 2 wrong usage, 3 audit found a difference."""
    prepare()
    try:
        code = _run(args)
        finish()
    except OutputClosed:
        mute()
        code = 1
    except PinflowError as error:
        click.echo(f"pinflow: {error}", err=True)
        mute()
        code = error.exit_code
    sys.exit(code)


def _run(args: Sequence[str] | None) -> int:
    try:
        code = cli.main(
            args=list(args) if args is not None else None, prog_name="pinflow", standalone_mode=False
        )
    except SystemExit as done:
        code = done.code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        code = 130
    except (OutputClosed, PinflowError):
        raise
    except BaseException as error:  # noqa: BLE001 - the last net, also for a panic of a library
        from pinflow.cli.unexpected import report

        code = report(error, None, None, debug="--debug" in sys.argv)
    return code if isinstance(code, int) else 0
