"""What a pipeline does when the world fails: it waits or stops with a clear error, and loses nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import urllib3

from pinflow.config import load
from pinflow.errors import CorruptError
from pinflow.jobs.reports.audit import audit
from pinflow.jobs.runtime import Runtime
from tests.crash.load import Client, verify
from tests.e2e.command import command, environment, gateway, pinflow, pinflow_json, until
from tests.pipeline import ID, drain, post, rows, select, topic
from tests.tools.system import may_mount

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


JSON = {"Content-Type": "application/json"}
needs_mount = pytest.mark.skipif(
    not os.environ.get("CI") and not may_mount(), reason="a small disk cannot be mounted: sudo make test"
)


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A disk of its own, gone at the end."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill_up(disk: Path) -> Path:
    """Take every byte that is left."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        size = 1 << 20
        while size:
            try:
                file.write(b"\0" * size)
            except OSError:
                size //= 2
    return filler


def send(url: str, ind: int) -> urllib3.BaseHTTPResponse:
    body = b'{"records":[{"value":{"ind":%d}}]}' % ind
    return urllib3.request(
        "POST", f"{url}/topics/{ID}.user", body=body, headers=JSON, retries=False, timeout=30
    )


@needs_mount
def test_on_a_full_disk_the_gateway_says_503_and_all_is_well_when_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 16) as disk:
        home = disk / "home"
        with gateway(home) as url:
            assert send(url, 1).status == 200
            filler = fill_up(disk)
            refused = None
            for ind in range(2, 2_000):
                refused = send(url, ind)
                if refused.status != 200:
                    break
            assert refused is not None
            assert refused.status == 503
            assert int(refused.headers["Retry-After"]) >= 1
            assert urllib3.request("GET", f"{url}/healthz", timeout=2, retries=False).status == 200
            accepted = ind - 1
            filler.unlink()
            until(lambda: send(url, 5_000).status == 200, seconds=30)
        for job in ("land", "stream", "batch"):
            pinflow(job, "--drain", home=home)
        found = pinflow_json("audit", "--deep", home=home)
        assert found["ok"] is True
        assert sum(line["accepted"] for line in found["lines"]) == accepted + 1


