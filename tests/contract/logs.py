"""The logs that the contract suite runs over: name → a function that gives the URL of a log for one test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.servers.kinesis import url_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from tests.servers.kafka import Cluster

__all__ = ["LOGS"]


def _sqlite(request: pytest.FixtureRequest) -> str:
    folder: Path = request.getfixturevalue("tmp_path")
    return f"sqlite:///{folder}/log.db"


def _kinesis(request: pytest.FixtureRequest) -> str:
    return url_of(request.getfixturevalue("moto_kinesis_url"))


def _kinesalite(request: pytest.FixtureRequest) -> str:
    return url_of(request.getfixturevalue("kinesalite_url"))


def _kafka(request: pytest.FixtureRequest) -> str:
    cluster: Cluster = request.getfixturevalue("kafka")
    return cluster.url


LOGS: dict[str, Callable[[pytest.FixtureRequest], str]] = {
    "sqlite": _sqlite,
    "kafka": _kafka,
    "kinesis": _kinesis,
    "kinesalite": _kinesalite,
}
"""Kinesis on both of its stand-ins."""
