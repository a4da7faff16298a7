"""Options that several commands have; those of all may stand before the command's name as well as after it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from pinflow.cli.arguments import FilledPath

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["COMMON", "common_options", "given", "json_option", "metrics_option"]

F = TypeVar("F", bound="Callable[..., Any]")

json_option = click.option("--json", "as_json", is_flag=True, help="Report as JSON on stdout.")

metrics_option = click.option(
    "--metrics-port",
    type=click.IntRange(0, 65_535),
    help="Serve counters to Prometheus on this port of 127.0.0.1; 0 takes a free one.",
)

COMMON = ("home", "config_file", "debug")
"""The names of the options that `common_options` adds."""

_OPTIONS = (
    click.option(
        "--home",
        type=FilledPath(file_okay=False, readable=False, path_type=Path),
        envvar="PINFLOW_HOME",
        default=Path(".pinflow"),
        show_default=True,
        help="The folder that holds everything.",
    ),
    click.option(
        "--config",
        "config_file",
        type=FilledPath(dir_okay=False, readable=False, path_type=Path),
        envvar="PINFLOW_CONFIG",
        help="The configuration  [default: pinflow.toml in the home folder]",
    ),
    click.option("--debug", is_flag=True, help="Show tracebacks and more log lines."),
)


def common_options(command: F) -> F:
    """Give a command or a group `--home`, `--config` and `--debug`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def given(ctx: click.Context, name: str) -> Any:
    """The value that was given for an option: the last one on the command line, before the command's name or after it.

    A value of the environment holds only where the command line names none.
    """
    at: click.Context | None = ctx
    while at is not None:
        if at.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            return at.params[name]
        at = at.parent
    return ctx.params[name] if ctx.get_parameter_source(name) is ParameterSource.ENVIRONMENT else None
