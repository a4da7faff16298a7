"""A home that version 0.1.0 wrote is read and carried on as it stands.

`tests/unit/fixtures/homes/0.1.0.tar.xz` was filled by the command of that version, both sides alike:

- `user`: posts 0 to 29, all of age 20, in partition 0; then post 7 of age 21 in partition 1; then post 8 of age 31 in
  partition 0 while the clock stood back an hour; both cleaned. Then post 9 of age 40, which only landed.
- `geo`: posts 0 to 9 in Peru, 0 to 4 again in Chad; then post 2 in Togo in partition 1, which only landed.
- `pin`: posts 0 to 9; in partition 1 three records for quarantine and post 40 as indented JSON; then post 3 again.
- `replay batch pin` and `maintain` were run before the second part. At the end `batch` was killed between the receipt
  and the commit of a step, `stream` after the plan of one.
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.command import pinflow, pinflow_json

ID = "0a6a638f5991"
SAFELY: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
"""Not there before Python 3.11.4; later ones ask for it."""

WRITTEN = Path(__file__).parents[1] / "unit/fixtures/homes/0.1.0.tar.xz"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with tarfile.open(WRITTEN) as archive:
        archive.extractall(tmp_path, **SAFELY)
    return tmp_path / "home"


def ask(home: Path, sql: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(pinflow("query", "--sql", sql, "--format", "json", home=home))
    return rows


def tables(name: str) -> tuple[str, str]:
    return name, f"{ID}_{name}_table"


def ages(home: Path, table: str) -> dict[int, int]:
    return {row["ind"]: row["age"] for row in ask(home, f'SELECT ind, age FROM "{table}"')}


def test_it_is_read_as_it_stands_without_a_write(home: Path) -> None:
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    assert pinflow_json("audit", "--deep", home=home)["problems"] == []
    for table in tables("user"):
        assert ages(home, table) == dict.fromkeys(range(30), 20) | {7: 21, 8: 31}
    for table in tables("geo"):
        countries = {row["ind"]: row["country"] for row in ask(home, f'SELECT ind, country FROM "{table}"')}
        assert countries == dict.fromkeys(range(10), "Peru") | dict.fromkeys(range(5), "Chad")
    assert all(path.read_bytes() == data for path, data in before.items() if path.suffix != ".db-shm")


def test_it_is_carried_on_and_nothing_is_lost_or_doubled(home: Path) -> None:
    for job in ("land", "batch", "stream"):
        pinflow(job, "--drain", home=home)
    for _ in range(2):
        assert pinflow_json("audit", "--deep", home=home)["problems"] == []
        for table in tables("user"):
            assert ages(home, table) == dict.fromkeys(range(30), 20) | {7: 21, 8: 31, 9: 40}
        for table in tables("geo"):
            found = ask(home, f'SELECT country FROM "{table}" WHERE ind = 2')
            assert found == [{"country": "Togo"}]
        for table in tables("pin"):
            assert ask(
                home, f'SELECT title, follower_count FROM "{table}" WHERE ind IN (3, 40) ORDER BY ind'
            ) == [
                {"title": "second 3", "follower_count": 2_000_000},
                {"title": "indented", "follower_count": None},
            ]
            assert len(ask(home, f'SELECT reason FROM "{table}_quarantine"')) == 3
        pinflow("maintain", home=home)
        for side in ("batch", "stream"):
            pinflow("replay", "run", side, home=home)
