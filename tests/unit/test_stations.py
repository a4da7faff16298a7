"""A station that ends by itself, or is never ready, is reported as such."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING

import pytest

from pinflow.config import load
from pinflow.errors import StationError
from pinflow.stations.process import Station, end_all, wait_for_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WAIT_S = 60.0


@pytest.fixture
def stations(tmp_path: Path) -> Iterator[list[Station]]:
    """The first ends at once, as there is no such command; the second runs and never writes the file."""
    settings = load(tmp_path, env={})
    stations = [Station("wrong", ["no-such-command"], settings), Station("land", ["land"], settings)]
    yield stations
    end_all(stations, WAIT_S)


def test_a_station_that_ends_by_itself_is_reported_with_its_last_line(
    stations: list[Station], tmp_path: Path
) -> None:
    wrong, _ = stations
    wrong.start()
    with pytest.raises(StationError, match="the wrong process ended with code 2") as caught:
        wait_for_file(tmp_path / "ready", wrong, WAIT_S, Event())
    assert "no-such-command" in caught.value.what
    assert caught.value.where.endswith("wrong.log")


def test_a_station_that_is_not_ready_in_time_is_reported(stations: list[Station], tmp_path: Path) -> None:
    _, land = stations
    land.start()
    with pytest.raises(StationError, match="the land process was not ready within 0 s"):
        wait_for_file(tmp_path / "ready", land, 0.0, Event())
