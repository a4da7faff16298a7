"""`pinflow up`: stations as processes, started again when they die, ended by Ctrl-C or with their supervisor."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import psutil
import pytest

from pinflow.config import load
from pinflow.jobs.reports.audit import audit
from pinflow.jobs.runtime import Runtime
from tests.e2e.command import pinflow_json, run, running, until
from tests.pipeline import post, rows, topic

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.command import Running

STATIONS = {"gateway", "land", "stream", "batch", "maintain", "emulate"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    pinflow_json("source", "create", "--posts", "11001", home=home)
    return home


def stations(process: Running) -> dict[str, psutil.Process]:
    """The running stations by their command."""
    found = {}
    for child in psutil.Process(process.pid).children():
        try:
            words = child.cmdline()
            found[words[words.index("pinflow") + 1]] = child
        except (psutil.NoSuchProcess, psutil.ZombieProcess, ValueError):
            continue
    return found


def accepted(home: Path) -> int:
    """Records accepted; none while the gateway has not made the tables of the log yet."""
    done = run("status", "--json", home=home)
    if done.returncode == 1 and (
        "there is no log yet" in done.stderr or "the file holds no log" in done.stderr
    ):
        return 0
    assert done.returncode == 0, done.stderr
    return sum(topic["accepted"] for topic in json.loads(done.stdout))


def test_a_station_that_dies_is_started_again_and_ctrl_c_ends_all_within_5_s(home: Path) -> None:
    with running("up", "--rate", "20/s", home=home, PINFLOW__GATEWAY__PORT="0") as process:
        until(lambda: stations(process).keys() == STATIONS)
        before = stations(process)
        before["stream"].send_signal(signal.SIGKILL)
        until(lambda: stations(process).get("stream", before["stream"]).pid != before["stream"].pid)
        assert stations(process)["land"].pid == before["land"].pid
        until(lambda: accepted(home) > 0)
        alive = list(stations(process).values())
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == 0
        _, still = psutil.wait_procs(alive, timeout=1)
        assert still == []
    pinflow_json("land", "--drain", home=home)
    pinflow_json("stream", "--drain", home=home)
    pinflow_json("batch", "--drain", home=home)
    assert pinflow_json("audit", "--deep", home=home)["ok"] is True


def test_a_topic_that_fails_makes_no_station_start_again_and_holds_up_no_other(home: Path) -> None:
    broken = "a" * 249
    with Runtime(load(home, env={})) as runtime:
        post(runtime, broken, [b"1"])
        post(runtime, topic("stream", "user"), rows({"ind": 1}))
    with running("up", "--no-emulator", home=home, PINFLOW__GATEWAY__PORT="0") as process:
        until(lambda: stations(process).keys() == STATIONS - {"emulate"})
        land = stations(process)["land"].pid

        def landed() -> int:
            by_topic = {each["topic"]: each for each in pinflow_json("status", home=home)}
            return int(by_topic[topic("stream", "user")]["landed"])

        until(lambda: landed() == 1)
        until(lambda: "set aside" in run("status", home=home).stderr)
        with Runtime(load(home, env={})) as runtime:
            post(runtime, topic("stream", "user"), rows({"ind": 2}))
        until(lambda: landed() == 2)
        assert stations(process)["land"].pid == land
        shown = run("status", home=home)
        assert shown.returncode == 0
        assert f"land/{broken}: set aside since" in shown.stderr
        assert "next:  post to a topic with a shorter name" in shown.stderr
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == 0
    done = run("land", "--drain", home=home)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "too long for the lake" in done.stderr.splitlines()[-3]


def test_no_station_outlives_a_supervisor_that_was_killed(home: Path) -> None:
    with running("up", "--no-emulator", home=home, PINFLOW__GATEWAY__PORT="0") as process:
        until(lambda: stations(process).keys() == STATIONS - {"emulate"})
        alive = list(stations(process).values())
        os.kill(process.pid, signal.SIGKILL)
        _, still = psutil.wait_procs(alive, timeout=15)
        assert still == []


def test_an_audit_adds_up_at_any_time_while_all_stations_run(home: Path) -> None:
    with running("up", "--rate", "300/s", home=home, PINFLOW__GATEWAY__PORT="0") as process:
        until(lambda: stations(process).keys() == STATIONS)
        until(lambda: accepted(home) > 500)
        settings = load(home, env={})
        for turn in range(40):
            with Runtime(settings, read_only=True) as runtime:
                found = audit(runtime, deep=turn % 4 == 0)
            assert found.problems == []
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
