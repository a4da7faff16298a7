"""`pinflow gateway`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pinflow.cli.common import command_options, watch_stdin

if TYPE_CHECKING:
    from pinflow.config import Settings

__all__ = ["gateway"]


@click.command
@click.option("--host", help="Address to listen on  [default: gateway.host]")
@click.option("--port", type=int, help="Port to listen on; 0 takes a free one  [default: gateway.port]")
@click.option(
    "--ready-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the address here once connections are taken.",
)
@command_options
def gateway(settings: Settings, *, host: str | None, port: int | None, ready_file: Path | None) -> None:
    """Take posts over HTTP into the log, until stopped.

    Speaks the Kafka REST Proxy v2 API under /topics and a Kinesis API under /streams. A 2xx answer means that the
    records are on disk.
    """
    from pinflow.config import override
    from pinflow.gateway import serve

    watch_stdin()
    serve(override(settings, {"gateway.host": host, "gateway.port": port}), ready_file=ready_file)
