"""Landing objects: what was taken is what comes back, and what a Connect sink's reader sees."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinflow.errors import CorruptError, GapError
from pinflow.lake import Landed, Landing, open_store
from pinflow.lake.landing.zone import decode, encode
from pinflow.log import Chunk, Records

if TYPE_CHECKING:
    from pathlib import Path

VALUES = st.lists(
    st.none() | st.binary(max_size=20) | st.sampled_from([b"{}", b"a\nb", b"a\r", b"\xff"]), min_size=1
)


def chunk_of(values: list[bytes | None], topic: str = "posts", first: int = 7) -> Chunk:
    count = len(values)
    return Chunk(
        topic=topic,
        partition=2,
        start=str(first),
        end=str(first + count),
        offsets=list(range(first, first + count)),
        timestamps=[1_700_000_000_000_000 + n // 3 for n in range(count)],
        records=Records(values),
    )


@given(VALUES)
def test_any_bytes_come_back_from_the_lines(values: list[bytes | None]) -> None:
    chunk = chunk_of(values)
    lines, meta = encode(chunk)
    landed = Landed("p", "posts", 2, chunk.start, chunk.end, len(chunk), 0, 0)
    assert decode(landed, lines, meta) == chunk
    assert lines.count(b"\n") == len(values)


def test_keys_headers_and_offsets_with_gaps_come_back() -> None:
    chunk = Chunk(
        "posts",
        0,
        "a",
        "z",
        [3, 9, 10],
        [1, 1, 5],
        Records([b"1", b"2", b"3"], [b"k", None, b""], [(("h", b"v"),), (), ()]),
    )
    landed = Landed("p", "posts", 0, "a", "z", 3, 0, 0)
    assert decode(landed, *encode(chunk)) == chunk


def test_an_object_stands_where_a_connect_sink_puts_it_a_value_a_line(tmp_path: Path) -> None:
    landing = Landing(open_store(str(tmp_path)))
    landed = landing.write(chunk_of([b'{"index": 1}', b'{ "index" : 2 }']))
    assert landed.path == "topics/posts/partition=2/posts+2+0000000007.json"
    lines = (tmp_path / landed.path).read_bytes()
    assert lines == b'{"index": 1}\n{ "index" : 2 }\n'
    assert [json.loads(line)["index"] for line in lines.splitlines()] == [1, 2]


def test_a_flipped_byte_is_found(tmp_path: Path) -> None:
    landing = Landing(open_store(str(tmp_path)))
    landed = landing.write(chunk_of([b'{"index": 1}']))
    assert landing.read(landed).records.values == [b'{"index": 1}']
    for path in (tmp_path / landed.path, tmp_path / f"{landed.path}.meta"):
        whole = path.read_bytes()
        path.write_bytes(whole[:3] + bytes([whole[3] ^ 1]) + whole[4:])
        with pytest.raises(CorruptError, match="checksum"):
            landing.read(landed)
        path.write_bytes(whole)


def test_a_missing_object_is_told(tmp_path: Path) -> None:
    landing = Landing(open_store(str(tmp_path)))
    landed = landing.write(chunk_of([b"{}"]))
    (tmp_path / landed.path).unlink()
    with pytest.raises(GapError, match="gone"):
        landing.read(landed)


INDENTED = b'{\n  "index": 1e3,\r\n  "n": [1.50, -0, 12345678901234567890123],\t"t": "a\\u00e9 b\\nc"\n}\n'


def test_an_indented_record_lands_as_one_line_of_json_and_comes_back_to_the_byte() -> None:
    chunk = chunk_of([b'{"index":1}', INDENTED, b"[\n]", b"not\njson", b'"\xff\n"', None])
    lines, meta = encode(chunk)
    assert lines.split(b"\n") == [
        b'{"index":1}',
        b'{"index":1e3,"n":[1.50,-0,12345678901234567890123],"t":"a\\u00e9 b\\nc"}',
        b"[]",
        b'"' + base64.b64encode(b"not\njson") + b'"',
        b'"' + base64.b64encode(b'"\xff\n"') + b'"',
        b"null",
        b"",
    ]
    assert decode(Landed("p", "posts", 2, chunk.start, chunk.end, len(chunk), 0, 0), lines, meta) == chunk


def test_what_version_0_1_landed_is_read() -> None:
    lines = b'{"a":1}\n"' + base64.b64encode(INDENTED) + b'"\nnull\n'
    meta = b'{"accepted_at":[[1700000000001,2],[1700000000005,1]],"offsets":[[7,3]],"base64":[1],"null":[2]}'
    chunk = decode(Landed("p", "posts", 2, "7", "10", 3, 0, 0), lines, meta)
    assert chunk.records.values == [b'{"a":1}', INDENTED, None]
    assert chunk.timestamps == [1_700_000_000_001_000] * 2 + [1_700_000_000_005_000]
