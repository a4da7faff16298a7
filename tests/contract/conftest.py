"""The engines, each opened once for all tests of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.engines import ENGINES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinflow.engine import Engine


@pytest.fixture(scope="module", params=sorted(ENGINES))
def engine_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def engine(engine_name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = ENGINES[engine_name](tmp_path_factory.mktemp("engine"))
    yield engine
    engine.close()
