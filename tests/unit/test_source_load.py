from __future__ import annotations

import json
from codecs import BOM_UTF8
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from pinflow import source
from pinflow.errors import AbsentError, TerminalError

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("pin.jsonl", "geo.jsonl", "user.jsonl")


def rows_of(number: int) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    pin = {
        "index": number,
        "unique_id": f"00000000-0000-4000-8000-{number:012d}",
        "title": "“Ein” Дом 😍",
        "description": "",
        "poster_name": "A, B & {C}",
        "follower_count": "12k",
        "tag_list": "a,b",
        "is_image_or_video": None,
        "image_src": "Image src error.",
        "downloaded": 0,
        "save_location": "Local save in /data/art",
        "category": "art",
    }
    geo = {
        "ind": number,
        "timestamp": "2020-08-28 03:52:47",
        "latitude": -88.8298,
        "longitude": 5,
        "country": "Cote d'Ivoire",
    }
    user = {
        "ind": number,
        "first_name": "Ann",
        "last_name": None,
        "age": 20,
        "date_joined": "2015-10-21T21:26:45Z",
    }
    return pin, geo, user


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files of posts 4, 7 and 9."""
    for name, rows in zip(NAMES, zip(*(rows_of(number) for number in (4, 7, 9)), strict=True), strict=True):
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (tmp_path / name).write_text(lines, encoding="utf-8")
    return tmp_path


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/source.db"


def change(path: Path, line: int, **fields: object) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    row = {**json.loads(lines[line - 1]), **fields}
    lines[line - 1] = json.dumps(row)
    path.write_text("\n".join(lines), encoding="utf-8")


def assert_refused(url: str, folder: Path, match: str, where: str) -> None:
    with pytest.raises(TerminalError, match=match) as raised:
        source.load(url, folder)
    assert raised.value.where.endswith(where)
    assert "nothing was loaded" in raised.value.what
    with suppress(AbsentError):  # not even the tables were made
        assert source.summary(url).posts == 0


def test_load_keeps_fractions_of_a_second_and_passes_over_empty_lines(url: str, folder: Path) -> None:
    change(folder / "geo.jsonl", 2, timestamp="2020-08-28T05:52:47.25+02:00")
    path = folder / "geo.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace("\n", "\n\n") + "\n\n", encoding="utf-8")
    source.load(url, folder)
    with source.open_posts(url) as posts:
        (post,) = posts.fetch([7])
    assert json.loads(post.geo)["timestamp"] == "2020-08-28T03:52:47.250000"


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("2020-08-28", "2020-08-28T00:00:00"),
        ("2020-08-28T03:52:47.1234567", "2020-08-28T03:52:47.123456"),
        ("2020-08-28 05:52:47+0200", "2020-08-28T03:52:47"),
        ("2020-08-28T05:52:47+02", "2020-08-28T03:52:47"),
        ("2020-08-28 03:52:47 UTC", "2020-08-28T03:52:47"),
        ("0001-01-01T02:00:00+02:00", "0001-01-01T00:00:00"),
        ("9999-12-31T21:59:59.999999-02:00", "9999-12-31T23:59:59.999999"),
    ],
)
def test_a_time_is_read_in_every_form_that_the_rules_read(
    url: str, folder: Path, text: str, sent: str
) -> None:
    change(folder / "geo.jsonl", 2, timestamp=text)
    source.load(url, folder)
    with source.open_posts(url) as posts:
        (post,) = posts.fetch([7])
    assert json.loads(post.geo)["timestamp"] == sent


@pytest.mark.parametrize("text", ["0001-01-01T01:00:00+02:00", "9999-12-31T23:00:00-02:00"])
@pytest.mark.parametrize(("name", "field"), [("geo.jsonl", "timestamp"), ("user.jsonl", "date_joined")])
def test_a_time_that_its_zone_carries_out_of_the_years_is_named_with_file_and_line(
    url: str, folder: Path, name: str, field: str, text: str
) -> None:
    change(folder / name, 2, **{field: text})
    assert_refused(
        url, folder, rf"not an ISO 8601 time of the years 1 to 9999 .*\$\.{field}", f"{name}, line 2"
    )


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_byte_order_mark_is_passed_over(url: str, folder: Path, end: bytes) -> None:
    for name in NAMES:
        path = folder / name
        path.write_bytes(BOM_UTF8 + path.read_bytes() + BOM_UTF8 + end)
    assert source.load(url, folder) == 3


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_a_file_in_utf_16_is_named_as_one(url: str, folder: Path, encoding: str) -> None:
    path = folder / "geo.jsonl"
    text = path.read_text(encoding="utf-8")
    path.write_bytes(("" if encoding == "utf-16" else "\ufeff").encode(encoding) + text.encode(encoding))
    assert_refused(url, folder, r"geo\.jsonl is in UTF-16", "geo.jsonl, line 1")


def test_files_longer_than_a_block_are_read_whole(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pinflow.source.loader.BLOCK_LINES", 2)
    assert source.load(url, folder) == 3


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_named(url: str, folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert_refused(url, folder, "missing", name)


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_file_is_named(url: str, folder: Path, name: str) -> None:
    (folder / name).write_text("", encoding="utf-8")
    assert_refused(url, folder, "holds no row", name)


@pytest.mark.parametrize(
    ("name", "fields", "match"),
    [
        ("pin.jsonl", {"index": "4"}, r"`int`.*\$\.index"),
        ("pin.jsonl", {"index": None}, r"\$\.index"),
        ("pin.jsonl", {"index": -1}, r"\$\.index"),
        ("pin.jsonl", {"index": 2**31}, r"\$\.index"),
        ("pin.jsonl", {"follower_count": 12}, r"\$\.follower_count"),
        ("pin.jsonl", {"downloaded": True}, r"\$\.downloaded"),
        ("pin.jsonl", {"surprise": 1}, "surprise"),
        ("geo.jsonl", {"timestamp": "yesterday"}, r"\$\.timestamp"),
        ("geo.jsonl", {"latitude": "north"}, r"\$\.latitude"),
        ("user.jsonl", {"age": 20.5}, r"\$\.age"),
    ],
)
def test_a_wrong_value_is_named_with_file_and_line(
    url: str, folder: Path, name: str, fields: dict[str, object], match: str
) -> None:
    change(folder / name, 2, **fields)
    assert_refused(url, folder, match, f"{name}, line 2")


@pytest.mark.parametrize("line", [b"{", b"[]", b'{"ind": 4}', b'"\xff"', b"{}x", b"NaN"])
def test_a_line_that_is_no_row_is_named_with_file_and_line(url: str, folder: Path, line: bytes) -> None:
    path = folder / "user.jsonl"
    path.write_bytes(path.read_bytes() + line)
    assert_refused(url, folder, r"not a row of user\.jsonl", "user.jsonl, line 4")


def test_text_that_is_not_utf_8_is_named_with_file_and_line(url: str, folder: Path) -> None:
    path = folder / "user.jsonl"
    path.write_bytes(path.read_bytes().replace(b"Ann", b"\xe9"))
    assert_refused(url, folder, r"not a row of user\.jsonl", "user.jsonl, line 1")


@pytest.mark.parametrize("name", NAMES)
def test_a_number_that_comes_twice_is_named_with_both_lines(url: str, folder: Path, name: str) -> None:
    change(folder / name, 3, **{"index" if name == "pin.jsonl" else "ind": 4})
    assert_refused(url, folder, "post 4 comes twice, first in line 1", f"{name}, line 3")


def test_a_post_that_is_missing_in_a_file_is_named(url: str, folder: Path) -> None:
    path = folder / "geo.jsonl"
    path.write_text(path.read_text(encoding="utf-8").split("\n", 1)[1], encoding="utf-8")
    assert_refused(url, folder, r"post 4 is not in geo\.jsonl", "pin.jsonl, line 1")


def test_a_post_that_only_a_later_file_has_is_named(url: str, folder: Path) -> None:
    path = folder / "user.jsonl"
    path.write_text(path.read_text(encoding="utf-8") + json.dumps(rows_of(11)[2]), encoding="utf-8")
    assert_refused(url, folder, r"post 11 is not in pin\.jsonl", "user.jsonl, line 4")
