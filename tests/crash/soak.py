"""Stations killed at random moments, under load, any number of times.

    make soak KILLS=2000

Each station is a real process, forked from a server that has imported everything, so that a start costs milliseconds
and the kills fall into the work and not into imports. Now and then two workers of one job run at once. Two post
meanwhile: a client that knows every byte it was told is kept, and the emulator, whose retries must double nothing.
"""

from __future__ import annotations

import logging
import os
import random
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pinflow import source
from pinflow.config import Batch, Gateway, Land, Log, Settings, Stream, load
from pinflow.emulator import emulate
from pinflow.errors import FencedError
from pinflow.jobs.runtime import Runtime
from tests.crash.load import Client, address_in, of_others, verify
from tests.forks import context
from tests.pipeline import ID
from tests.servers.ports import free_port, wait_until

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess
    from pathlib import Path

    from pinflow.emulator.report import EmulatorReport

STATIONS = ("gateway", "land", "stream", "batch", "land", "stream", "batch")
"""Two workers of each job: when one is fenced or killed it is started again, whether or not the other runs."""

LIFE_S = (0.05, 0.6)
"""How long a station lives before it is killed, drawn evenly, where nothing else is said."""

BOUND_S = 180.0
"""How long the next kill, or the records after the last one, are waited for: stations that end by themselves end it."""

FENCED = 75
"""Exit code of a worker that another one fenced."""


POSTS = 2_000
"""What the emulator draws from."""


class Outcome(NamedTuple):
    """What a soak came to; `emulated` are the records that the emulator was told are kept."""

    kills: int
    fenced: int
    acknowledged: int
    emulated: int
    records: int


def small_steps(home: Path, log: Log | None = None) -> Settings:
    """A configuration with many small steps, so that there are many moments to be killed at."""
    settings = load(home, env={})
    config = msgspec.structs.replace(
        settings.config,
        log=log or settings.config.log,
        gateway=Gateway(port=free_port()),
        land=Land(flush_records=100, flush_seconds=0.1, poll_seconds=0.01),
        stream=Stream(max_records=400, poll_seconds=0.01),
        batch=Batch(max_records=400, every_seconds=0.01),
    )
    return msgspec.structs.replace(settings, config=config)


def station(name: str, settings: Settings, env: dict[str, str]) -> None:
    """The body of a station's process."""
    os.environ.update(env)  # that of the server it was forked from may be older
    from pinflow.gateway import serve
    from pinflow.jobs.clean.clean import clean_jobs
    from pinflow.jobs.land.land import land_jobs
    from pinflow.steps.worker import run

    logging.disable(logging.CRITICAL)
    if name == "gateway":
        serve(settings, ready_file=settings.home / "run" / "soak.url")
        return
    with Runtime(settings) as runtime:
        jobs = clean_jobs(runtime, name) if name != "land" else []  # type: ignore[arg-type]
        try:
            run(
                runtime.store,
                lambda: land_jobs(runtime) if name == "land" else jobs,
                stop=threading.Event(),
                poll_seconds=0.01,
            )
        except FencedError:
            sys.exit(FENCED)


class Emulator:
    """The real emulator in a thread, as fast as the gateway takes posts, until it is stopped."""

    def __init__(self, settings: Settings) -> None:
        source.create(settings.config.source.url, POSTS)
        self._settings = settings
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(1, "soak-emulator")

    def start(self, ready: Path) -> None:
        """Begin once the first gateway listens: later ones listen on the same port."""
        self._running = self._pool.submit(self._run, ready)

    def stop(self) -> EmulatorReport:
        """End, and say what was acknowledged."""
        self._stop.set()
        report = self._running.result()
        self._pool.shutdown()
        return report

    def _run(self, ready: Path) -> EmulatorReport:
        wait_until(ready.exists, "the first gateway listens")
        config = self._settings.config
        return emulate(config.source.url, config.gateway.url, ID, rate="max", batch_posts=3, stop=self._stop)


def soak(home: Path, kills: int, *, seed: int, life_s: tuple[float, float] = LIFE_S) -> Outcome:
    """Kill stations until so many have died, then drain and verify every acknowledged record."""
    settings = small_steps(home)
    ready = home / "run" / "soak.url"
    client, emulator = Client(lambda: address_in(ready)), Emulator(settings)
    emulator.start(ready)
    dead, fenced = kill_stations(settings, client, kills, random.Random(seed), life_s=life_s)
    client.stop()
    report = emulator.stop()
    assert client.doubled == [], "an offset was given out twice"
    with Runtime(settings) as runtime:
        records = verify(runtime, client.acknowledged)
        emulated = of_others(runtime)
    assert report.refused == 0
    assert report.acknowledged <= emulated <= report.acknowledged + report.unsettled, (
        "a retry has doubled a record"
    )
    return Outcome(dead, fenced, len(client.acknowledged), report.acknowledged, records)


def kill_stations(
    settings: Settings,
    client: Client,
    kills: int,
    chance: random.Random,
    *,
    life_s: tuple[float, float] = LIFE_S,
    env: dict[str, str] | None = None,
    records: int = 0,
) -> tuple[int, int]:
    """Start stations and kill them under the client's load, until so many died and so many records are acknowledged.

    Returns how many died and how many were fenced.
    """
    deadline = time.monotonic() + BOUND_S
    aws = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    alive: list[tuple[float, BaseProcess] | None] = [None] * len(STATIONS)
    dead = fenced = 0
    client.start()
    try:
        while dead < kills or len(client.acknowledged) < records:
            assert time.monotonic() < deadline, f"{len(client.acknowledged)} records in {BOUND_S:g} s"
            for place, name in enumerate(STATIONS):
                running = alive[place]
                if running is None or running[1].exitcode is not None:
                    fenced += running is not None and running[1].exitcode == FENCED
                    started = _started(name, settings, aws | (env or {}))
                    alive[place] = (time.monotonic() + chance.uniform(*life_s), started)
                elif time.monotonic() > running[0]:
                    running[1].kill()
                    running[1].join()
                    dead += running[1].exitcode == -signal.SIGKILL
                    deadline = time.monotonic() + BOUND_S
                    alive[place] = None
            time.sleep(0.005)
    finally:
        for running in alive:
            if running is not None:
                running[1].kill()
                running[1].join()
    return dead, fenced


def _started(name: str, settings: Settings, env: dict[str, str]) -> BaseProcess:
    if name == "gateway":
        (settings.home / "run" / "soak.url").unlink(missing_ok=True)
    process = context().Process(target=station, args=(name, settings, env), daemon=True)
    process.start()
    return process
