"""The plain-Python statement of the rules holds on the examples that the rules give."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.reference import Reject, Row, Stored, answers, clean_geo, clean_pin, clean_user, latest

PIN_COLUMNS = [
    "ind",
    "unique_id",
    "title",
    "description",
    "follower_count",
    "poster_name",
    "tag_list",
    "is_image_or_video",
    "image_src",
    "save_location",
    "category",
]


def pin(**fields: Any) -> Row:
    row = clean_pin(json.dumps({"index": 1, **fields}))
    assert isinstance(row, dict)
    return row


def geo(**fields: Any) -> Row:
    row = clean_geo(json.dumps({"ind": 1, **fields}))
    assert isinstance(row, dict)
    return row


def user(**fields: Any) -> Row:
    row = clean_user(json.dumps({"ind": 1, **fields}))
    assert isinstance(row, dict)
    return row


def test_the_columns_stand_in_the_documented_order() -> None:
    assert list(pin()) == PIN_COLUMNS
    assert list(geo()) == ["ind", "country", "coordinates", "timestamp"]
    assert list(user()) == ["ind", "user_name", "age", "date_joined"]


def test_of_an_empty_record_only_the_number_is_known() -> None:
    assert set(pin().values()) == {1, None}
    assert geo() == {"ind": 1, "country": None, "coordinates": [None, None], "timestamp": None}
    assert user() == {"ind": 1, "user_name": "", "age": None, "date_joined": None}


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("12k", 12_000),
        ("2M", 2_000_000),
        ("1.5k", 1_500),
        ("15m", 15_000_000),
        ("2B", 2_000_000_000),
        ("2.147483647B", 2_147_483_647),
        ("2.147483648B", None),
        ("3B", None),
        ("940", 940),
        (940, 940),
        ("0", 0),
        ("2.0", 2),
        ("1.2345k", None),
        ("User Info Error", None),
        ("", None),
        ("-1", None),
        ("1.k", None),
        ("1e3", 1_000),
        ("1.5e3", 1_500),
        ("2.5e1k", None),
        ("1İ", None),
        ("12k\n", None),
        (None, None),
        ("9" * 5_000, None),
    ],
)
def test_follower_counts(text: Any, count: int | None) -> None:
    assert pin(follower_count=text)["follower_count"] == count


@pytest.mark.parametrize(
    ("column", "placeholder"),
    [
        ("title", "No Title Data Available"),
        ("description", "No description available"),
        ("description", "No description available Story format"),
        ("poster_name", "User Info Error"),
        ("tag_list", "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e"),
        ("image_src", "Image src error."),
    ],
)
def test_placeholders_mean_no_value_in_their_own_column_only(column: str, placeholder: str) -> None:
    assert pin(**{column: placeholder})[column] is None
    assert pin(**{column: ""})[column] is None
    assert pin(**{column: f"{placeholder} "})[column] == f"{placeholder} "
    assert pin(category=placeholder)["category"] == placeholder


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("Local save in /data/art", "/data/art"),
        ("Local save in  /data/art ", "/data/art"),
        ("/data/art", "/data/art"),
        ("Local save in ", None),
        ("", None),
        ("Local save in Local save in x", "Local save in x"),
        ("Local save in \u00a0", "\u00a0"),
    ],
)
def test_save_locations(text: str, place: str | None) -> None:
    assert pin(save_location=text)["save_location"] == place


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2020-08-28T03:52:47", datetime(2020, 8, 28, 3, 52, 47, tzinfo=UTC)),
        ("2020-08-28 03:52:47", datetime(2020, 8, 28, 3, 52, 47, tzinfo=UTC)),
        ("2020-08-28 03:52:47.5Z", datetime(2020, 8, 28, 3, 52, 47, 500_000, UTC)),
        ("2020-08-28 03:52:47+01:30", datetime(2020, 8, 28, 2, 22, 47, tzinfo=UTC)),
        ("2020-08-28 03:52:47-18:00", datetime(2020, 8, 28, 21, 52, 47, tzinfo=UTC)),
        ("2020-08-28 03:52:47+18:01", None),
        ("2020-08-28 03:52:47+01:60", None),
        ("2020-08-28 24:00:00", None),
        ("2020-02-30 00:00:00", None),
        ("0000-01-01 00:00:00", None),
        ("2020-08-28", datetime(2020, 8, 28, tzinfo=UTC)),
        ("2020", None),
        ("2020-08-28 03:52:47.1234567", datetime(2020, 8, 28, 3, 52, 47, 123_456, UTC)),
        ("2020-08-28t03:52:47.9999999z", datetime(2020, 8, 28, 3, 52, 47, 999_999, UTC)),
        ("2020-08-28T03:52:47+0200", datetime(2020, 8, 28, 1, 52, 47, tzinfo=UTC)),
        ("2020-08-28T03:52:47-02", datetime(2020, 8, 28, 5, 52, 47, tzinfo=UTC)),
        ("2020-08-28T03:52:47 UTC", datetime(2020, 8, 28, 3, 52, 47, tzinfo=UTC)),
        ("2020-08-28T03:52:47 utc", None),
        ("2020-08-28T03:52:47 +02", None),
        ("0000-12-31 23:59:59-01:00", datetime(1, 1, 1, 0, 59, 59, tzinfo=UTC)),
        ("9999-12-31 23:59:59-01:00", None),
        ("2020-08-28 03:52:47\n", None),
        ("", None),
    ],
)
def test_timestamps(text: str, moment: datetime | None) -> None:
    assert geo(timestamp=text)["timestamp"] == moment
    assert user(date_joined=text)["date_joined"] == moment


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("-89.98", -89.9800033569336),
        (-89.98, -89.9800033569336),
        ("178.6", 178.60000610351562),
        ("1e2", 100.0),
        ("+1", 1.0),
        ("16777217", 16_777_216.0),
        ("16777217.0000000000000000000001", 16_777_218.0),
        ("3.4028234e38", 3.4028234663852886e38),
        ("3.4028235e38", None),
        ("1e400", None),
        ("1e99999999999999999999", None),
        ("1e-99999999999999999999", 0.0),
        ("0e999", 0.0),
        ("1e-45", 1.401298464324817e-45),
        ("7e-46", 0.0),
        (".5", None),
        ("5.", None),
        ("NaN", None),
        (" 1", None),
        ("", None),
    ],
)
def test_coordinates(text: Any, number: float | None) -> None:
    assert geo(latitude=text, longitude="7")["coordinates"] == [number, 7.0]


@pytest.mark.parametrize(
    ("first", "last", "name"),
    [("Ada", "Byron", "Ada Byron"), ("Ada", "", "Ada"), (None, "Byron", "Byron"), ("", None, "")],
)
def test_user_names(first: str | None, last: str | None, name: str) -> None:
    assert user(first_name=first, last_name=last)["user_name"] == name


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("17", 17),
        (17, 17),
        ("+5", 5),
        ("-007", -7),
        ("2147483647", 2_147_483_647),
        ("-2147483648", -2_147_483_648),
        ("2147483648", None),
        ("0" * 100 + "7", 7),
        ("9" * 5_000, None),
        (2.7, None),
        (2.0, 2),
        ("25.0", 25),
        ("2.5e1", 25),
        ("2500e-2", 25),
        ("-2.5E+1", -25),
        ("25.00000000000000000001", None),
        ("0e99999999999999999999", 0),
        ("1e99999999999999999999", None),
        ("1e-400", None),
        ("1e3", 1_000),
        ("1_0", None),
        (" 1", None),
        ("٣", None),
        (True, None),
        ("", None),
        ([1], None),
        (None, None),
    ],
)
def test_integers(text: Any, number: int | None) -> None:
    assert user(age=text)["age"] == number
    row = clean_user(json.dumps({"ind": text}))
    assert isinstance(row, Reject) if number is None else isinstance(row, dict) and row["ind"] == number


def test_raw_columns_are_the_text_that_was_sent() -> None:
    row = clean_pin(
        '{"index": 1, "title": true, "description": 2, "category": {"a" : [1.50, null]},\n'
        ' "tag_list" :[ ] , "unique_id":false, "image_src":"\\u0041", "poster_name": null}'
    )
    assert isinstance(row, dict)
    assert row["title"] == "true"
    assert row["description"] == "2"
    assert row["category"] == '{"a" : [1.50, null]}'
    assert row["tag_list"] == "[ ]"
    assert row["unique_id"] == "false"
    assert row["image_src"] == "A"
    assert row["poster_name"] is None


def test_a_number_keeps_the_text_it_came_as() -> None:
    row = clean_pin('{"index": 1, "title": 1.50, "category": 1e3, "follower_count": 1e3, "image_src": -0}')
    assert isinstance(row, dict)
    assert (row["title"], row["category"], row["image_src"]) == ("1.50", "1e3", "-0")
    assert row["follower_count"] == 1_000


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ('{"ind": 1,}', "not JSON"),
        ('{"ind": 1} x', "not JSON"),
        ('{"ind": NaN}', "not JSON: NaN"),
        ('{"ind": 1, "age": -Infinity}', "not JSON: -Infinity"),
        ('{"ind": 1, "first_name": "a\tb"}', "not JSON"),
        ('\ufeff{"ind": 1}', "not JSON"),
        (b'{"ind": 1, "first_name": "\xff"}', "not JSON"),
        ("[1]", "not a JSON object"),
        ("17", "not a JSON object"),
        ("null", "not a JSON object"),
        ('{"ind": 1, "ind": 1}', "a duplicate key"),
        ('{"ind": 1, "first_name": "\\ud800"}', "not valid text"),
        ('{"ind": 1, "\\udfff": 1}', "not valid text"),
        ('{"ind": 1, "x": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
        ('{"ind": 1, "x": ' + "[" * 500 + "]" * 500 + "}", "nested too deeply"),
        ("{}", "no ind"),
        ('{"ind": null}', "no ind"),
        ('{"index": 1}', "no ind"),
        ('{"ind": "x"}', "ind is no 32-bit integer"),
    ],
)
def test_what_cannot_be_a_row_is_rejected_with_a_reason(text: str | bytes, reason: str) -> None:
    assert clean_user(text) == Reject(reason)


def test_an_escaped_pair_is_one_character() -> None:
    row = clean_user('{"ind": 1, "first_name": "\\ud83d\\ude00"}')
    assert isinstance(row, dict)
    assert row["user_name"] == "😀"


def test_the_latest_of_a_post_is_the_one_accepted_last_by_the_running_time_of_its_partition() -> None:
    rows = [
        Stored(0, 5, {"ind": 2, "at": "a"}, 10),
        Stored(1, 4, {"ind": 2, "at": "b"}, 11),
        Stored(0, 7, {"ind": 1, "at": "c"}, 30),
        Stored(2, 7, {"ind": 1, "at": "d"}, 30),
        Stored(1, 9, {"ind": 1, "at": "e"}, 29),
        Stored(3, 0, {"ind": 3, "at": "f"}, 50),
        Stored(3, 1, {"ind": 4, "at": "g"}, 20),
        Stored(0, 8, {"ind": 4, "at": "h"}, 40),
    ]
    assert latest(rows) == [
        {"ind": 1, "at": "d"},
        {"ind": 2, "at": "b"},
        {"ind": 3, "at": "f"},
        {"ind": 4, "at": "g"},
    ]


def test_the_questions_on_a_handful_of_posts() -> None:
    facts: list[tuple[str, str, str, int | None, str, int | None, str]] = [
        ("Bhutan", "christmas", "ann", 10, "2018-05-05 00:00:00", 20, "2015-01-01 00:00:00"),
        ("Bhutan", "event-planning", "bob", 30, "2018-06-05 00:00:00", 24, "2016-01-01 00:00:00"),
        ("Albania", "art", "ann", 30, "2017-06-05 00:00:00", 51, "2015-01-01 00:00:00"),
        ("Albania", "art", "cy", None, "2022-06-05 00:00:00", None, "2014-12-31 23:59:59"),
        ("Albania", "quotes", "ann", 5, "2022-06-05 00:00:00", 17, "2015-01-01 00:00:00"),
    ]
    pins, geos, users = [], [], []
    for ind, (country, category, poster, followers, posted, age, joined) in enumerate(facts):
        pins.append(
            pin(poster_name=poster, follower_count=followers, category=category) | {"ind": ind},
        )
        geos.append(geo(country=country, timestamp=posted) | {"ind": ind})
        users.append(user(first_name=poster, age=age, date_joined=joined) | {"ind": ind})
    users.append(user(first_name="nobody's post", age=20, date_joined="2015-01-01 00:00:00") | {"ind": 99})
    assert answers(pins, geos, users) == {
        "top_category_by_country": [
            ("Albania", "art", 2),
            ("Bhutan", "christmas", 1),
            ("Bhutan", "event-planning", 1),
        ],
        "category_counts_by_year": [
            (2018, "christmas", 1),
            (2018, "event-planning", 1),
            (2022, "art", 1),
            (2022, "quotes", 1),
        ],
        "top_category_by_year": [
            (2018, "christmas", 1),
            (2018, "event-planning", 1),
            (2022, "art", 1),
            (2022, "quotes", 1),
        ],
        "top_poster_by_country": [("Albania", "ann", 30), ("Bhutan", "bob", 30)],
        "top_country_by_followers": [("Albania", 30)],
        "top_category_by_age_group": [
            ("18-24", "christmas", 1),
            ("18-24", "event-planning", 1),
            ("+50", "art", 1),
        ],
        "median_followers_by_age_group": [("18-24", 20.0), ("+50", 30.0)],
        "users_joined_by_year": [(2015, 3), (2016, 1)],
        "median_followers_by_joining_year": [(2015, 10.0), (2016, 30.0)],
        "median_followers_by_joining_year_and_age_group": [
            ("18-24", 2015, 10.0),
            ("18-24", 2016, 30.0),
            ("+50", 2015, 30.0),
        ],
    }
