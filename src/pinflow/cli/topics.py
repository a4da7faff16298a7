"""`pinflow gateway topics`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pinflow.cli.common import command_options, echo_json
from pinflow.cli.options import common_options, json_option

if TYPE_CHECKING:
    from pinflow.config import Settings

__all__ = ["topics"]


@click.group
@common_options
def topics(**_: object) -> None:
    """Create, list and delete topics of the log.

    With gateway.create_topics = false, a topic is created only by this or by POST /streams.
    """


@topics.command
@click.argument("name")
@click.option("--partitions", type=click.IntRange(1, 1024), help="How many  [default: log.partitions]")
@command_options
def create(settings: Settings, *, name: str, partitions: int | None) -> None:
    """Create the topic NAME. A running gateway accepts records for it at once."""
    from pinflow import tasks

    tasks.create_topic(name, settings, partitions=partitions)
    click.echo(f"topic {name} was created", err=True)


@topics.command(name="list")
@json_option
@command_options
def list_topics(settings: Settings, *, as_json: bool) -> None:
    """List the topics with their partitions."""
    from pinflow import tasks
    from pinflow.cli.show import print_rows

    found = tasks.list_topics(settings)
    if as_json:
        echo_json(found)
    else:
        print_rows(["topic", "partitions"], list(found.items()))


@topics.command
@click.argument("name")
@click.option("--force", is_flag=True, help="Even if records would be lost.")
@command_options
def delete(settings: Settings, *, name: str, force: bool) -> None:
    """Delete the topic NAME: no more records are accepted for it.

    The embedded log keeps its records until every job has read them. Kafka and Kinesis do not: there the
    topic is deleted only when all of it is in the lake.
    """
    from pinflow import tasks

    tasks.delete_topic(name, settings, force=force)
    click.echo(f"topic {name} was deleted", err=True)
