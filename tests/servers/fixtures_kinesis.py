"""One moto and one kinesalite for all tests of a worker; streams have names of their own in each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.servers.kinesis import kinesalite, moto_kinesis
from tests.servers.moto import CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["aws_credentials", "kinesalite_url", "moto_kinesis_url"]


@pytest.fixture(scope="session")
def aws_credentials() -> Iterator[None]:
    """What the AWS chain finds in this process, and nothing of the machine."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        patch.setenv("AWS_CONFIG_FILE", "/nowhere")
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
        yield


@pytest.fixture(scope="session")
def moto_kinesis_url(aws_credentials: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of a moto."""
    with moto_kinesis(tmp_path_factory.mktemp("moto")) as url:
        yield url


@pytest.fixture(scope="session")
def kinesalite_url(aws_credentials: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of a kinesalite."""
    with kinesalite(tmp_path_factory.mktemp("kinesalite")) as url:
        yield url
