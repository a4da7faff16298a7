"""What every source does, run on each database; and that posts are the same bytes from all of them."""

from __future__ import annotations

import json
import threading
from datetime import datetime
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from pinflow import source as room
from pinflow.errors import AbsentError, GapError, PinflowError, TerminalError
from pinflow.source.database import fill
from pinflow.source.rows import Block
from pinflow.source.synthetic.synthetic import synthetic_blocks
from pinflow.source.tables import GEO, PIN, USER
from tests.contract.sources import SOURCES, Source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pinflow.source import Post

ODD_TEXTS = (
    "",
    " ",
    "Дом “é” 😍👩‍👩‍👧 ｆｕｌｌ\u00a0…",
    "a\\b'c\"d`e%s%%(x)s:y{}|",
    "line\nbreak\r\n\ttab\x1a\x7f\x00end",
    "trailing blanks  ",
    "NULL",
    "\ue000\U0010ffff",
)


class Watcher:
    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def start(self, total: int | None, what: str) -> None:
        self.calls.append(("start", total, what))

    def advance(self, n: int) -> None:
        self.calls.append(("advance", n))

    def stop(self) -> None:
        self.calls.append(("stop",))


@pytest.fixture(params=sorted(SOURCES))
def source(request: pytest.FixtureRequest) -> Source:
    return SOURCES[request.param](request)


@pytest.fixture
def url(source: Source) -> str:
    return source.url


def all_posts(url: str) -> list[Post]:
    with room.open_posts(url) as posts:
        return posts.fetch(list(posts.numbers()))


def block_of(pins: int, **columns: object) -> Block:
    """Posts that are alike but for their number, with some columns as told."""
    pin = dict.fromkeys((column.name for column in PIN.columns), "x") | {"downloaded": 1} | columns
    geo = {"ind": 0, "timestamp": None, "latitude": 1.5, "longitude": None, "country": "x"} | columns
    user = {"ind": 0, "first_name": "x", "last_name": "x", "age": 20, "date_joined": None} | columns
    return Block(
        [(n, *[pin[c.name] for c in PIN.columns][1:]) for n in range(pins)],
        [(n, *[geo[c.name] for c in GEO.columns][1:]) for n in range(pins)],
        [(n, *[user[c.name] for c in USER.columns][1:]) for n in range(pins)],
    )


