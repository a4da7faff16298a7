"""The lakes that the contract suites run over: name → a function that gives the URL of an empty one for one test."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

__all__ = ["LAKES"]


def _disk(request: pytest.FixtureRequest) -> str:
    folder: Path = request.getfixturevalue("tmp_path")
    return str(folder / "lake")


def _s3(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue("bucket")
    return url


LAKES: dict[str, Callable[[pytest.FixtureRequest], str]] = {"disk": _disk, "s3": _s3}
