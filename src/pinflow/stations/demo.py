"""demo: the whole pipeline once, on synthetic posts, ending by itself.

1. Make the source, unless it is there.
2. Start the gateway, `land` and `stream` as processes.
3. Post every row through both endpoints, then a tenth of them again.
4. Wait until all is landed and streamed; end the processes.
5. Run `batch` until nothing is left.
6. Answer every question from both sides, and compare.
7. Audit.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import msgspec

from pinflow import source
from pinflow.ask.ask import ask
from pinflow.ask.result import QueryResult
from pinflow.datasets.naming import topic_names
from pinflow.emulator import emulate
from pinflow.errors import AbsentError, StationError, TerminalError
from pinflow.jobs.clean.clean import clean_jobs
from pinflow.jobs.reports.audit import Audit, audit
from pinflow.jobs.reports.status import status
from pinflow.jobs.runtime import Runtime
from pinflow.stations.process import Station, end_all, only_one, wait_for_file
from pinflow.steps.worker import run
from pinflow.tasks.defaults import SILENT, chosen_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinflow.config import Settings
    from pinflow.progress import Progress

__all__ = ["DemoReport", "demo"]

READY_S = 30.0
DRAIN_S = 600.0
"""Bound on the wait for land and stream, far above what they need: after it something is stuck."""

STOP_S = 4.0
POLL_S = 0.1
LAND_FLUSH_S = "0.5"
AGAIN_SHARE = 10
"""One post in this many is posted again."""


class Say(Protocol):
    """Called with a line for each thing that is done."""

    def __call__(self, line: str, /) -> None: ...


def _say_nothing(line: str) -> None: ...


class DemoReport(msgspec.Struct, frozen=True):
    """What a demo did; `ok` when both sides agree and everything adds up.

    `seconds` a stage; `differing` names questions that the two sides answer differently.
    """

    ok: bool
    home: str
    lake: str
    posts: int
    acknowledged: int
    seconds: dict[str, float]
    differing: list[str]
    audit: Audit
    answers: dict[str, QueryResult]


def demo(
    settings: Settings | None = None,
    *,
    posts: int = 11_154,
    say: Say = _say_nothing,
    progress: Progress = SILENT,
) -> DemoReport:
    """Run the whole pipeline once on synthetic posts, and check it.

    Makes a source, starts the gateway, land and stream as processes, posts every row through both endpoints and a tenth
    again, waits until all has arrived, ends the processes, runs batch, answers ten questions from both sides and
    audits. In a home that has run before it goes on: the same posts come again.

    Args:
        settings: The configuration; by default what `pinflow.settings()` returns.
        posts: Size of the source, if there is none yet.
        say: Called with a line for each thing that is done.
        progress: Watches the parts of it that count.

    Raises:
        StationError: A station ended or did not start.
        PinflowError: Something could not be done.
    """
    chosen = chosen_settings(settings)
    with only_one(chosen.home):
        return _demo(chosen, posts, say, progress)


def _demo(settings: Settings, posts: int, say: Say, progress: Progress) -> DemoReport:
    clock = _Clock()
    with clock.stage("source"):
        held = _ensure_source(settings, posts, say, progress)
    with _stations(settings) as (gateway_url, stations):
        with clock.stage("post"):
            acknowledged = _post(settings, gateway_url, held, say, progress)
        with clock.stage("land and stream"):
            say("waiting until all is landed and streamed")
            _wait_until_drained(settings, stations)
    with Runtime(settings) as runtime:
        with clock.stage("batch"):
            say("cleaning the landed records into the batch tables")
            jobs = clean_jobs(runtime, "batch")
            run(
                runtime.store,
                lambda: jobs,
                stop=threading.Event(),
                poll_seconds=0,
                drain=True,
                threads=len(jobs),
            )
        with clock.stage("questions"):
            say("answering ten questions from both sides")
            batch, stream = ask(runtime, "batch"), ask(runtime, "stream")
        with clock.stage("audit"):
            audited = audit(runtime)
    differing = [name for name, answer in batch.items() if stream[name] != answer]
    return DemoReport(
        ok=not differing and audited.ok,
        home=str(settings.home),
        lake=runtime.store.url,
        posts=held,
        acknowledged=acknowledged,
        seconds=clock.seconds,
        differing=differing,
        audit=audited,
        answers={name: QueryResult(answer) for name, answer in batch.items()},
    )


def _ensure_source(settings: Settings, posts: int, say: Say, progress: Progress) -> int:
    url = settings.config.source.url
    try:
        held = source.summary(url).posts
    except AbsentError:
        held = 0
    if held:
        say(f"the source holds {held:,} post{'s' * (held != 1)} already")
        return held
    say(f"making a source of {posts:,} synthetic post{'s' * (posts != 1)}")
    source.create(url, posts=posts, progress=progress)
    return posts


@contextmanager
def _stations(settings: Settings) -> Iterator[tuple[str, list[Station]]]:
    ready = settings.home / "run" / "gateway.url"
    ready.unlink(missing_ok=True)
    gateway = Station("gateway", ["gateway", "--port", "0", "--ready-file", str(ready)], settings)
    land = Station("land", ["land"], settings, {"PINFLOW__LAND__FLUSH_SECONDS": LAND_FLUSH_S})
    stations = [gateway, land, Station("stream", ["stream"], settings)]
    try:
        for station in stations:
            station.start()
        yield wait_for_file(ready, gateway, READY_S, threading.Event()) or "", stations
    finally:
        end_all(stations, STOP_S)


def _post(settings: Settings, gateway_url: str, posts: int, say: Say, progress: Progress) -> int:
    def send(*, posts: int | None, each_once: bool) -> int:
        report = emulate(
            settings.config.source.url,
            gateway_url,
            settings.config.id,
            to="both",
            posts=posts,
            each_once=each_once,
            rate="max",
            seed=settings.config.emulator.seed,
            batch_posts=settings.config.emulator.batch_posts,
            api_key=settings.config.emulator.api_key,
            ca_file=settings.config.emulator.ca_file,
            progress=progress,
        )
        return report.acknowledged

    again = posts // AGAIN_SHARE
    say(f"posting {posts:,} post{'s' * (posts != 1)} through both endpoints, and {again:,} again")
    return send(posts=None, each_once=True) + (send(posts=again, each_once=False) if again else 0)


def _wait_until_drained(settings: Settings, stations: list[Station]) -> None:
    deadline = time.monotonic() + DRAIN_S
    streamed = topic_names("stream", settings.config.id)
    with Runtime(settings) as runtime:
        while True:
            topics = status(runtime)
            waiting = sum(each.to_land + (each.to_clean if each.topic in streamed else 0) for each in topics)
            if not waiting:
                return
            for failing in (each for topic in topics for each in topic.failing):
                if failing.state == "set aside":
                    raise TerminalError(
                        f"{failing.job}: {failing.what}", where=failing.where, hint=failing.next
                    )
            for station in stations:
                station.must_run()
            if time.monotonic() > deadline:
                raise StationError(
                    f"{waiting:,} records still wait after {DRAIN_S:g} s", hint="pinflow status"
                )
            time.sleep(POLL_S)


class _Clock:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - began, 2)
