"""`pinflow gateway`, its keys and its topics."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from pinflow.cli.arguments import FilledPath
from pinflow.cli.common import command_options, echo_json, watch_stdin, with_settings
from pinflow.cli.options import COMMON, common_options, json_option
from pinflow.cli.topics import topics as topics_group

if TYPE_CHECKING:
    from pinflow.config import Settings

__all__ = ["gateway"]

FILE = FilledPath(dir_okay=False, path_type=Path)


@click.group(invoke_without_command=True)
@click.option("--host", help="Address to listen on  [default: gateway.host]")
@click.option("--port", type=int, help="Port to listen on; 0 takes a free one  [default: gateway.port]")
@click.option(
    "--tls-cert",
    help="PEM file with the certificate and its chain  [default: gateway.tls_cert]",
)
@click.option("--tls-key", help="PEM file with the certificate's key  [default: gateway.tls_key]")
@click.option(
    "--insecure",
    is_flag=True,
    default=None,
    help="Listen beyond this machine even without API keys or TLS  [default: gateway.insecure]",
)
@click.option("--ready-file", type=FILE, help="Write the address here once connections are taken.")
@common_options
def gateway(**options: Any) -> None:
    """Take posts over HTTP into the log, until stopped.

    Speaks the Kafka REST Proxy v2 API under /topics and a Kinesis API under /streams. A 2xx answer means that the
    records are durable: on disk, or acknowledged by the Kafka or Kinesis that is the log. Where there are API keys,
    every request needs one.
    """
    ctx = click.get_current_context()
    if ctx.invoked_subcommand is None:
        _serve(**options)
    else:
        _require_no_options(ctx, ctx.invoked_subcommand)


@with_settings
def _serve(settings: Settings, *, ready_file: Path | None, **flags: Any) -> None:
    from pinflow.config import override
    from pinflow.gateway import serve

    watch_stdin()
    serve(
        override(settings, {f"gateway.{name}": value for name, value in flags.items()}), ready_file=ready_file
    )


def _require_no_options(ctx: click.Context, subcommand: str) -> None:
    """Check that no option of serving stands before a subcommand, which would ignore it."""
    for param in ctx.command.params:
        name = param.name or ""
        if name not in COMMON and ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            ctx.fail(f"{param.opts[0]} is an option of serving, and does not go with {subcommand!r}.")


gateway.add_command(topics_group)


@gateway.group
@common_options
def keys(**_: object) -> None:
    """Make, list and revoke API keys.

    As soon as there is a key, every request needs one. A running gateway notices every change at once.
    """


@keys.command
@click.option("--name", required=True, help="The client it is for; the user of Basic authentication.")
@click.option(
    "--topics",
    multiple=True,
    default=["*"],
    show_default=True,
    help="The topics and streams it is for, as a pattern such as 'a.*'; may be given several times.",
)
@json_option
@command_options
def create(settings: Settings, *, name: str, topics: tuple[str, ...], as_json: bool) -> None:
    """Make an API key. It is printed on stdout once, and stored only as a hash."""
    from pinflow.gateway.auth.key_file import create_key

    key, text = create_key(Path(settings.config.gateway.keys_file), name, topics)
    if as_json:
        echo_json({"id": key.id, "name": key.name, "topics": key.topics, "key": text})
        return
    click.echo(text)
    click.echo(f"key {key.id} of {key.name!r}, for {', '.join(key.topics)}; it is not shown again", err=True)


@keys.command(name="list")
@json_option
@command_options
def list_keys(settings: Settings, *, as_json: bool) -> None:
    """List the API keys: id, name, topics, and when each was made."""
    from pinflow.errors import AbsentError
    from pinflow.gateway.auth.key_file import read_keys

    try:
        found = read_keys(Path(settings.config.gateway.keys_file))
    except AbsentError:
        found = []
    if as_json:
        echo_json([{"id": k.id, "name": k.name, "topics": k.topics, "created": k.created} for k in found])
        return
    from pinflow.cli.show import print_rows

    print_rows(
        ["id", "name", "topics", "created"], [(k.id, k.name, ", ".join(k.topics), k.created) for k in found]
    )


@keys.command
@click.argument("ident", metavar="ID")
@command_options
def revoke(settings: Settings, *, ident: str) -> None:
    """Revoke the API key with this id. The next request with it is rejected."""
    from pinflow.gateway.auth.key_file import revoke_key

    key = revoke_key(Path(settings.config.gateway.keys_file), ident)
    click.echo(f"revoked {key.id} of {key.name!r}", err=True)
