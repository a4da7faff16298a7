"""Two stand-ins for Kinesis, which no test can have: moto's server, and kinesalite.

Moto takes any number of shards and knows on-demand streams, but does not split or merge as Kinesis does (it copies what
a shard holds into its children), and numbers the records of a shard from 1. Kinesalite splits, merges and numbers as
Kinesis does, has streams that are being created and deleted, and enforces the limits of a request.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from tests.servers.moto import CREDENTIALS, REGION
from tests.servers.ports import ROOT, free_port, serving
from tests.servers.quick import skip_in_quick_loop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["boto", "kinesalite", "url_of"]

KINESALITE = ROOT / "build" / "kinesalite" / "node_modules" / "kinesalite" / "cli.js"

COMING_MS = 20
"""How long a stream is being created, deleted or changed."""


@contextmanager
def kinesalite(folder: Path, *, coming_ms: int = COMING_MS) -> Iterator[str]:
    """Run kinesalite, its talk in `folder`; gives its URL."""
    skip_in_quick_loop("stand-in for Kinesis")
    node = shutil.which("node")
    if node is None or not KINESALITE.exists():
        give_up = pytest.fail if os.environ.get("CI") else pytest.skip
        give_up("kinesalite is not there: make system")
    port = free_port()
    times = [f"--{name}StreamMs={coming_ms}" for name in ("create", "delete", "update")]
    command = [str(node), str(KINESALITE), f"--port={port}", "--shardLimit=100000", *times]
    with serving(command, port, folder / "kinesalite.log", **CREDENTIALS) as url:
        yield url


def url_of(endpoint: str, prefix: str = "", **options: object) -> str:
    """The URL of a log on a stand-in; without pacing, for it is the tests' own, and patient with a busy machine."""
    given = {"endpoint": endpoint, "pace": "off", "timeout": 20} | options
    return f"kinesis://{REGION}/{prefix}?" + "&".join(f"{name}={value}" for name, value in given.items())


def boto(endpoint: str) -> Any:
    """A stock client of Kinesis, as any other producer or consumer has it."""
    return boto3.client("kinesis", region_name=REGION, endpoint_url=endpoint)
