"""What all tests share."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pinflow.config import Settings, load
from pinflow.jobs.runtime import Runtime
from tests.servers.kafka import brokers, required_libs
from tests.servers.quick import use_no_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinflow.jobs.pipelines import Side
    from tests.servers.kafka import Cluster

pytest_plugins = ["tests.servers.buckets", "tests.servers.fixtures_kinesis", "tests.servers.mariadb"]

TESTS = Path(__file__).parent

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As in a shell's background job. Children inherit it, and could not be interrupted.
    signal.signal(signal.SIGINT, signal.default_int_handler)


SLOW = {
    "property/test_cleaning.py",
    "property/test_gateway_openapi.py",
    "property/test_order.py",
    "property/test_raising.py",
    "property/test_values.py",
    "unit/test_cells.py",
    "unit/test_changed_tables.py",
    "unit/test_gateway_hostile.py",
    "unit/test_gateway_packets.py",
    "unit/test_isolating.py",
    "unit/test_maintain.py",
    "unit/test_order.py",
}
"""Files that take more than ten seconds of CPU without any server (`tests.tools.costs` measures it), below `tests`."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of slow files, for `make test-core` to leave out."""
    for item in items:
        if item.path.relative_to(TESTS).as_posix() in SLOW:
            item.add_marker(pytest.mark.slow)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The quick loop: `make test-core`."""
    parser.addoption("--no-servers", action="store_true", help="skip what needs a server of others")


def pytest_configure(config: pytest.Config) -> None:
    """In every process that runs tests."""
    if config.getoption("--no-servers"):
        use_no_server()


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
