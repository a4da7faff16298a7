"""What all tests share."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from pinflow.config import Settings, load
from pinflow.jobs.runtime import Runtime
from tests.servers.kafka import brokers, required_libs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pinflow.jobs.pipelines import Side
    from tests.servers.kafka import Cluster

pytest_plugins = ["tests.servers.buckets", "tests.servers.fixtures_kinesis", "tests.servers.mariadb"]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As in a shell's background job. Children inherit it, and could not be interrupted.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine reaches a test."""
    import os

    for name in list(os.environ):
        if name.startswith(("AWS_", "MYSQL_", "PINFLOW")):
            monkeypatch.delenv(name)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The default configuration in a home of its own."""
    return load(tmp_path / "home", env={})


@pytest.fixture
def runtime(settings: Settings) -> Iterator[Runtime]:
    """The parts of the pipeline that `settings` describe: a test's own, where its module makes some."""
    with Runtime(settings) as runtime:
        yield runtime


@pytest.fixture(params=["batch", "stream"])
def side(request: pytest.FixtureRequest) -> Side:
    """Each side in turn."""
    side: Side = request.param
    return side


@pytest.fixture(scope="session")
def kafka() -> Iterator[Cluster]:
    """A Kafka cluster of one broker, for all tests of this process."""
    required_libs()
    with brokers() as cluster:
        yield cluster
