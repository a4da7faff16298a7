"""Moto's server: it stands in for AWS, which no test can have. One process serves S3, Kinesis and IAM."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.servers.ports import free_port, serving
from tests.servers.quick import skip_in_quick_loop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["CREDENTIALS", "REGION", "moto_server"]

REGION = "eu-west-1"

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "pinflow-tests",
    "AWS_SECRET_ACCESS_KEY": "no-secret-at-all",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""The environment of a process that talks to it."""


@contextmanager
def moto_server(folder: Path) -> Iterator[str]:
    """Run one, its talk in `folder`; gives its URL."""
    skip_in_quick_loop("stand-in for AWS")
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "tests.servers.moto_in_turn", str(port)]
    with serving(command, port, folder / "moto.log") as url:
        yield url
