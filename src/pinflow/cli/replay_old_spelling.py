"""How `pinflow replay` was written before it had commands of its own: it still works, and says how it is written now.

`replay batch pin` is `replay run batch pin`; the flags `--quarantine` and `--abandon` are commands.
"""

from __future__ import annotations

import shlex

import click

__all__ = ["ReplayGroup"]

SIDES = ("batch", "stream")

ORIGIN = "--from"

VALUED = (ORIGIN, "--home", "--config")
"""Options that are followed by their value."""

FLAGS = {"--quarantine": "quarantine", "--abandon": "abandon"}
"""Each flag that chose what is done, and the command that does it now."""


class ReplayGroup(click.Group):
    """The commands of replay, which also takes the arguments that it had when it was one command."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """In the order in which they are most needed."""
        return list(self.commands)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See `click.Group`."""
        if _first_word(args) in SIDES:
            args = _written_now(ctx, args)
            words = shlex.join(["pinflow", "replay", *args])
            click.echo(f"pinflow: replay has commands of its own now; this is: {words}", err=True)
        return super().parse_args(ctx, args)


def _first_word(args: list[str]) -> str:
    """The first argument that is neither an option nor the value of one."""
    words = iter(args)
    for word in words:
        if word in VALUED:
            next(words, None)
        elif not word.startswith("-"):
            return word
    return ""


def _written_now(ctx: click.Context, args: list[str]) -> list[str]:
    flags = [word for word in args if word in FLAGS]
    if "--abandon" in flags and ("--quarantine" in flags or "--dry-run" in args):
        ctx.fail(f"--abandon stands alone: pinflow replay abandon {_first_word(args)}")
    command = FLAGS[flags[0]] if flags else "run"
    rest = [word for word in args if word not in FLAGS]
    return [command, *(rest if command == "run" else _without_origin(rest))]


def _without_origin(args: list[str]) -> list[str]:
    """The arguments without `--from` and its value, which meant nothing beside the flags."""
    kept, words = [], iter(args)
    for word in words:
        if word == ORIGIN:
            next(words, None)
        elif not word.startswith(f"{ORIGIN}="):
            kept.append(word)
    return kept
