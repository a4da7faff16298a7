"""A zone of a sink, adopted by the installed command: its answers are those that plain Python gives."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pinflow.lake import open_store
from pinflow.queries import questions
from pinflow.source.reader import open_posts
from tests import reference
from tests.contract.lakes import LAKES
from tests.e2e.command import pinflow, pinflow_json, run
from tests.pipeline import topic
from tests.zone import write_zone

if TYPE_CHECKING:
    from pathlib import Path

POSTS = {"disk": 700, "s3": 120}
"""Three one-record files each; the server that stands in for S3 takes its time."""

PARTITIONS = 3


@pytest.mark.parametrize("where", sorted(LAKES))
def test_the_answers_from_an_adopted_zone_are_the_references(
    where: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    lake = LAKES[where](request)
    (home / "pinflow.toml").write_text(f'[lake]\nurl = "{lake}"\n')
    pinflow("source", "create", "--posts", "1000", home=home)
    with open_posts(f"sqlite:///{home}/source.db") as source:
        posts = source.fetch(list(source.numbers())[: POSTS[where]])
    store = open_store(lake)
    for name in ("pin", "geo", "user"):
        texts = [getattr(post, name) for post in posts]
        for partition in range(PARTITIONS):
            write_zone(store, topic("batch", name), partition, texts[partition::PARTITIONS])
    assert pinflow_json("land", "--adopt", "topics/", home=home)["records"] == 3 * POSTS[where]
    assert pinflow_json("land", "--adopt", "topics/", home=home)["records"] == 0
    pinflow("batch", "--drain", home=home)
    rows = {
        "pins": [reference.clean_pin(post.pin) for post in posts],
        "geos": [reference.clean_geo(post.geo) for post in posts],
        "users": [reference.clean_user(post.user) for post in posts],
    }
    expected = reference.answers(**rows)  # type: ignore[arg-type]
    for name in questions() if where == "disk" else ("top_country_by_followers", "category_counts_by_year"):
        answer = json.loads(pinflow("query", name, "--format", "json", home=home))
        assert [tuple(row.values()) for row in answer] == [_plain(row) for row in expected[name]], name
    found = pinflow_json("audit", "--deep", home=home)
    assert found["ok"] is True
    assert sum(line["accepted"] for line in found["lines"]) == 3 * POSTS[where]


def _plain(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(json.loads(json.dumps(value)) for value in row)


def test_a_zone_with_a_hole_is_told_in_a_few_lines(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "zone"))
    write_zone(store, "posts", 0, [b"{}"] * 3)
    write_zone(store, "posts", 0, [b"{}"], first=5)
    done = run("land", "--adopt", str(tmp_path / "zone"), home=tmp_path / "home")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "pinflow: records are missing: posts partition 0: offsets 3 to 4",
        f"  where: {tmp_path}/zone",
        "  next:  restore the files, or adopt the existing records with --accept-gaps",
    ]
    taken = pinflow_json("land", "--adopt", str(tmp_path / "zone"), "--accept-gaps", home=tmp_path / "home")
    assert taken["records"] == 4