def write_files(folder: Path, numbers: tuple[int, ...] = (4, 7, 9)) -> None:
    pin = {
        "unique_id": "00000000-0000-4000-8000-000000000000", "title": "“Ein” Дом 😍", "description": "",
        "poster_name": "A, B & {C}", "follower_count": "12k", "tag_list": "a,b", "is_image_or_video": None,
        "image_src": "Image src error.", "downloaded": 0, "save_location": "Local save in /data/art",
        "category": "art",
    }  # fmt: skip
    geo = {
        "timestamp": "2020-08-28T05:52:47.25+02:00",
        "latitude": -88.8298,
        "longitude": 5,
        "country": "Côte",
    }
    user = {"first_name": "Ann", "last_name": None, "age": 20, "date_joined": "2015-10-21 21:26:45"}
    for name, key, row in (("pin", "index", pin), ("geo", "ind", geo), ("user", "ind", user)):
        lines = [json.dumps({key: number} | row, ensure_ascii=False) for number in numbers]
        (folder / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")


def test_create_makes_all_that_is_missing_and_says_how_many_posts(url: str) -> None:
    watcher = Watcher()
    assert room.create(url, 30, progress=watcher) == 30
    assert watcher.calls == [("start", 30, "posts"), ("advance", 30), ("stop",)]
    assert room.summary(url).posts == 30


def test_create_refuses_a_source_that_holds_posts_and_leaves_it_as_it_is(url: str) -> None:
    room.create(url, 30)
    before = room.summary(url)
    with pytest.raises(TerminalError, match="holds 30 posts already") as raised:
        room.create(url, 40, seed=7)
    assert "--replace" in raised.value.hint
    assert room.summary(url) == before


def test_create_replaces_when_told_to(url: str) -> None:
    room.create(url, 30)
    room.create(url, 20, replace=True)
    found = room.summary(url)
    assert (found.first, found.last, found.posts) == (0, 19, 20)


def test_what_fails_half_way_leaves_the_old_posts(url: str) -> None:
    room.create(url, 30)
    before = room.summary(url)

    def blocks() -> Iterator[Block]:
        yield from synthetic_blocks(50, 1)
        raise TerminalError("the disk is on fire")

    with pytest.raises(TerminalError, match="on fire"):
        fill(url, blocks(), replace=True, progress=Watcher())
    assert room.summary(url) == before
    room.create(url, 5, replace=True)
    assert room.summary(url).posts == 5


def test_readers_see_all_posts_or_none_while_a_source_is_filled(url: str) -> None:
    filled, looked = threading.Event(), threading.Event()
    seen: list[int] = []

    def blocks() -> Iterator[Block]:
        yield block_of(500)
        filled.set()
        assert looked.wait(30)

    def count() -> int:
        try:
            with room.open_posts(url) as posts:
                return posts.count()
        except AbsentError:
            return 0

    def fill_it() -> None:
        fill(url, blocks(), replace=False, progress=Watcher())

    filling = threading.Thread(target=fill_it)
    filling.start()
    assert filled.wait(30)
    seen.append(count())
    looked.set()
    filling.join()
    seen.append(count())
    assert seen == [0, 500]


def test_summary_says_what_is_there(url: str) -> None:
    room.create(url, 300)
    found = room.summary(url)
    assert found.rows == {"pinterest_data": 300, "geolocation_data": 300, "user_data": 300}
    assert (found.posts, found.first, found.last) == (300, 0, 299)
    assert sum(found.categories.values()) == 300
    assert list(found.categories) == sorted(found.categories)
    assert isinstance(found.earliest, datetime)
    assert isinstance(found.latest, datetime)
    assert (found.earliest.year, found.latest.year) == (2017, 2022)
    assert 100 < found.posters < 300
    assert 50 < found.countries <= 243


def test_a_source_describes_its_server_counts_its_rows_and_has_no_findings(url: str) -> None:
    room.create(url, 30)
    with room.open_source(url) as source:
        assert source.count_rows() == {"pinterest_data": 30, "geolocation_data": 30, "user_data": 30}
        assert source.describe()
        assert source.check() == []


def test_tables_that_do_not_hold_the_same_posts_are_a_finding(source: Source) -> None:
    room.create(source.url, 3)
    source.execute("DELETE FROM user_data WHERE ind = 1")
    (finding,) = room.check(source.url)
    assert finding.broken
    assert finding.what.endswith("pinterest_data 3, geolocation_data 3, user_data 2")


def test_a_source_that_is_not_there_is_absent(url: str) -> None:
    with pytest.raises(AbsentError, match="no source") as looked:
        room.summary(url)
    with pytest.raises(AbsentError) as opened, room.open_posts(url):
        pass
    assert looked.value.hint == opened.value.hint == "pinflow source create"


def test_a_table_that_is_missing_is_named_and_made_by_the_next_create(source: Source) -> None:
    room.create(source.url, 5)
    source.execute("DROP TABLE user_data")
    with pytest.raises(AbsentError, match="no source yet: table user_data is missing"):
        room.summary(source.url)
    room.create(source.url, 5, replace=True)
    assert set(room.summary(source.url).rows.values()) == {5}


def test_numbers_come_in_order_and_in_portions(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pinflow.source.reader.NUMBERS_AT_ONCE", 7)
    room.create(url, 30)
    with room.open_posts(url) as posts:
        assert list(posts.numbers()) == list(range(30))
        assert posts.count() == 30
        assert posts.bounds() == (0, 29)


def test_an_empty_source_has_no_bounds(source: Source) -> None:
    room.create(source.url, 1)
    for table in ("pinterest_data", "geolocation_data", "user_data"):
        source.execute(f"DELETE FROM {table}")
    with room.open_posts(source.url) as posts:
        assert posts.bounds() is None
        assert list(posts.numbers()) == []
    assert room.summary(source.url).posts == 0
    assert room.create(source.url, 3) == 3


def test_fetch_keeps_the_order_and_the_repeats_and_leaves_out_what_is_not_there(url: str) -> None:
    room.create(url, 300)
    with room.open_posts(url) as posts:
        found = posts.fetch([5, 250, 5, 300, 0, 2**40, -1])
        assert posts.fetch([]) == []
    assert [post.number for post in found] == [5, 250, 5, 0]
    assert found[0] == found[2]


def test_fetch_takes_more_numbers_than_one_statement(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pinflow.source.reader.LOOKUP_AT_ONCE", 7)
    room.create(url, 30)
    with room.open_posts(url) as posts:
        assert [post.number for post in posts.fetch(range(30))] == list(range(30))


def test_fetched_rows_are_json_with_the_columns_in_table_order(url: str) -> None:
    (block,) = synthetic_blocks(300, 100)
    room.create(url, 300)
    for post, pin, geo, user in zip(all_posts(url), *block, strict=True):
        fetched_pin, fetched_geo, fetched_user = (json.loads(row) for row in (post.pin, post.geo, post.user))
        assert list(fetched_pin) == [column.name for column in PIN.columns]
        assert tuple(fetched_pin.values()) == pin
        assert list(fetched_geo) == [column.name for column in GEO.columns]
        assert tuple(fetched_geo.values()) == (geo[0], geo[1].isoformat(), *geo[2:])  # type: ignore[attr-defined]
        assert list(fetched_user) == [column.name for column in USER.columns]
        assert tuple(fetched_user.values()) == (*user[:4], user[4].isoformat())  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_odd_texts_come_back_as_they_were(url: str, text: str) -> None:
    fill(url, [block_of(1, title=text, country=text, last_name=text)], replace=False, progress=Watcher())
    (post,) = all_posts(url)
    assert json.loads(post.pin)["title"] == text
    assert json.loads(post.geo)["country"] == text
    assert json.loads(post.user)["last_name"] == text
    assert "\\u" not in post.pin.decode().replace("\\u00", "")


def test_null_is_null_in_every_column_but_the_number(url: str) -> None:
    names = {column.name for table in (PIN, GEO, USER) for column in table.columns}
    fill(url, [block_of(1, **dict.fromkeys(names))], replace=False, progress=Watcher())
    (post,) = all_posts(url)
    for row in (post.pin, post.geo, post.user):
        number, *values = json.loads(row).values()
        assert number == 0
        assert values == [None] * len(values)


def test_coordinates_and_moments_come_back_to_the_last_digit(url: str) -> None:
    rng = Random(1)
    numbers = [rng.uniform(-180, 180) for _ in range(200)] + [
        round(rng.uniform(-180, 180), 4) for _ in range(200)
    ]
    numbers += [1e-7, 5e-324, 1.7976931348623157e308, 0.1 + 0.2, 5.0, 0.0]
    moments = [datetime.fromisoformat(f"2020-08-28T03:52:47.{n:06}") for n in (0, 1, 999_999, 500_000)]
    block = block_of(len(numbers))
    geos: list[tuple[object, ...]] = [
        (n, moments[n % len(moments)], number, -number, "x") for n, number in enumerate(numbers)
    ]
    fill(url, [block._replace(geos=geos)], replace=False, progress=Watcher())
    for post, geo in zip(all_posts(url), geos, strict=True):
        found = json.loads(post.geo)
        assert found["timestamp"] == geo[1].isoformat()  # type: ignore[attr-defined]
        assert (found["latitude"], found["longitude"]) == (geo[2], geo[3])


def test_a_post_without_its_other_rows_is_an_error(source: Source) -> None:
    room.create(source.url, 5)
    source.execute("DELETE FROM geolocation_data WHERE ind = 3")
    with (
        room.open_posts(source.url) as posts,
        pytest.raises(GapError, match="post 3 has no row in geolocation_data"),
    ):
        posts.fetch([2, 3])


def test_load_reads_the_three_files(url: str, tmp_path: Path) -> None:
    write_files(tmp_path)
    assert room.load(url, tmp_path) == 3
    posts = all_posts(url)
    assert [post.number for post in posts] == [4, 7, 9]
    pin, geo, user = (json.loads(row) for row in (posts[1].pin, posts[1].geo, posts[1].user))
    assert (pin["index"], pin["title"], pin["description"], pin["is_image_or_video"]) == (
        7,
        "“Ein” Дом 😍",
        "",
        None,
    )
    assert geo == {
        "ind": 7, "timestamp": "2020-08-28T03:52:47.250000", "latitude": -88.8298, "longitude": 5.0, "country": "Côte"
    }  # fmt: skip
    assert user["date_joined"] == "2015-10-21T21:26:45"


def test_load_refuses_a_source_that_holds_posts_unless_told_to_replace(url: str, tmp_path: Path) -> None:
    write_files(tmp_path)
    room.create(url, 10)
    with pytest.raises(PinflowError, match="holds 10 posts already"):
        room.load(url, tmp_path)
    assert room.load(url, tmp_path, replace=True) == 3
    assert room.summary(url).posts == 3


def test_a_load_that_fails_leaves_the_old_posts(url: str, tmp_path: Path) -> None:
    write_files(tmp_path)
    room.create(url, 10)
    before = room.summary(url)
    with (tmp_path / "user.jsonl").open("a") as file:
        file.write("\n{}")
    with pytest.raises(TerminalError):
        room.load(url, tmp_path, replace=True)
    assert room.summary(url) == before


def test_the_same_posts_are_the_same_bytes_from_every_database(request: pytest.FixtureRequest) -> None:
    def posts_of(name: str) -> list[Any]:
        url = SOURCES[name](request).url
        room.create(url, 2_000, seed=100)
        return all_posts(url)

    first, *others = (posts_of(name) for name in sorted(SOURCES))
    assert len(first) == 2_000
    assert all(other == first for other in others)
