"""Stations killed at random moments, under load, any number of times.

    make soak KILLS=2000

Each station is a real process, forked from a server that has imported everything, so that a start costs milliseconds
and the kills fall into the work and not into imports. Now and then two workers of one job run at once.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pinflow.config import Batch, Gateway, Land, Settings, Stream, load
from pinflow.errors import FencedError
from pinflow.jobs.parts import Parts
from tests.crash.load import Client, address_in, verify

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess
    from pathlib import Path

PRELOADED = [
    "tests.crash.soak",
    "pinflow.gateway",
    "pinflow.jobs.land",
    "pinflow.jobs.clean",
    "pinflow.jobs.worker",
]
STATIONS = ("gateway", "land", "stream", "batch", "land", "stream", "batch")
"""Two workers of each job: when one is fenced or killed it is started again, whether or not the other runs."""

LIFE_S = (0.05, 0.6)
"""How long a station lives before it is killed, drawn evenly, where nothing else is said."""

FENCED = 75
"""Exit code of a worker that another one fenced."""


class Outcome(NamedTuple):
    """What a soak came to."""

    kills: int
    fenced: int
    acknowledged: int
    records: int


def small_steps(home: Path) -> Settings:
    """A configuration with many small steps, so that there are many moments to be killed at."""
    settings = load(home, env={})
    config = msgspec.structs.replace(
        settings.config,
        gateway=Gateway(port=0),
        land=Land(flush_records=100, flush_seconds=0.1, poll_seconds=0.01),
        stream=Stream(max_records=400, poll_seconds=0.01),
        batch=Batch(max_records=400, every_seconds=0.01),
    )
    return msgspec.structs.replace(settings, config=config)


def station(name: str, settings: Settings, aws: dict[str, str]) -> None:
    """The body of a station's process; `aws` is of the environment of the test, which is not the server's."""
    from pinflow.gateway import serve
    from pinflow.jobs.clean import clean_jobs
    from pinflow.jobs.land import land_jobs
    from pinflow.jobs.worker import run

    logging.disable(logging.CRITICAL)
    os.environ.update(aws)
    if name == "gateway":
        serve(settings, ready_file=settings.home / "run" / "soak.url")
        return
    with Parts(settings) as parts:
        jobs = clean_jobs(parts, name) if name != "land" else []  # type: ignore[arg-type]
        try:
            run(
                parts.store,
                lambda: land_jobs(parts) if name == "land" else jobs,
                stop=threading.Event(),
                poll_seconds=0.01,
            )
        except FencedError:
            sys.exit(FENCED)


def soak(home: Path, kills: int, *, seed: int, life: tuple[float, float] = LIFE_S) -> Outcome:
    """Kill stations until so many have died, then drain and verify every acknowledged record."""
    settings = small_steps(home)
    ready = home / "run" / "soak.url"
    client = Client(lambda: address_in(ready))
    dead, fenced = _kill_stations(settings, client, kills, random.Random(seed), life)
    client.stop()
    assert client.doubled == [], "an offset was given out twice"
    with Parts(settings) as parts:
        records = verify(parts, client.acknowledged)
    return Outcome(dead, fenced, len(client.acknowledged), records)


def _kill_stations(
    settings: Settings, client: Client, kills: int, chance: random.Random, life: tuple[float, float]
) -> tuple[int, int]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    alive: list[tuple[float, BaseProcess] | None] = [None] * len(STATIONS)
    dead = fenced = 0
    client.start()
    try:
        while dead < kills:
            for place, name in enumerate(STATIONS):
                running = alive[place]
                if running is None or running[1].exitcode is not None:
                    fenced += running is not None and running[1].exitcode == FENCED
                    alive[place] = (
                        time.monotonic() + chance.uniform(*life),
                        _started(context, name, settings),
                    )
                elif time.monotonic() > running[0]:
                    running[1].kill()
                    running[1].join()
                    dead += running[1].exitcode == -signal.SIGKILL
                    alive[place] = None
            time.sleep(0.005)
    finally:
        for running in alive:
            if running is not None:
                running[1].kill()
                running[1].join()
    return dead, fenced


def _started(
    context: multiprocessing.context.ForkServerContext, name: str, settings: Settings
) -> BaseProcess:
    if name == "gateway":
        (settings.home / "run" / "soak.url").unlink(missing_ok=True)
    aws = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    process = context.Process(target=station, args=(name, settings, aws), daemon=True)
    process.start()
    return process
