"""Stations killed at random, two workers a job, under load: every acknowledged record is there exactly once."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tests.crash.soak import soak

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 200


def test_two_hundred_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1 << 30)
    print(f"seed {seed}")  # shown when the test fails
    outcome = soak(tmp_path / "home", KILLS, seed=seed)
    assert outcome.kills >= KILLS
    assert min(outcome.acknowledged, outcome.emulated) > 0
    assert outcome.acknowledged + outcome.emulated <= outcome.records
