"""Homes that earlier versions wrote are read and carried on as they stand, without a migration.

`tests/unit/fixtures/homes/0.1.0.tar.xz` was filled by the command of version 0.1.0, both sides alike:

- `user`: posts 0 to 29, all of age 20, in partition 0; then post 7 of age 21 in partition 1; then post 8 of age 31 in
  partition 0 while the clock stood back an hour; both cleaned. Then post 9 of age 40, which only landed.
- `geo`: posts 0 to 9 in Peru, 0 to 4 again in Chad; then post 2 in Togo in partition 1, which only landed.
- `pin`: posts 0 to 9; in partition 1 three records for quarantine and post 40 as indented JSON; then post 3 again.
- `replay batch pin` and `maintain` were run before the second part. At the end `batch` was killed between the receipt
  and the commit of a step, `stream` after the plan of one.

`aae5b33.tar.xz` beside it, with a step of each kind unfinished, and what that version itself made of it, is of
`tests.tools.keep_home`.
"""

from __future__ import annotations

import json
import tarfile
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import urllib3

from tests.e2e.command import gateway, pinflow, pinflow_json
from tests.kept_home import FINISH, read_with

ID = "0a6a638f5991"
SAFELY: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
"""Not there before Python 3.11.4; later ones ask for it."""

WRITTEN = Path(__file__).parents[1] / "unit/fixtures/homes"


def unpack(name: str, folder: Path) -> Path:
    with tarfile.open(WRITTEN / name) as archive:
        archive.extractall(folder, **SAFELY)
    return folder / "home"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return unpack("0.1.0.tar.xz", tmp_path)


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A home with a step of each kind unfinished."""
    return unpack("aae5b33.tar.xz", tmp_path)


@pytest.fixture
def expected(killed: Path) -> Any:
    """What the version that wrote it read in it, before and after it had finished those steps."""
    return json.loads((killed.parent / "expected.json").read_text())


def ask(home: Path, sql: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(pinflow("query", "--sql", sql, "--format", "json", home=home))
    return rows


def tables(name: str) -> tuple[str, str]:
    return name, f"{ID}_{name}_table"


def ages(home: Path, table: str) -> dict[int, int]:
    return {row["ind"]: row["age"] for row in ask(home, f'SELECT ind, age FROM "{table}"')}


def contents(home: Path) -> dict[Path, bytes]:
    """Every file with its bytes, but what SQLite's readers share."""
    return {
        path: path.read_bytes() for path in home.rglob("*") if path.is_file() and path.suffix != ".db-shm"
    }


def test_it_is_read_as_it_stands_without_a_write(home: Path) -> None:
    before = contents(home)
    assert pinflow_json("audit", "--deep", home=home)["problems"] == []
    for table in tables("user"):
        assert ages(home, table) == dict.fromkeys(range(30), 20) | {7: 21, 8: 31}
    for table in tables("geo"):
        countries = {row["ind"]: row["country"] for row in ask(home, f'SELECT ind, country FROM "{table}"')}
        assert countries == dict.fromkeys(range(10), "Peru") | dict.fromkeys(range(5), "Chad")
    assert contents(home) | before == contents(home)


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


def test_unfinished_steps_are_read_past_without_a_write(killed: Path, expected: Any) -> None:
    before = contents(killed)
    assert read_with(partial(pinflow, home=killed)) == expected["before"]
    assert contents(killed) | before == contents(killed)


def test_each_unfinished_step_is_finished_as_the_version_that_began_it_would_have(
    killed: Path, expected: Any
) -> None:
    run = partial(pinflow, home=killed)
    for command in FINISH:
        run(*command)
    assert pinflow_json("audit", "--deep", home=killed)["problems"] == []
    assert read_with(run) == expected["after"]


def test_replays_that_were_begun_can_be_given_up_and_all_else_goes_on(killed: Path, expected: Any) -> None:
    run = partial(pinflow, home=killed)
    for command in FINISH:
        run(*command, *(["--abandon"] if command[0] == "replay" and command[2:] == ("pin",) else []))
    assert pinflow_json("audit", "--deep", home=killed)["problems"] == []
    assert read_with(run)["answers"] == expected["after"]["answers"]


def test_a_request_that_was_answered_is_answered_the_same_and_what_is_new_goes_in_behind(
    killed: Path, expected: Any
) -> None:
    request = expected["request"]
    with gateway(killed) as url:
        again, first = (
            urllib3.request(
                "POST", f"{url}/{request['path']}", body=request["body"], headers=headers, retries=False
            )
            for headers in (request["headers"], request["headers"] | {"Idempotency-Key": '"another"'})
        )
    assert again.data.decode() == request["answer"]
    assert first.data != again.data
    for command in FINISH:
        pinflow(*command, home=killed)
    assert pinflow_json("audit", "--deep", home=killed)["problems"] == []
    assert read_with(partial(pinflow, home=killed))["answers"] == expected["after"]["answers"]
