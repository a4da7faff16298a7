"""Counters of jobs, as Prometheus scrapes them from a running `pinflow land`, `batch` or `stream`."""

from __future__ import annotations

import re
import socket
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import urllib3
from prometheus_client.parser import text_string_to_metric_families

from pinflow.config import load
from pinflow.errors import UnavailableError
from pinflow.jobs.reports.lag import LagMetrics, land_lags, side_lags
from pinflow.jobs.reports.receipt_metrics import SideMetrics, serve_metrics
from pinflow.jobs.runtime import Runtime
from pinflow.steps.failure_reports import FailureReports
from tests.e2e.command import run, running, until
from tests.pipeline import ID, drain, post, rows, topic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinflow.jobs.pipelines import Side
    from tests.e2e.command import Running

Counters = dict[tuple[str, ...], float]
"""Name and labels → value."""

LABELS = ("side", "dataset", "field")


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    with Runtime(load(tmp_path / "home", env={})) as runtime:
        sides: tuple[Side, ...] = ("batch", "stream")
        for side in sides:
            values = [*rows({"ind": 1, "age": "x", "date_joined": "x"}, {"ind": 2, "age": "y"}), b"broken"]
            post(runtime, topic(side, "user"), values)
        yield runtime


def scraped(url: str) -> Counters:
    answer = urllib3.request("GET", url, retries=False, timeout=20)
    assert answer.status == 200
    return {
        (sample.name, *(sample.labels[name] for name in LABELS if name in sample.labels)): sample.value
        for family in text_string_to_metric_families(answer.data.decode())
        for sample in family.samples
    }


def shows(url: str, counters: Counters) -> bool:
    found = scraped(url)
    return {name: value for name, value in found.items() if name in counters} == counters


def address_of(process: Running) -> str:
    """The address that a command says it serves metrics at."""
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"metrics at (http://127\.0\.0\.1:[0-9]+/metrics)", line):
            return found[1]
    raise AssertionError("the command has ended")


def expected(side: Side) -> Counters:
    return {
        ("pinflow_receipts_readable",): 1,
        ("pinflow_records_total", side, "pin"): 0,
        ("pinflow_records_total", side, "geo"): 0,
        ("pinflow_records_total", side, "user"): 3,
        ("pinflow_records_quarantined_total", side, "pin"): 0,
        ("pinflow_records_quarantined_total", side, "geo"): 0,
        ("pinflow_records_quarantined_total", side, "user"): 1,
        ("pinflow_cells_nulled_total", side, "user", "age"): 2,
        ("pinflow_cells_nulled_total", side, "user", "date_joined"): 1,
    }


@pytest.mark.parametrize("side", ["batch", "stream"])
def test_a_running_side_counts_records_rejects_and_cells_and_a_restart_goes_on(
    runtime: Runtime, side: Side
) -> None:
    drain(runtime, "land")
    for _ in range(2):
        with running(side, "--metrics-port", "0", home=runtime.settings.home) as process:
            url = address_of(process)
            until(partial(shows, url, expected(side)))
            process.terminate()
            assert process.wait(30) == 0


def test_a_running_land_counts_what_has_landed(runtime: Runtime) -> None:
    with running(
        "land", "--metrics-port", "0", home=runtime.settings.home, PINFLOW__LAND__FLUSH_SECONDS="0"
    ) as process:
        url = address_of(process)
        until(partial(shows, url, {("pinflow_receipts_readable",): 1, ("pinflow_records_landed_total",): 6}))
        process.terminate()
        assert process.wait(30) == 0


