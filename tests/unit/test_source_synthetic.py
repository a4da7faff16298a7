from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

import pytest

from pinflow.source.rows import GeoRow, PinRow, UserRow
from pinflow.source.synthetic.countries import COUNTRIES
from pinflow.source.synthetic.people import poster_sizes
from pinflow.source.synthetic.synthetic import synthetic_blocks

FULL = 11_154


class Drawn(NamedTuple):
    pins: list[PinRow]
    geos: list[GeoRow]
    users: list[UserRow]


@lru_cache(maxsize=4)
def drawn(posts: int, seed: int = 100) -> Drawn:
    result = Drawn([], [], [])
    for block in synthetic_blocks(posts, seed):
        result.pins.extend(PinRow(*row) for row in block.pins)  # type: ignore[arg-type]
        result.geos.extend(GeoRow(*_sent(row)) for row in block.geos)  # type: ignore[arg-type]
        result.users.extend(UserRow(*_sent(row)) for row in block.users)  # type: ignore[arg-type]
    return result


def _sent(row: tuple[object, ...]) -> list[object]:
    """The row with its time as it is sent."""
    return [value.isoformat() if isinstance(value, datetime) else value for value in row]


def text_of(value: str | None) -> str:
    assert value is not None
    return value


def people(source: Drawn) -> dict[str, set[tuple[object, ...]]]:
    """Poster name → the people behind it."""
    found: dict[str, set[tuple[object, ...]]] = defaultdict(set)
    for pin, geo, user in zip(*source, strict=True):
        person = (user.first_name, user.last_name, user.age, user.date_joined)
        place = (geo.country, geo.latitude, geo.longitude)
        found[text_of(pin.poster_name)].add(person + place)
    return found


def test_posts_are_numbered_from_zero_in_every_table() -> None:
    source = drawn(FULL)
    for rows in source:
        assert [row.number for row in rows] == list(range(FULL))


def test_categories_come_in_sorted_blocks_of_the_documented_sizes() -> None:
    categories = [pin.category for pin in drawn(FULL).pins]
    assert categories == sorted(text_of(category) for category in categories)
    assert Counter(categories) == {
        "christmas": 999, "tattoos": 970, "quotes": 910, "art": 892, "education": 863, "home-decor": 861,
        "travel": 859, "mens-fashion": 852, "vehicles": 838, "diy-and-crafts": 830, "finance": 786,
        "event-planning": 748, "beauty": 746,
    }  # fmt: skip


def test_every_placeholder_has_its_documented_count() -> None:
    pins = drawn(FULL).pins
    assert Counter(pin.is_image_or_video for pin in pins) == {
        "image": 9_920,
        "multi-video(story page format)": 895,
        "video": 332,
        None: 7,
    }
    counts = {
        "story": sum(pin.description == "No description available Story format" for pin in pins),
        "description": sum(pin.description == "No description available" for pin in pins),
        "title": sum(pin.title == "No Title Data Available" for pin in pins),
        "poster": sum(pin.poster_name == "User Info Error" for pin in pins),
        "followers": sum(pin.follower_count == "User Info Error" for pin in pins),
        "tags": sum(pin.tag_list == "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e" for pin in pins),
        "image": sum(pin.image_src == "Image src error." for pin in pins),
        "downloaded": sum(pin.downloaded == 0 for pin in pins),
    }
    assert counts == {
        "story": 895, "description": 182, "title": 88, "poster": 88, "followers": 88, "tags": 171, "image": 323,
        "downloaded": 331,
    }  # fmt: skip


def test_placeholders_come_in_their_documented_combinations() -> None:
    for pin in drawn(FULL).pins:
        story = pin.is_image_or_video == "multi-video(story page format)"
        assert story == (pin.description == "No description available Story format")
        no_title = pin.title == "No Title Data Available"
        assert no_title == (pin.poster_name == "User Info Error") == (pin.follower_count == "User Info Error")
        has_image = text_of(pin.image_src or "").startswith("https://")
        assert has_image == (pin.downloaded == 1)
        if pin.image_src == "Image src error.":
            assert story