@needs_mount
@pytest.mark.parametrize("job", ["land", "stream", "batch"])
def test_a_job_on_a_full_disk_stops_with_a_clear_error_and_goes_on_later(tmp_path: Path, job: str) -> None:
    with small_disk(tmp_path / "disk", 24) as disk:
        home = disk / "home"
        with Runtime(load(home, env={})) as runtime:
            for side in ("batch", "stream"):
                post(
                    runtime,
                    topic(side, "user"),
                    rows(*({"ind": n, "first_name": "x" * 200} for n in range(2_000))),
                )
            if job == "batch":
                drain(runtime, "land")
            filler = fill_up(disk)
            done = subprocess.run(
                command(job, "--drain", home=home),
                env=environment(PINFLOW__WORKER__RETRY_SECONDS="1"),
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 1
            assert "Traceback" not in done.stderr
            assert "pinflow doctor" in done.stderr
            filler.unlink()
            assert verify(runtime, {}) == 4_000


@needs_mount
def test_a_read_only_lake_stops_a_job_with_a_clear_error(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 24) as disk:
        env = {"PINFLOW__LAKE__URL": str(disk / "lake")}
        home = tmp_path / "home"
        with Runtime(load(home, env=env)) as runtime:
            post(runtime, topic("stream", "user"), rows({"ind": 1}))
            drain(runtime)
            post(runtime, topic("stream", "user"), rows({"ind": 2}))
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
            done = subprocess.run(
                command("stream", "--drain", home=home),
                env=environment(PINFLOW__WORKER__RETRY_SECONDS="0.5", **env),
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 1
            assert "Read-only file system" in done.stderr
            assert "Traceback" not in done.stderr
            subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
            assert verify(runtime, {}) == 2


def test_a_torn_batch_of_the_log_is_found_and_named(runtime: Runtime, tmp_path: Path) -> None:
    home = tmp_path / "home"
    post(runtime, topic("stream", "user"), [b'{"ind": 1, "first_name": "UNMISTAKABLE"}'])
    runtime.log.close()
    file = home / "log.db"
    whole = file.read_bytes()
    place = whole.index(b"UNMISTAKABLE")
    file.write_bytes(whole[:place] + b"\0" + whole[place + 1 :])
    with pytest.raises(CorruptError, match="offset 0 fails its checksum"):
        drain(runtime, "stream")
    found = pinflow_json("audit", "--deep", home=home, code=3)
    assert any("log.db" in problem and "offset 0" in problem for problem in found["problems"])
    states = {each["part"]: each for each in pinflow_json("doctor", home=home, code=1)}
    assert states["records"]["state"] == "broken"
    assert "log.db" in states["records"]["found"]


def test_a_truncated_log_is_found_and_named(runtime: Runtime, tmp_path: Path) -> None:
    home = tmp_path / "home"
    post(runtime, topic("stream", "user"), [b"x" * 100_000])
    drain(runtime)
    runtime.log.close()
    file = home / "log.db"
    file.write_bytes(file.read_bytes()[:20_000])
    done = subprocess.run(
        command("audit", "--deep", home=home),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in (1, 3)
    assert "log.db" in done.stderr
    assert "Traceback" not in done.stderr
    states = {each["part"]: each for each in pinflow_json("doctor", home=home, code=1)}
    assert "broken" in (states["log"]["state"], states["records"]["state"])


def test_a_log_that_lost_its_end_stops_the_jobs_instead_of_skipping_what_comes(
    runtime: Runtime, tmp_path: Path
) -> None:
    post(runtime, topic("stream", "user"), rows({"ind": 1}))
    runtime.log.close()
    copy = (tmp_path / "home" / "log.db").read_bytes()
    post(runtime, topic("stream", "user"), rows({"ind": 2}))
    drain(runtime)
    runtime.log.close()
    (tmp_path / "home" / "log.db").write_bytes(copy)
    for job in ("stream", "land"):
        with pytest.raises(CorruptError, match="it has lost records"):
            drain(runtime, job)
    assert not audit(runtime).ok


def test_a_log_put_in_the_place_of_another_is_refused_however_long_it_grows(tmp_path: Path) -> None:
    settings = load(tmp_path / "home", env={})
    with Runtime(settings) as runtime:
        post(runtime, topic("stream", "user"), rows({"ind": 1}))
        drain(runtime)
    for file in (tmp_path / "home").glob("log.db*"):
        file.unlink()
    with Runtime(settings) as runtime:
        post(runtime, topic("stream", "user"), rows({"ind": 2}, {"ind": 3}, {"ind": 4}))
        for job in ("stream", "land"):
            with pytest.raises(CorruptError, match="not the one that this lake is filled from"):
                drain(runtime, job)
        assert any("not the one" in problem for problem in audit(runtime).problems)


def test_a_log_locked_by_another_process_is_waited_for(runtime: Runtime, tmp_path: Path) -> None:
    home = tmp_path / "home"
    hold = (
        "import sqlite3,sys,time; db = sqlite3.connect(sys.argv[1], isolation_level=None);"
        " db.execute('BEGIN EXCLUSIVE'); print('held', flush=True); sys.stdin.read()"
    )
    with gateway(home) as url:
        client = Client(lambda: url, threads=2)
        client.start()
        try:
            until(lambda: len(client.acknowledged) > 20)
            with subprocess.Popen(
                [sys.executable, "-c", hold, str(home / "log.db")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            ) as holder:
                assert holder.stdout is not None
                assert holder.stdout.readline() == b"held\n"
                until(lambda: send(url, 1).status == 503)
                assert urllib3.request("GET", f"{url}/healthz", timeout=2, retries=False).status == 200
                drain(runtime, "stream")
                assert holder.stdin is not None
                holder.stdin.close()
            before = len(client.acknowledged)
            until(lambda: len(client.acknowledged) > before + 20)
        finally:
            client.stop()
    assert client.doubled == []
    assert verify(runtime, client.acknowledged) >= len(client.acknowledged)


def test_a_table_that_was_lost_is_named_instead_of_a_worker_that_is_not_there(
    runtime: Runtime, tmp_path: Path
) -> None:
    for ind in (1, 2, 3):
        post(runtime, topic("stream", "user"), rows({"ind": ind}))
        drain(runtime)
    shutil.rmtree(tmp_path / "home" / "lake" / "tables" / "landing")
    with pytest.raises(CorruptError, match="table 'landing' has lost commits"):
        drain(runtime, "land")


def test_a_clock_that_steps_back_between_records_turns_no_time_of_acceptance_back(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = topic("stream", "user")
    post(runtime, name, rows({"ind": 1, "age": 20}))
    drain(runtime)
    wall, wall_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: wall() - 3600)
    monkeypatch.setattr(time, "time_ns", lambda: wall_ns() - 3600 * 10**9)
    post(runtime, name, rows({"ind": 1, "age": 21}))
    drain(runtime)
    stamps = runtime.log.read(name, 0, None, max_records=9, max_bytes=999).timestamps
    assert stamps[1] > stamps[0]
    assert verify(runtime, {}) == 2
    assert select(runtime, f'SELECT age FROM "{ID}_user_table"') == [(21,)]