def samples(url: str, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    """Labels → value of one metric, under its own name in the exposition."""
    text = urllib3.request("GET", url, retries=False, timeout=20).data.decode()
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def test_a_running_job_shows_its_lag_and_counts_its_steps(runtime: Runtime) -> None:
    job = f"stream/{topic('stream', 'user')}"
    with running("stream", "--metrics-port", "0", home=runtime.settings.home) as process:
        url = address_of(process)
        until(lambda: samples(url, "pinflow_step_records_total") == {(("job", job),): 3})
        assert samples(url, "pinflow_step_seconds_count") == {(("job", job),): 1}
        lags = samples(url, "pinflow_lag_records")
        assert lags == {(("job", f"stream/{topic('stream', name)}"),): 0 for name in ("pin", "geo", "user")}
        process.terminate()
        assert process.wait(30) == 0


def test_before_a_job_has_run_its_lag_is_all_that_was_accepted(runtime: Runtime) -> None:
    assert dict(side_lags(runtime, "stream"))[f"stream/{topic('stream', 'user')}"]() == 3
    assert dict(land_lags(runtime))[f"land/{topic('batch', 'user')}"]() == 3


def test_a_hundred_scrapes_leave_no_file_open(runtime: Runtime) -> None:
    descriptors = Path("/proc/self/fd")
    with LagMetrics(runtime.settings) as lag, serve_metrics([lag], 0) as url:
        first = samples(url, "pinflow_lag_records")
        before = len(list(descriptors.iterdir()))
        for _ in range(100):
            assert samples(url, "pinflow_lag_records") == first
        assert len(list(descriptors.iterdir())) <= before + 5


def test_a_table_that_cannot_be_read_hides_the_lag_of_no_other_job(runtime: Runtime) -> None:
    drain(runtime)
    for receipt in (runtime.settings.home / "lake" / "plans" / "stream").glob("**/*.done.json"):
        receipt.unlink()
    with LagMetrics(runtime.settings, "stream") as lag, serve_metrics([lag], 0) as url:
        jobs = {dict(labels)["job"] for labels in samples(url, "pinflow_lag_records")}
    assert jobs == {f"stream/{topic('stream', name)}" for name in ("pin", "geo")}


def test_maintain_counts_its_runs_and_what_it_has_removed(runtime: Runtime) -> None:
    post(runtime, topic("stream", "user"), rows({"ind": 1, "age": 7}))
    drain(runtime)
    with running("maintain", "--every", "60", "--metrics-port", "0", home=runtime.settings.home) as process:
        url = address_of(process)
        until(lambda: samples(url, "pinflow_maintain_runs_total") == {(): 1})
        table = (("table", f"{ID}_user_table"),)
        assert samples(url, "pinflow_maintain_rows_removed_total")[table] == 1
        assert samples(url, "pinflow_maintain_problems") == {(): 0}
        process.terminate()
        assert process.wait(30) == 0


def test_up_shows_the_metrics_of_all_stations_at_one_address(runtime: Runtime) -> None:
    with running(
        "up", "--no-emulator", "--metrics-port", "0", home=runtime.settings.home, PINFLOW__GATEWAY__PORT="0"
    ) as process:
        url = address_of(process)
        stations = ("gateway", "land", "stream", "batch", "maintain")
        until(lambda: samples(url, "pinflow_station_up") == {(("station", name),): 1 for name in stations})
        done = (("dataset", "user"), ("side", "stream"), ("station", "stream"))
        until(lambda: samples(url, "pinflow_records_total").get(done) == 3)
        process.terminate()
        assert process.wait(30) == 0


def test_before_the_first_step_everything_is_zero(runtime: Runtime) -> None:
    with serve_metrics([SideMetrics(runtime.tables, "batch", ID)], 0) as url:
        assert set(scraped(url).values()) == {0, 1}


def test_receipts_that_cannot_be_read_are_a_counter_of_their_own_and_hide_no_other(runtime: Runtime) -> None:
    drain(runtime)
    for receipt in (runtime.settings.home / "lake" / "plans" / "stream").glob("**/*.done.json"):
        receipt.unlink()
    with serve_metrics([SideMetrics(runtime.tables, "stream", ID)], 0) as url:
        assert scraped(url) == {
            name: value for name, value in expected("stream").items() if "user" not in name
        } | {("pinflow_receipts_readable",): 0}


def test_a_port_that_is_taken_ends_the_command_with_the_next_step(runtime: Runtime) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run("stream", "--drain", "--metrics-port", port, home=runtime.settings.home)
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert "--metrics-port" in done.stderr
    assert "Traceback" not in done.stderr


def test_metrics_do_not_go_with_adopting(runtime: Runtime) -> None:
    done = run("land", "--adopt", "topics/", "--metrics-port", "0", home=runtime.settings.home)
    assert done.returncode == 2


def test_a_job_that_fails_is_shown_and_hides_no_other(runtime: Runtime) -> None:
    drain(runtime)
    book = FailureReports(runtime.store)
    book.report("stream/posts", "set aside", UnavailableError("it is away"), since=1, now=2)
    book.report("land/posts", "retrying", UnavailableError("it is away"), since=1, now=2)
    with serve_metrics([SideMetrics(runtime.tables, "stream", ID)], 0) as url:
        text = urllib3.request("GET", url, retries=False, timeout=20).data.decode()
    assert 'pinflow_job_failing{job="stream/posts",state="set aside"} 1.0' in text
    assert "land/posts" not in text
    assert "pinflow_receipts_readable 1.0" in text
