"""Every crash point in turn: the process ends there, is started again, and nothing is lost or doubled."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
import urllib3

from pinflow.failpoints import POINTS, VARIABLE
from pinflow.jobs.pipelines import pipelines
from pinflow.jobs.reports.status import status
from tests.children import job, run
from tests.crash.load import KAFKA, Client, address_in, verify
from tests.e2e.command import running, until
from tests.pipeline import ID, drain, post, topic

if TYPE_CHECKING:
    from pathlib import Path

    from pinflow.jobs.pipelines import Side
    from pinflow.jobs.runtime import Runtime

JOB_POINTS = [point for point in POINTS if point.partition(".")[0] in ("land", "stream", "batch")]
GATEWAY_POINTS = [point for point in POINTS if point.partition(".")[0] in ("gateway", "log")]


def fill(runtime: Runtime, first: int) -> None:
    values = [value(n) for n in range(first, first + 20)]
    sides: tuple[Side, ...] = ("batch", "stream")
    for side in sides:
        for name in ("pin", "geo", "user"):
            post(runtime, topic(side, name), values[:10], partition=0)
            post(runtime, topic(side, name), values[10:], partition=1)


def value(n: int) -> bytes:
    """A record of any dataset: one in five is rejected, one in three of the others has a cell that becomes NULL."""
    if n % 5 == 0:
        return b"[%d]" % n
    cells = b',"follower_count":"x","latitude":"x","age":"x"' if n % 3 == 0 else b""
    return b'{"index":%d,"ind":%d%s}' % (n, n, cells)


NULLED = {"pin": "follower_count", "geo": "latitude", "user": "age"}


def verify_cells(runtime: Runtime, records: int) -> None:
    """Every cell that became NULL is counted once, and is a sample once."""
    inds = [n for n in range(records) if n % 3 == 0 and n % 5]
    counted = {each.topic: each.nulled for each in status(runtime)}
    for pipeline in pipelines(ID):
        field = NULLED[pipeline.dataset.name]
        assert counted[pipeline.topic] == {field: len(inds)}
        found = (
            pipeline.open_nulled(runtime.tables).snapshot().select("SELECT ind, field FROM this ORDER BY ind")
        )
        assert [(row["ind"], row["field"]) for row in found] == [(ind, field) for ind in inds]


@pytest.mark.parametrize(
    ("point", "times"),
    [
        (point, times)
        for point in JOB_POINTS
        for times in ((1, 2, 3) if point.endswith("half-committed") else (1, 3))
    ],
)
def test_a_job_killed_at_a_point_goes_on_where_it_was(runtime: Runtime, point: str, times: int) -> None:
    name = point.partition(".")[0]
    fill(runtime, 0)
    if name == "batch":
        drain(runtime, "land")
    if times > 1:
        drain(runtime, name)
        fill(runtime, 20)
        if name == "batch":
            drain(runtime, "land")
    assert run(job, runtime.settings, name, at=f"{point}:{times}") == -signal.SIGKILL
    assert verify(runtime, {}) == (120 if times == 1 else 240)
    verify_cells(runtime, 20 if times == 1 else 40)


@pytest.mark.parametrize("point", GATEWAY_POINTS)
def test_a_gateway_killed_at_a_point_has_kept_all_that_it_acknowledged(
    runtime: Runtime, tmp_path: Path, point: str
) -> None:
    home, ready = tmp_path / "home", tmp_path / "url"
    client = Client(lambda: address_in(ready))
    client.start()
    try:
        with running(
            "gateway", "--port", "0", "--ready-file", str(ready), home=home, **{VARIABLE: f"{point}:20"}
        ) as armed:
            assert armed.wait(60) == -signal.SIGKILL
        ready.unlink()
        before = len(client.acknowledged)
        with running("gateway", "--port", "0", "--ready-file", str(ready), home=home) as process:
            until(lambda: len(client.acknowledged) > before + 100)
            client.stop()
            process.terminate()
            assert process.wait(10) == 0
    finally:
        client.stop()
    assert client.doubled == []
    assert verify(runtime, client.acknowledged) >= len(client.acknowledged)


@pytest.mark.parametrize("point", GATEWAY_POINTS)
def test_a_request_sent_again_after_the_gateway_was_killed_is_appended_once(
    runtime: Runtime, tmp_path: Path, point: str
) -> None:
    home, ready = tmp_path / "home", tmp_path / "url"
    start = ("gateway", "--port", "0", "--ready-file", str(ready))

    def send() -> urllib3.BaseHTTPResponse:
        return urllib3.request(
            "POST",
            f"{ready.read_text()}/topics/posts",
            body=b'{"records":[{"value":1},{"value":2}]}',
            headers=KAFKA | {"Idempotency-Key": '"the one"'},
            retries=False,
            timeout=20,
        )

    with running(*start, home=home, **{VARIABLE: point}) as armed:
        until(ready.exists)
        with pytest.raises(urllib3.exceptions.HTTPError):
            send()
        assert armed.wait(60) == -signal.SIGKILL
    ready.unlink()
    survived = sum(extent.accepted for extent in runtime.log.ranges("posts"))
    assert survived == (2 if point in {"gateway.appended", "log.committed"} else 0)
    with running(*start, home=home):
        until(ready.exists)
        first, again = send(), send()
    assert (first.status, first.data) == (200, again.data)
    assert sum(extent.accepted for extent in runtime.log.ranges("posts")) == 2
