"""Kinesis on moto and on one kinesalite for all tests of a worker; streams have names of their own in each test."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.servers.faults import Faults, faulty
from tests.servers.kinesis import kinesalite
from tests.servers.moto import CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "aws_credentials",
    "faults",
    "kinesalite_server",
    "kinesalite_url",
    "moto_kinesis_url",
    "prefix",
]


@pytest.fixture
def aws_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the AWS chain finds in this process, and nothing of the machine."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")


@pytest.fixture(scope="session")
def kinesalite_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of a kinesalite."""
    with kinesalite(tmp_path_factory.mktemp("kinesalite")) as url:
        yield url


@pytest.fixture(scope="module")
def faults(kinesalite_server: str) -> Iterator[Faults]:
    """A faulty server before a kinesalite."""
    with faulty(kinesalite_server) as faults:
        yield faults


@pytest.fixture
def prefix() -> str:
    """What the names of a test's streams begin with: the stand-ins are shared."""
    return f"{uuid4().hex[:8]}-"


@pytest.fixture
def moto_kinesis_url(moto: str, aws_credentials: None) -> str:
    """The endpoint of moto, the one that has the buckets too, and credentials for it."""
    return moto


@pytest.fixture
def kinesalite_url(kinesalite_server: str, aws_credentials: None) -> str:
    """The endpoint of a kinesalite, and credentials for it."""
    return kinesalite_server
