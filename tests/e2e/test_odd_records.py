"""Any mix of records through both endpoints: accepted means clean or in quarantine, refused means a clear error."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import urllib3

from tests.e2e.command import gateway, pinflow, pinflow_json

if TYPE_CHECKING:
    from pathlib import Path

ID = "0a6a638f5991"

BODIES: list[bytes] = [
    b'{"ind": 1, "first_name": "A"}',
    b'{"ind": "2"}',
    b'{"ind": 2.7}',
    b'{"ind": 1180591620717411303424}',
    b'{"ind": 1, "ind": 2}',
    b'{"ind": 3, "first_name": "a\\u0000b"}',
    b'{"first_name": "nobody"}',
    b"[1, 2]",
    b"17",
    b'"text"',
    b"null",
    b"true",
    b'{"ind": 4, "first_name": "' + b"x" * 9_000_000 + b'"}',
]
"""JSON values; 1, 2, 3 and 4 are posts."""

RAW: list[bytes] = [b"{broken", b"", b"\xff\xfe", b'{"ind": "\\ud800"}', b'{"ind": 5}\n', b'{"ind": 6,}']
"""Bytes of any kind, for the binary format; only 5 is a post."""


def send(method: str, url: str, body: bytes, kind: str) -> tuple[int, Any]:
    answer = urllib3.request(
        method, url, body=body, headers={"Content-Type": kind}, retries=False, timeout=30
    )
    return answer.status, json.loads(answer.data)


def test_any_mix_of_records_is_accounted_for(tmp_path: Path) -> None:
    home = tmp_path / "home"
    accepted = {"batch": 0, "stream": 0}
    with gateway(home) as url:
        for value in BODIES:
            status, answer = send(
                "POST",
                f"{url}/topics/{ID}.user",
                b'{"records":[{"value":' + value + b"}]}",
                "application/vnd.kafka.json.v2+json",
            )
            assert (status, answer["offsets"][0]["error_code"]) == (200, None)
            accepted["batch"] += 1
            status, answer = send(
                "PUT",
                f"{url}/streams/streaming-{ID}-user/record",
                b'{"Data":' + value + b',"PartitionKey":"k"}',
                "application/json",
            )
            assert status == 200, answer
            assert answer["SequenceNumber"].isdigit()
            accepted["stream"] += 1
        for raw in RAW:
            value = json.dumps(base64.b64encode(raw).decode()).encode()
            for topic, side in ((f"{ID}.user", "batch"), (f"streaming-{ID}-user", "stream")):
                status, answer = send(
                    "POST",
                    f"{url}/topics/{topic}",
                    b'{"records":[{"value":' + value + b"}]}",
                    "application/vnd.kafka.binary.v2+json",
                )
                assert (status, answer["offsets"][0]["error_code"]) == (200, None)
                accepted[side] += 1
        for body in (b"{", b'{"records":[{"value":{"a":"\xff"}}]}', b"[]", b'{"records":[]}', b"[" * 100_000):
            status, answer = send("POST", f"{url}/topics/{ID}.user", body, "application/json")
            assert 400 <= status < 500, body[:20]
            assert answer["message"]
            status, answer = send(
                "PUT", f"{url}/streams/streaming-{ID}-user/record", body, "application/json"
            )
            assert 400 <= status < 500, body[:20]
            assert answer["message"]
        status, answer = send("POST", f"{url}/topics/{ID}.user", b"x" * 40_000_000, "application/json")
        assert (status, bool(answer["message"])) == (413, True)
    for job in ("land", "stream", "batch"):
        pinflow(job, "--drain", home=home)
    found = pinflow_json("audit", "--deep", home=home)
    assert found["ok"] is True
    for side, prefix in (("batch", ID), ("stream", "streaming")):
        lines = [line for line in found["lines"] if line["topic"].startswith(prefix)]
        assert sum(line["accepted"] for line in lines) == accepted[side]
        assert sum(line["cleaned"] for line in lines) == 5
        assert sum(line["waiting"] for line in lines) == 0
        assert sum(line["quarantined"] for line in lines) == accepted[side] - 5
    for name in ("user", f"{ID}_user_table"):
        sql = f'SELECT reason, raw, raw_bytes IS NULL AS exact FROM "{name}_quarantine"'
        for row in json.loads(pinflow("query", "--sql", sql, "--format", "json", home=home)):
            assert row["reason"]
