"""`pinflow gateway topics`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pinflow.cli.common import command_options, echo_json, json_option

if TYPE_CHECKING:
    from pinflow.config import Settings

__all__ = ["topics"]


@click.group
def topics() -> None:
    """Create, list and delete topics of the log.

    With gateway.create_topics = false this, and POST /streams, is how a topic comes to be.
    """


@topics.command
@click.argument("name")
@click.option("--partitions", type=click.IntRange(1, 1024), help="How many  [default: log.partitions]")
@command_options
def create(settings: Settings, *, name: str, partitions: int | None) -> None:
    """Create the topic NAME. A gateway that runs takes records for it at once."""
    from pinflow.errors import UsageError
    from pinflow.gateway.topics import name_problem, room_problem
    from pinflow.jobs.runtime import Runtime
    from pinflow.lake.landing.layout import path_limits

    count = partitions or settings.config.log.partitions
    with Runtime(settings) as runtime:
        room = path_limits(settings.config.lake.url)
        others = runtime.log.topics.list() if room.folds_case else ()
        problem = name_problem(name) or room_problem(name, count, room, others)
        if problem is not None:
            raise UsageError(f"there can be no such topic: {problem}", where=name, hint="choose another name")
        runtime.log.topics.create(name, count)
    click.echo(f"topic {name} is there", err=True)


@topics.command(name="list")
@json_option
@command_options
def list_topics(settings: Settings, *, as_json: bool) -> None:
    """List the topics with their partitions."""
    from pinflow.cli.show import print_rows
    from pinflow.jobs.runtime import Runtime

    with Runtime(settings, read_only=True) as runtime:
        found = runtime.log.topics.list()
    if as_json:
        echo_json(found)
    else:
        print_rows(["topic", "partitions"], list(found.items()))


@topics.command
@click.argument("name")
@click.option("--force", is_flag=True, help="Even if records would be lost.")
@command_options
def delete(settings: Settings, *, name: str, force: bool) -> None:
    """Delete the topic NAME: it takes nothing more.

    The embedded log keeps what the topic took until every job has it. Kafka and Kinesis do not: there the topic is
    deleted only when all of it is in the lake.
    """
    from pinflow.jobs.maintain.delete_topic import delete_topic
    from pinflow.jobs.runtime import Runtime

    with Runtime(settings) as runtime:
        delete_topic(runtime, name, force=force)
    click.echo(f"topic {name} is deleted", err=True)