@pytest.mark.parametrize("posts", [1_000, 30_000])
def test_shares_scale_with_the_number_of_posts(posts: int) -> None:
    source = drawn(posts)
    pins = source.pins

    def expect(full_count: int, count: int) -> None:
        # every kind of row is rounded by itself, and a sum has at most four kinds
        assert abs(count - full_count * posts / FULL) <= 3

    media = Counter(pin.is_image_or_video for pin in pins)
    expect(895, media["multi-video(story page format)"])
    expect(332, media["video"])
    expect(7, media[None])
    expect(182, sum(pin.description == "No description available" for pin in pins))
    expect(88, sum(pin.title == "No Title Data Available" for pin in pins))
    expect(171, sum(text_of(pin.tag_list).startswith("N,o,") for pin in pins))
    expect(331, sum(pin.downloaded == 0 for pin in pins))
    expect(999, sum(pin.category == "christmas" for pin in pins))
    assert 0.40 < len({pin.poster_name for pin in pins}) / posts < 0.48
    ages = [user.age or 0 for user in source.users]
    assert 0.33 < sum(age <= 24 for age in ages) / posts < 0.48  # fewer posts, fewer prolific posters


@pytest.mark.parametrize("posts", [1, 2, 7, 12, 100])
def test_a_source_may_be_tiny(posts: int) -> None:
    assert [len(rows) for rows in drawn(posts)] == [posts] * 3


def test_texts_have_the_documented_lengths_and_endings() -> None:
    pins = drawn(FULL).pins
    descriptions = [text_of(pin.description) for pin in pins]
    assert 0.34 < sum(text.endswith("…\u00a0") for text in descriptions) / FULL < 0.38
    assert max(map(len, descriptions)) == 180
    assert max(len(text_of(pin.title)) for pin in pins) == 199
    tags = {text_of(pin.tag_list) for pin in pins if not text_of(pin.tag_list).startswith("N,o,")}
    assert {text.count(",") + 1 for text in tags} == {9}
    assert all(len(set(text.split(","))) == 9 for text in tags)
    assert len({pin.title for pin in pins}) > 0.8 * FULL
    assert all(pin.save_location == f"Local save in /data/{pin.category}" for pin in pins)


@pytest.mark.parametrize(
    "odd",
    [
        "😍",
        "❤️",
        "👩🏽‍🎨",
        "Смотрите",
        "Ｆｕｌｌ",
        "“",
        "”",
        "’",
        "é",
        "ハンドメイド",
        "|",
        '"',
        "{",
        "}",
        "\n",
        "\u00a0",
    ],
)
def test_odd_characters_are_there(odd: str) -> None:
    assert any(odd in f"{pin.title} {pin.description} {pin.poster_name}" for pin in drawn(FULL).pins)


@pytest.mark.parametrize("odd", [",", "|", '"', "{", "}", "“", "✨", "Дом", "Ｔｈｅ", "é"])
def test_poster_names_have_odd_characters(odd: str) -> None:
    assert any(odd in text_of(pin.poster_name) for pin in drawn(FULL).pins)


@pytest.mark.parametrize("posts", [FULL, 30_000])
def test_a_poster_is_one_person(posts: int) -> None:
    assert all(len(persons) == 1 for persons in people(drawn(posts)).values())


def test_posters_are_few_and_very_skewed() -> None:
    posts = Counter(pin.poster_name for pin in drawn(FULL).pins)
    assert 4_900 < len(posts) < 5_100
    (_, largest), (_, second), *_ = posts.most_common(2)
    assert 230 <= largest <= 244
    assert second > 120


@pytest.mark.parametrize("posts", [1, 2, 10, 500, 5_000, FULL])
def test_the_sizes_of_the_posters_sum_to_the_posts(posts: int) -> None:
    sizes = poster_sizes(posts)
    assert sum(sizes) == posts
    assert sizes == sorted(sizes, reverse=True)
    assert min(sizes) == 1


def test_who_posts_most_is_young_joined_early_and_lives_early_in_the_alphabet() -> None:
    source = drawn(FULL)
    posts = Counter(pin.poster_name for pin in source.pins)
    prolific = {name for name, _ in posts.most_common(50)}
    for pin, geo, user in zip(*source, strict=True):
        if pin.poster_name in prolific:
            assert (user.age or 0) < 36
            assert user.date_joined is not None
            assert user.date_joined < "2016-09"
            assert text_of(geo.country) < "F"


