"""up: every station as a process of its own, under one supervisor.

A station that dies is started again, after a wait that doubles with every death in a row.
"""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from pinflow import source
from pinflow.errors import AbsentError, PinflowError
from pinflow.jobs.reports.receipt_metrics import serve_metrics
from pinflow.jobs.reports.status import TopicStatus, status
from pinflow.jobs.runtime import Runtime
from pinflow.retrying import Backoff
from pinflow.stations.metrics import StationMetrics
from pinflow.stations.process import Station, end_all, last_lines, only_one, wait_for_file

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Sequence

    from pinflow.config import Settings
    from pinflow.progress import Progress

__all__ = ["StationState", "UpState", "up"]

READY_S = 30.0
STOP_S = 4.0
"""The time that stations have to end by themselves; with the kill after it, Ctrl-C takes at most 5 s."""

TICK_S = 1.0
REMOTE_LOOK_S = 15.0
"""Between two reads of the topics' state in a remote lake: each takes some hundred requests, which cost money."""

BACKOFF = Backoff(first=0.5, most=30.0)
STEADY_S = 10.0
"""A station that ran this long before it died is not dying in a row."""

BATCH_EVERY_S = "10"
"""On a laptop people look at the batch tables sooner than their default schedule."""


_log = logging.getLogger(__name__)


class StationState(msgspec.Struct, frozen=True):
    """One station. `pid` is None while it waits to be started again; `last_line` is why it ended last."""

    name: str
    pid: int | None
    restarts: int
    last_line: str


class UpState(msgspec.Struct, frozen=True):
    """The pipeline at a moment. `rates` is records a second accepted, by topic, since the state before."""

    gateway: str
    stations: list[StationState]
    topics: list[TopicStatus]
    rates: dict[str, float]


class Show(Protocol):
    """Called about once a second with what the pipeline looks like."""

    def __call__(self, state: UpState) -> None: ...


def up(
    settings: Settings,
    *,
    stop: threading.Event,
    rate: str | None,
    progress: Progress,
    show: Show,
    metrics_port: int | None = None,
) -> None:
    """Run gateway, land, stream, batch, maintain and, with a rate, the emulator, until `stop` is set.

    They end within 5 s after that.

    Args:
        settings: The configuration; a source is made if there is none and the emulator is to run.
        stop: Ends them all.
        rate: The emulator's, as `emulate --rate` takes it; None for no emulator.
        progress: Watches the source being made.
        show: Called about once a second with the state of everything.
        metrics_port: Serve the metrics of all stations together on this port of 127.0.0.1; 0 takes a free one.

    Raises:
        StationError: The gateway did not start at all.
    """
    with only_one(settings.home):
        _up(settings, stop, rate, progress, show, metrics_port)


def _up(
    settings: Settings,
    stop: threading.Event,
    rate: str | None,
    progress: Progress,
    show: Show,
    metrics_port: int | None,
) -> None:
    if rate is not None:
        _ensure_source(settings, progress)
    ready = settings.home / "run" / "gateway.url"
    ready.unlink(missing_ok=True)
    watched = metrics_port is not None
    gateway = Station("gateway", ["gateway", "--ready-file", str(ready)], settings)
    stations = [
        gateway,
        Station("land", ["land"], settings, metrics=watched),
        Station("stream", ["stream"], settings, metrics=watched),
        Station("batch", ["batch"], settings, _batch_env(settings), metrics=watched),
    ]
    if every := settings.config.maintain.every_seconds:
        stations.append(Station("maintain", ["maintain", "--every", f"{every}"], settings, metrics=watched))
    try:
        gateway.start()
        url = wait_for_file(ready, gateway, READY_S, stop)
        if url is None:
            return
        if rate is not None:
            stations.append(Station("emulator", ["emulate", "--rate", rate, "--url", url], settings))
        with _serve_metrics(settings, stations, url, metrics_port):
            _Supervisor(settings, stations, url, show).run(stop)
    finally:
        end_all(stations, STOP_S)


@contextmanager
def _serve_metrics(
    settings: Settings, stations: Sequence[Station], gateway: str, port: int | None
) -> Iterator[None]:
    """Serve the metrics of all stations together, if that is asked for."""
    if port is None:
        yield
        return

    def addresses() -> dict[str, str]:
        found: dict[str, str | None] = {each.name: each.metrics_address for each in stations}
        if gateway.startswith("http:") and not Path(settings.config.gateway.keys_file).exists():
            # else it needs a key, or a certificate to trust
            found["gateway"] = f"{gateway}/metrics"
        return {name: address for name, address in found.items() if address is not None}

    with serve_metrics([StationMetrics(addresses)], port) as address:
        _log.info("metrics at %s", address)
        yield


def _ensure_source(settings: Settings, progress: Progress) -> None:
    try:
        source.summary(settings.config.source.url)
    except AbsentError:
        source.create(settings.config.source.url, progress=progress)


def _batch_env(settings: Settings) -> dict[str, str]:
    given = settings.origins["batch.every_seconds"] != "default"
    return {} if given else {"PINFLOW__BATCH__EVERY_SECONDS": BATCH_EVERY_S}


class _Supervisor:
    def __init__(self, settings: Settings, stations: list[Station], url: str, show: Show) -> None:
        self._settings = settings
        self._watches = [_Watch(station) for station in stations]
        self._url = url
        self._show = show
        self._before: tuple[float, dict[str, int]] = (time.monotonic(), {})
        self._seen: tuple[list[TopicStatus], dict[str, float]] | None = None

    def run(self, stop: threading.Event) -> None:
        with Runtime(self._settings) as runtime:
            while not stop.is_set():
                for watch in self._watches:
                    watch.tend()
                self._show(self._read_state(runtime))
                stop.wait(TICK_S)

    def _read_state(self, runtime: Runtime) -> UpState:
        resting = runtime.store.is_remote and time.monotonic() < self._before[0] + REMOTE_LOOK_S
        if self._seen is None or not resting:
            try:
                self._seen = self._look(runtime)
            except (
                PinflowError
            ) as error:  # only the picture needs it, and the stations report their own errors
                _log.warning("looking again soon: %s", error.what)
        topics, rates = self._seen or ([], {})
        return UpState(self._url, [watch.state() for watch in self._watches], topics, rates)

    def _look(self, runtime: Runtime) -> tuple[list[TopicStatus], dict[str, float]]:
        topics = status(runtime)
        now, accepted = time.monotonic(), {each.topic: each.accepted for each in topics}
        then, before = self._before
        self._before = (now, accepted)
        rates = {
            topic: (count - before[topic]) / (now - then)
            for topic, count in accepted.items()
            if topic in before
        }
        return topics, rates


class _Watch:
    """Starts a station when it is not running and its wait is over."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._deaths = 0
        self._started_at = time.monotonic()
        self._again_at: float | None = None
        self._last_line = ""

    def tend(self) -> None:
        station, now = self._station, time.monotonic()
        if station.running:
            return
        if station.starts and self._again_at is None:
            self._last_line = f"ended with code {station.exit_code}: {last_lines(station.log_file, 1)}"
            self._deaths = 0 if now - self._started_at > STEADY_S else self._deaths + 1
            self._again_at = now + BACKOFF.wait(self._deaths)
        if self._again_at is None or now >= self._again_at:
            self._again_at = None
            self._started_at = now
            station.start()

    def state(self) -> StationState:
        station = self._station
        return StationState(station.name, station.pid, max(0, station.starts - 1), self._last_line)
