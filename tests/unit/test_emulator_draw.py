from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import islice
from threading import Event
from typing import TYPE_CHECKING

import pytest

from pinflow import source
from pinflow.emulator.draw import Supply, drawn_picks, every_pick, require_drawable
from pinflow.errors import AbsentError

if TYPE_CHECKING:
    from pathlib import Path

PUBLISHED = [
    7528, 2863, 5730, 8304, 8731, 1313, 4315, 10794, 5494, 5069,
    2923, 3089, 6063, 3454, 7554, 6145, 10625, 2959, 9875, 2418,
]  # fmt: skip


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('source')}/source.db"
    source.create(url, 3_000)
    return url


def test_the_draw_is_the_published_one() -> None:
    assert [pick.number for pick in islice(drawn_picks(100), 20)] == PUBLISHED


def test_the_draw_stays_within_its_bounds_and_repeats_posts() -> None:
    picks = list(islice(drawn_picks(100), 30_000))
    assert {pick.pause for pick in picks} == {0, 1}
    assert (min(pick.number for pick in picks), max(pick.number for pick in picks)) == (0, 11_000)
    assert len({pick.number for pick in picks}) < len(picks)


def test_another_seed_draws_other_posts() -> None:
    assert list(islice(drawn_picks(101), 20)) != list(islice(drawn_picks(100), 20))


@pytest.mark.parametrize("at_once", [1, 3, 1_000])
def test_numbers_the_source_does_not_hold_are_counted_and_drawn_again(url: str, at_once: int) -> None:
    with source.open_posts(url) as posts:
        supply = Supply(posts, drawn_picks(100), limit=None, at_once=at_once, stop=Event())
        taken = supply.take(5)
    assert [post.number for _, post in taken] == [2863, 1313, 2923, 2959, 2418]
    # the draws passed over before the fifth one that is there
    assert supply.skipped == 15


def test_the_pauses_are_those_drawn_before_the_posts(url: str) -> None:
    with source.open_posts(url) as posts:
        supply = Supply(posts, drawn_picks(100), limit=3, at_once=100, stop=Event())
        taken = [(pause, post.number) for pause, post in supply.take(10)]
    there = [(pick.pause, pick.number) for pick in islice(drawn_picks(100), 50) if pick.number < 3_000]
    assert taken == there[:3]


def test_each_once_gives_every_post_in_order(url: str) -> None:
    with source.open_posts(url) as posts:
        supply = Supply(posts, every_pick(posts, 100), limit=None, at_once=700, stop=Event())
        numbers = [post.number for _, post in supply.take(5_000)]
    assert numbers == list(range(3_000))
    assert supply.skipped == 0


def test_a_source_from_which_no_post_can_be_drawn_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/source.db"
    source.create(url, 11_010)
    with closing(sqlite3.connect(tmp_path / "source.db")) as connection, connection:
        connection.execute('DELETE FROM pinterest_data WHERE "index" <= 11000')
    with source.open_posts(url) as posts, pytest.raises(AbsentError, match="only these are drawn"):
        require_drawable(posts, url)