def test_one_name_of_a_hundred_is_two_people() -> None:
    source = drawn(FULL)
    posters: dict[tuple[str | None, str | None], set[str | None]] = defaultdict(set)
    for pin, user in zip(source.pins, source.users, strict=True):
        posters[user.first_name, user.last_name].add(pin.poster_name)
    sizes = Counter(map(len, posters.values()))
    assert set(sizes) == {1, 2}
    assert 0.008 < sizes[2] / len(posters) < 0.012


def test_follower_counts_have_the_documented_forms() -> None:
    counts = [text_of(pin.follower_count) for pin in drawn(FULL).pins]
    assert all(re.fullmatch(r"\d+[kM]?|User Info Error", count) for count in counts)
    forms = Counter(count[-1] if count[-1] in "kM" else "digits" for count in counts)
    assert 0.70 < forms["k"] / FULL < 0.74
    assert 0.19 < (forms["digits"] - 88) / FULL < 0.22
    assert 0.06 < forms["M"] / FULL < 0.085
    assert max(int(count) for count in counts if count.isdigit()) <= 940
    assert max(int(count[:-1]) for count in counts if count.endswith("M")) <= 15


def test_a_posters_follower_counts_are_equal_or_near() -> None:
    counts: dict[str | None, set[str]] = defaultdict(set)
    for pin in drawn(FULL).pins:
        counts[pin.poster_name].add(text_of(pin.follower_count))
    several = [sorted(int(count[:-1]) for count in texts) for texts in counts.values() if len(texts) > 1]
    assert several
    assert all(len(values) == 2 and values[1] - values[0] == 1 for values in several)


def test_ages_have_the_documented_distribution() -> None:
    ages = [user.age or 0 for user in drawn(FULL).users]
    assert (min(ages), max(ages)) == (20, 60)
    shares = [
        sum(low <= age <= high for age in ages) / FULL
        for low, high in ((18, 24), (25, 35), (36, 50), (51, 60))
    ]
    assert shares == pytest.approx([0.45, 0.27, 0.20, 0.08], abs=0.02)


def test_times_are_whole_seconds_within_the_documented_years() -> None:
    source = drawn(FULL)
    posted = [datetime.fromisoformat(geo.timestamp) for geo in source.geos if geo.timestamp is not None]
    joined = [
        datetime.fromisoformat(user.date_joined) for user in source.users if user.date_joined is not None
    ]
    assert len(posted) == len(joined) == FULL
    assert (min(posted).date().isoformat(), max(posted).date().isoformat()) == ("2017-10-20", "2022-10-16")
    assert (min(joined).isoformat()[:7], max(joined).isoformat()[:7]) == ("2015-10", "2017-10")
    assert all(moment.microsecond == 0 for moment in posted + joined)
    assert all(join < post for join, post in zip(joined, posted, strict=True))


def test_places_are_243_countries_and_coordinates_of_six_digits() -> None:
    geos = drawn(FULL).geos
    assert len(COUNTRIES) == 243
    assert list(COUNTRIES) == sorted(set(COUNTRIES))
    assert {geo.country for geo in geos} == set(COUNTRIES)
    assert all(-90 <= (geo.latitude or 0) <= 90 and -180 <= (geo.longitude or 0) <= 180 for geo in geos)
    assert all(geo.latitude == float(f"{geo.latitude:.6g}") for geo in geos)


def test_unique_ids_are_version_4_uuids_and_unique() -> None:
    ids = {text_of(pin.unique_id) for pin in drawn(FULL).pins}
    assert len(ids) == FULL
    form = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
    assert all(form.fullmatch(each) for each in ids)


def test_another_seed_gives_other_posts() -> None:
    assert drawn(200, 100) != drawn(200, 101)


def test_the_same_seed_gives_the_same_posts_in_any_process() -> None:
    code = "from pinflow.source.synthetic.synthetic import synthetic_blocks as b; print(list(b(200, 100)), end='')"
    here = hashlib.sha256(str(list(synthetic_blocks(200, 100))).encode()).hexdigest()
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONIOENCODING": "utf-8"}
        printed = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, check=True
        )
        assert hashlib.sha256(printed.stdout).hexdigest() == here


def test_the_sizes_sum_to_the_posts_for_every_small_source() -> None:
    for posts in range(1, 600):
        sizes = poster_sizes(posts)
        assert sum(sizes) == posts
        assert min(sizes) >= 1
