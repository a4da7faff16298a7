"""`pinflow source create`, `load` and `show`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pinflow.cli.arguments import MOST_POSTS
from pinflow.cli.common import command_options, echo_json
from pinflow.cli.options import common_options, json_option

if TYPE_CHECKING:
    from pinflow.config import Settings
    from pinflow.tasks import SourceResult

__all__ = ["source"]

replace_option = click.option("--replace", is_flag=True, help="Replace the posts that are there.")


@click.group
@common_options
def source(**_: object) -> None:
    """Make, load or show the source database."""


@source.command
@click.option(
    "--posts", type=click.IntRange(1, MOST_POSTS), default=11_154, show_default=True, help="How many posts."
)
@click.option("--seed", type=int, default=100, show_default=True, help="The same seed gives the same posts.")
@replace_option
@json_option
@command_options
def create(settings: Settings, *, posts: int, seed: int, replace: bool, as_json: bool) -> None:
    """Make a synthetic source, drawn to the shape of the real site's tables."""
    from pinflow import tasks
    from pinflow.cli.show import Bar

    with Bar() as bar:
        made = tasks.create_source(settings, posts=posts, seed=seed, replace=replace, progress=bar)
    _report(made, as_json=as_json)


@source.command(short_help="Read a source from three JSON Lines files.")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@replace_option
@json_option
@command_options
def load(settings: Settings, *, folder: Path, replace: bool, as_json: bool) -> None:
    """Read a source from pin.jsonl, geo.jsonl and user.jsonl in FOLDER: one row a line, fields as in the tables."""
    from pinflow import tasks
    from pinflow.cli.show import Bar

    with Bar() as bar:
        loaded = tasks.load_source(folder, settings, replace=replace, progress=bar)
    _report(loaded, as_json=as_json)


@source.command
@json_option
@command_options
def show(settings: Settings, *, as_json: bool) -> None:
    """Show what is in the source."""
    import msgspec

    from pinflow import tasks
    from pinflow.cli.show import print_rows

    found = tasks.show_source(settings)
    if as_json:
        echo_json(found)
        return
    facts = msgspec.structs.asdict(found)
    categories = facts.pop("categories")
    print_rows(["fact", "value"], [(name, _plain(value)) for name, value in facts.items()])
    click.echo()
    print_rows(["category", "posts"], list(categories.items()))


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return ", ".join(f"{key} {count:,}" for key, count in value.items())
    return value


def _report(filled: SourceResult, *, as_json: bool) -> None:
    if as_json:
        echo_json(filled)
    else:
        posts = "post" if filled.posts == 1 else "posts"
        click.echo(f"{filled.posts:,} {posts} in {filled.source}", err=True)
