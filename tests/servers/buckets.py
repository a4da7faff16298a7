"""Buckets for tests: on moto's server, which stands in for S3. Every test has a bucket of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import urllib3

from tests.servers.moto import CREDENTIALS, moto_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["bucket", "make_bucket", "moto", "moved"]


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of moto's server."""
    with moto_server(tmp_path_factory.mktemp("moto")) as url:
        yield url


@pytest.fixture
def make_bucket(moto: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Makes a bucket, and gives the URL of a lake in it; the environment has the credentials."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)

    def make() -> str:
        name = f"pinflow-{uuid4().hex}"
        made = urllib3.request("PUT", f"{moto}/{name}", retries=False)
        assert made.status == 200, made.data
        return f"s3://{name}/lake?endpoint={moto}"

    return make


@pytest.fixture
def bucket(make_bucket: Callable[[], str]) -> str:
    """The URL of a lake in a bucket of its own."""
    return make_bucket()


def moved(lake: str, endpoint: str) -> str:
    """The same lake by way of another server, such as a faulty one before it; it is given up on after 2 s."""
    return f"{lake.partition('?')[0]}?endpoint={endpoint}&timeout=2"
