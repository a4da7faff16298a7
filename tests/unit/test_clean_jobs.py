"""stream and batch: clean rows, quarantine, lineage, one row a post."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.pipeline import drain, post, rows, select, table, topic

from pinflow.config import Batch, Settings, Stream
from pinflow.errors import CorruptError, GapError
from pinflow.jobs.runtime import Runtime

if TYPE_CHECKING:
    from pinflow.jobs.pipelines import Side

PIN = {
    "index": 5,
    "unique_id": "u",
    "title": "No Title Data Available",
    "description": "No description available",
    "poster_name": "User Info Error",
    "follower_count": "1.5k",
    "tag_list": "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e",
    "is_image_or_video": "image",
    "image_src": "Image src error.",
    "downloaded": 1,
    "save_location": "Local save in /data/art",
    "category": "art",
}
GEO = {
    "ind": 5,
    "timestamp": "2020-08-28T03:52:47",
    "latitude": -89.5,
    "longitude": "x",
    "country": "Cote d'Ivoire",
}
USER = {"ind": 5, "first_name": "Ada", "last_name": "", "age": 20, "date_joined": "2016-02-03 04:05:06"}


def test_the_documented_columns_in_their_order_by_the_documented_rules(runtime: Runtime, side: Side) -> None:
    for name, row in (("pin", PIN), ("geo", GEO), ("user", USER)):
        post(runtime, topic(side, name), rows(row))
    drain(runtime)
    assert select(runtime, f'SELECT * FROM "{table(side, "pin")}"') == [
        (5, "u", None, None, 1500, None, None, "image", None, "/data/art", "art")
    ]
    assert select(runtime, f'SELECT * FROM "{table(side, "geo")}"') == [
        (5, "Cote d'Ivoire", [-89.5, None], dt.datetime(2020, 8, 28, 3, 52, 47))  # noqa: DTZ001
    ]
    assert select(runtime, f'SELECT * FROM "{table(side, "user")}"') == [
        (5, "Ada", 20, dt.datetime(2016, 2, 3, 4, 5, 6))  # noqa: DTZ001
    ]


def test_of_one_post_the_highest_offset_stays_within_a_step_and_across_steps(
    runtime: Runtime, side: Side
) -> None:
    name = topic(side, "user")
    post(runtime, name, rows(USER | {"age": 20}, USER | {"age": 21}))
    drain(runtime)
    assert select(runtime, f'SELECT age FROM "{table(side, "user")}"') == [(21,)]
    post(runtime, name, rows(USER | {"age": 22}))
    drain(runtime)
    assert select(runtime, f'SELECT age FROM "{table(side, "user")}"') == [(22,)]


BROKEN: list[tuple[bytes | None, str]] = [
    (None, "tombstone"),
    (b"", "not JSON"),
    (b"{", "not JSON"),
    (b'{"ind": 1,}', "not JSON"),
    (b'{"ind": NaN}', "not JSON"),
    (b'{"ind": 1} x', "not JSON"),
    (b'{"ind": "\\ud800"}', "not JSON"),
    (b'{"ind": 1, "a": "\xff"}', "not UTF-8"),
    (b"[1]", "array"),
    (b'"text"', "string"),
    (b"17", "number"),
    (b"true", "true"),
    (b"null", "null"),
    (b"{}", "missing"),
    (b'{"ind": null}', "missing"),
    (b'{"ind": 2.7}', "not a whole number"),
    (b'{"ind": 1.00000000000000000001}', "not a whole number"),
    (b'{"ind": "x"}', "not a whole number"),
    (b'{"ind": "17\\n"}', "not a whole number"),
    (b'{"ind": true}', "not a whole number"),
    (b'{"ind": {"a": 1}}', "not a whole number"),
    (b'{"ind": 1180591620717411303424}', "does not fit"),
    (b'{"ind": 2147483648}', "does not fit"),
    (b'{"ind": 1, "ind": 2}', "twice"),
    (b'{"ind": ' + b"[" * 5_000 + b"]" * 5_000 + b"}", "nested too deep"),
]


def test_what_cannot_be_a_row_is_in_quarantine_with_text_place_and_reason(
    runtime: Runtime, side: Side
) -> None:
    post(runtime, topic(side, "user"), [value for value, _ in BROKEN], partition=1)
    drain(runtime)
    found = select(
        runtime,
        f'SELECT raw, raw_bytes, reason, _topic, _partition FROM "{table(side, "user")}_quarantine" ORDER BY _offset',
    )
    assert len(found) == len(BROKEN)
    for (value, why), (raw, raw_bytes, reason, where, partition) in zip(BROKEN, found, strict=True):
        assert why in str(reason), value
        assert (where, partition) == (topic(side, "user"), 1)
        assert raw == (value.decode("utf-8", "replace") if value is not None else None)
        assert raw_bytes in (None, value)
    assert select(runtime, f'SELECT count(*) FROM "{table(side, "user")}"') == [(0,)]


def test_odd_but_rightful_records_are_rows(runtime: Runtime, side: Side) -> None:
    odd = [
        b'{"ind": "17"}',
        b' \n{ "ind"\r\n: 18 }\n',
        b'{"ind": 19, "first_name": "a\\u0000b", "age": 1180591620717411303424}',
        '{"ind": 20, "first_name": "Ж 😀"}'.encode(),
        b'{"ind": -0, "extra": {"deep": [1]}}',
        b'{"ind": 2147483647, "date_joined": "2020-13-45T00:00:00"}',
        b'{"ind": 21, "first_name": "' + b"x" * 9_000_000 + b'"}',
    ]
    post(runtime, topic(side, "user"), odd)
    drain(runtime)
    name = table(side, "user")
    assert select(runtime, f'SELECT count(*) FROM "{name}_quarantine"') == [(0,)]
    found = {
        row[0]: row[1:] for row in select(runtime, f'SELECT ind, user_name, age, date_joined FROM "{name}"')
    }
    assert found[17] == found[18] == found[0] == found[2147483647] == ("", None, None)
    assert found[19] == ("a\0b", None, None)
    assert found[20][0] == "Ж 😀"
    assert found[21][0] == "x" * 9_000_000


def test_clean_rows_carry_their_lineage(runtime: Runtime, settings: Settings, side: Side) -> None:
    name = topic(side, "user")
    post(runtime, name, rows(USER), partition=1)
    post(runtime, name, [b"broken", *rows(USER | {"ind": 6})], partition=1)
    drain(runtime)
    from pinflow.jobs.pipelines import side_pipelines

    pipeline = side_pipelines(side, settings.config.id)[2]
    kept = (
        pipeline.open_table(runtime.tables)
        .snapshot()
        .select('SELECT ind, _topic, _partition, _offset, _accepted_at FROM this ORDER BY "_offset"')
    )
    assert [(row["ind"], row["_topic"], row["_partition"], row["_offset"]) for row in kept] == [
        (5, name, 1, 0),
        (6, name, 1, 2),
    ]
    accepted = runtime.log.read(name, 1, None, max_records=9, max_bytes=999).timestamps
    assert [round(row["_accepted_at"].timestamp() * 1_000_000) for row in kept] == [accepted[0], accepted[2]]


def test_a_backlog_larger_than_a_step_takes_several(settings: Settings, side: Side) -> None:
    config = msgspec.structs.replace(
        settings.config, stream=Stream(max_records=4), batch=Batch(max_records=4), id=settings.config.id
    )
    with Runtime(msgspec.structs.replace(settings, config=config)) as runtime:
        for start in range(0, 20, 2):
            post(
                runtime,
                topic(side, "user"),
                rows(*(USER | {"ind": start + n} for n in range(2))),
                partition=start % 4 // 2,
            )
            drain(runtime, "land")
        drain(runtime)
        name = table(side, "user")
        assert select(runtime, f'SELECT count(*), count(DISTINCT ind) FROM "{name}"') == [(20, 20)]
        assert len(list((settings.home / "lake" / "plans" / side).glob("**/*.done.json"))) >= 5


def test_a_landed_object_that_was_changed_stops_batch_with_its_name(
    runtime: Runtime, settings: Settings
) -> None:
    post(runtime, topic("batch", "user"), rows(USER))
    drain(runtime, "land")
    (path,) = (settings.home / "lake" / "topics").glob("**/*.json")
    path.write_bytes(path.read_bytes().replace(b"Ada", b"Eve"))
    with pytest.raises(CorruptError, match="checksum") as told:
        drain(runtime, "batch")
    assert path.name in told.value.where
    path.unlink()
    with pytest.raises(GapError, match="gone"):
        drain(runtime, "batch")


def test_topics_of_no_road_are_landed_and_nothing_else(runtime: Runtime) -> None:
    post(runtime, "somebody.else", [b"{}"])
    assert drain(runtime, "land") == 1
    assert drain(runtime, "stream", "batch") == 0
