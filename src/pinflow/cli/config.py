"""`pinflow init` and `pinflow config show`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pinflow.cli.common import command_options, echo_json
from pinflow.cli.options import common_options, json_option

if TYPE_CHECKING:
    from pinflow.config import Settings

__all__ = ["config", "init"]


@click.command
@click.option("--force", is_flag=True, help="Overwrite the configuration that is there.")
@command_options
def init(settings: Settings, *, force: bool) -> None:
    """Make the home folder, and in it a pinflow.toml with every setting, its default and its meaning."""
    from pinflow.config import FILE_NAME, template
    from pinflow.errors import UsageError

    path = settings.home / FILE_NAME
    if path.exists() and not force:
        raise UsageError(
            "there is a configuration already", where=str(path), hint="pinflow init --force overwrites it"
        )
    settings.home.mkdir(parents=True, exist_ok=True)
    path.write_text(template(), encoding="utf-8")
    click.echo(f"{path}\nnext: pinflow demo, or pinflow up", err=True)


@click.group
@common_options
def config(**_: object) -> None:
    """Show the configuration and where each value came from."""


@config.command
@json_option
@command_options
def show(settings: Settings, *, as_json: bool) -> None:
    """Show every setting, its value, and where the value came from. Secrets are hidden."""
    from pinflow.config import flatten, show_setting

    rows = [
        (key, show_setting(key, value), settings.origins[key])
        for key, value in flatten(settings.config).items()
    ]
    if as_json:
        echo_json({key: {"value": value, "from": origin} for key, value, origin in rows})
    else:
        from pinflow.cli.show import print_rows

        print_rows(["setting", "value", "from"], rows)
