"""Which partition a record goes to."""

from __future__ import annotations

import pytest

from pinflow.datasets.numbers import post_number_of
from pinflow.errors import TooLargeError, UnavailableError
from pinflow.gateway.answer import Posted
from pinflow.gateway.partitioning import Turn, route
from pinflow.gateway.refusal import RefusalReason
from pinflow.log import AppendResult, partition_for


def partitions_of(posted: Posted, count: int = 4) -> list[int]:
    return route("t", posted, count, Turn(), max_record_bytes=None).partitions


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (b'{"index":7528}', 7528),
        (b'{"ind":7528,"x":[{"index":1}]}', 7528),
        (b'{"index":"7528"}', 7528),
        (b'{"ind":"007528"}', 7528),
        (b'{"ind":" 007528 "}', None),
        (b'{"index":7528.0}', 7528),
        (b'{"index":"7.528e3"}', 7528),
        (b'{"index":752800e-2}', 7528),
        (b'{"index":-0}', 0),
        (b'{"index":2147483648}', None),
        (b'{"index":"\\ud800"}', None),
        (b'{"index":-3}', -3),
        (b'{"index":null,"ind":4}', 4),
        (b'{"index":"x","ind":4}', 4),
        (b'{"index":1.5,"ind":4}', 4),
        (b'{"index":{"index":3}}', None),
        (b'{"index":true}', None),
        (b'{"index":2.7}', None),
        (b'{"index":[1]}', None),
        (b'{"index":"' + b"9" * 5000 + b'"}', None),
        (b'{"a":' + b"[" * 100_000, None),
        (b"[7528]", None),
        (b"7528", None),
        (b"\xff\x00", None),
        (b"", None),
        (None, None),
    ],
    ids=range(26),
)
def test_the_number_of_a_post_is_found(value: bytes | None, number: int | None) -> None:
    assert post_number_of("topic")(value) == number


@pytest.mark.parametrize(
    ("topic", "number"),
    [
        ("0a6a638f5991.pin", 1),
        ("0a6a638f5991.geo", 2),
        ("0a6a638f5991.user", 2),
        ("streaming-0a6a638f5991-pin", 1),
        ("streaming-0a6a638f5991-geo", 2),
        ("pin", 1),
        ("other", 1),
    ],
)
def test_the_number_is_read_from_the_column_that_the_topics_dataset_has_it_in(
    topic: str, number: int
) -> None:
    assert post_number_of(topic)(b'{"index":1,"ind":"2.0"}') == number
    without = {1: b'{"ind":2}', 2: b'{"index":1}'}[number]
    assert post_number_of(topic)(without) == (2 if topic in {"pin", "other"} else None)


def test_the_number_decides_and_is_the_same_as_a_key_of_its_digits() -> None:
    posted = Posted([b'{"index":7528}', b'{"ind":"7528"}', b'{"index": 7528.5, "ind":7528}'])
    assert partitions_of(posted) == [partition_for(b"7528", 4)] * 3


def test_a_key_comes_before_the_number_and_a_partition_before_the_key() -> None:
    value: bytes | None = b'{"index":7528}'
    posted = Posted([value] * 3, [b"k", b"k", None], [None, 3, None])
    assert partitions_of(posted) == [partition_for(b"k", 4), 3, partition_for(b"7528", 4)]


def test_records_that_nothing_ties_take_turns() -> None:
    turn = Turn()
    posted = Posted([b"1", b"2", b"3"])
    first = route("t", posted, 2, turn, max_record_bytes=None).partitions
    second = route("t", posted, 2, turn, max_record_bytes=None).partitions
    assert first + second == [0, 1, 0, 1, 0, 1]


def test_each_partition_gets_one_batch_in_request_order() -> None:
    posted = Posted([b"a", b"b", b"c", b"d"], [None, b"k", None, None], [1, 0, 1, 0])
    routed = route("t", posted, 2, Turn(), max_record_bytes=None)
    assert [(batch.partition, batch.records.values) for batch in routed.batches] == [
        (1, [b"a", b"c"]),
        (0, [b"b", b"d"]),
    ]
    assert routed.place([AppendResult(range(10, 12)), AppendResult(range(20, 22))]).offsets == [
        10,
        20,
        11,
        21,
    ]


def test_records_that_the_log_refused_are_told_one_by_one() -> None:
    posted = Posted([b"a", b"b", b"c"], None, [0, 0, 1])
    routed = route("t", posted, 2, Turn(), max_record_bytes=None)
    placed = routed.place(
        [
            AppendResult([5, 0], refused={1: TooLargeError("too large")}),
            AppendResult([0], refused={0: UnavailableError("away")}),
        ]
    )
    assert placed.offsets == [5, -1, -1]
    assert placed.partitions == [0, -1, -1]
    assert {at: each.reason for at, each in placed.refused.items()} == {
        1: RefusalReason.TOO_LARGE,
        2: RefusalReason.UNAVAILABLE,
    }


def test_a_log_that_places_records_gets_their_routes_and_says_where_they_went() -> None:
    posted = Posted(
        [b'{"index":7}', b'{"index":7}', b"x", b"y"], [None, b'"7"', b"k", None], [None, None, None, 3]
    )
    routed = route("t", posted, 2, Turn(), max_record_bytes=None, by_log=True)
    assert [(batch.partition, batch.routes) for batch in routed.batches] == [
        (None, [b"7", b"7", b"k"]),
        (3, [b"0"]),
    ]
    placed = routed.place(
        [AppendResult([10, 11, 99], partitions=[4, 4, 5]), AppendResult([50], partitions=[3])]
    )
    assert placed.partitions == [4, 4, 5, 3]
    assert placed.offsets == [10, 11, 99, 50]


def test_refused_records_have_no_offset_and_leave_no_gap() -> None:
    posted = Posted([b"a", b"bbbb", b"c", b"d"], None, [0, 0, 0, 9])
    routed = route("t", posted, 1, Turn(), max_record_bytes=2)
    placed = routed.place([AppendResult(range(5, 7))])
    assert placed.offsets == [5, -1, 6, -1]
    assert placed.partitions == [0, -1, 0, -1]
    assert sorted(placed.refused) == [1, 3]


def test_only_the_first_batch_behind_a_cut_is_later() -> None:
    """Each later batch costs a log with coarse times one of them."""
    values: list[bytes | None] = [b'{"index":%d}' % number for number in (1, 2, 3, 1, 2, 3)]
    routed = route(
        "0a6a638f5991.pin",
        Posted(values, None, [0, 1, 2, 1, 1, 2]),
        3,
        Turn(),
        max_record_bytes=None,
    )
    assert [(batch.partition, batch.later) for batch in routed.batches] == [
        (0, False),
        (1, False),
        (2, False),
        (1, True),
        (2, False),
    ]
