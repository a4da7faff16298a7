"""The logs that the contract suite runs over: name → a function that gives the URL of a log for one test."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from tests.servers.kafka import Cluster

__all__ = ["LOGS"]


def _sqlite(request: pytest.FixtureRequest) -> str:
    folder: Path = request.getfixturevalue("tmp_path")
    return f"sqlite:///{folder}/log.db"


def _kafka(request: pytest.FixtureRequest) -> str:
    cluster: Cluster = request.getfixturevalue("kafka")
    return cluster.url


LOGS: dict[str, Callable[[pytest.FixtureRequest], str]] = {"kafka": _kafka, "sqlite": _sqlite}
