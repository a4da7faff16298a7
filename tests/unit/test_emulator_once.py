"""The emulator and a real gateway: an answer that is lost on the way doubles nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.dropping_proxy import dropping
from tests.gateway_client import log_url, server_process, values

from pinflow import source
from pinflow.emulator import emulate
from pinflow.emulator.draw import drawn_picks
from pinflow.log import open_log

if TYPE_CHECKING:
    from pathlib import Path

    from pinflow.emulator.emulation import EndpointChoice

ID = "0a6a638f5991"
POSTS = 30


@pytest.mark.parametrize("to", ["batch", "stream"])
def test_answers_that_are_lost_double_no_record(tmp_path: Path, to: EndpointChoice) -> None:
    url = f"sqlite:///{tmp_path}/source.db"
    source.create(url, 12_000)
    with server_process(tmp_path) as (_, gateway_url), dropping(gateway_url, every=3) as proxy:
        report = emulate(url, proxy.url, ID, to=to, posts=POSTS, rate="max", batch_posts=5)
        assert proxy.dropped >= 6
    assert (report.acknowledged, report.refused, report.unsettled) == (3 * POSTS, 0, 0)
    assert report.retries == proxy.dropped
    drawn = sorted(pick.number for pick, _ in zip(drawn_picks(100), range(POSTS), strict=False))
    log = open_log(log_url(tmp_path))
    for topic in report.topics:
        rows = [json.loads(value or b"") for value in values(log, topic)]
        assert sorted(row.get("index", row.get("ind")) for row in rows) == drawn
    log.close()
