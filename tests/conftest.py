"""What all tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pinflow.config import Settings, load
from tests.servers.buckets import bucket, make_bucket, moto

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["bucket", "clean_environment", "make_bucket", "moto", "settings"]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine reaches a test."""
    import os

    for name in list(os.environ):
        if name.startswith(("PINFLOW", "AWS_")):
            monkeypatch.delenv(name)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The default configuration in a home of its own."""
    return load(tmp_path / "home", env={})
