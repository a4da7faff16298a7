"""maintain in a loop beside land, stream, batch and readers: nothing is lost, and no reader fails."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

import msgspec

from pinflow.config import Batch, Land, Log, Maintain, Settings, Stream
from pinflow.jobs.clean.clean import clean_jobs
from pinflow.jobs.land.land import land_jobs
from pinflow.jobs.maintain.maintain import maintain
from pinflow.jobs.reports.audit import audit
from pinflow.jobs.runtime import Runtime
from pinflow.steps.worker import run
from tests.pipeline import drain, post, rows, select, table, topic

if TYPE_CHECKING:
    from collections.abc import Callable

    from pinflow.jobs.pipelines import Side

SIDES: tuple[Side, ...] = ("batch", "stream")
MOST_TURNS = 1_000


def busy(settings: Settings) -> Settings:
    config = msgspec.structs.replace(
        settings.config,
        log=Log(url=settings.config.log.url, retention_bytes=1),
        land=Land(flush_records=20, flush_seconds=0.05, poll_seconds=0.01),
        stream=Stream(poll_seconds=0.01),
        batch=Batch(every_seconds=0.01),
        maintain=Maintain(retention_hours=1, keep_steps=3),
    )
    return msgspec.structs.replace(settings, config=config)


class Beside:
    """Threads that work at once, each with parts of its own, until stopped."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.stop = threading.Event()
        self.failed: list[BaseException] = []
        self.maintained = self.read = 0
        works = (self._land, self._batch, self._stream, self._maintain, self._read)
        self._threads = [threading.Thread(target=self._body, args=(work,)) for work in works]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join()

    def _body(self, work: Callable[[Runtime], None]) -> None:
        try:
            with Runtime(self.settings) as runtime:
                work(runtime)
        except BaseException as error:  # noqa: BLE001
            self.failed.append(error)

    def _land(self, runtime: Runtime) -> None:
        run(runtime.store, lambda: land_jobs(runtime), stop=self.stop, poll_seconds=0.01)

    def _batch(self, runtime: Runtime) -> None:
        jobs = clean_jobs(runtime, "batch")
        run(runtime.store, lambda: jobs, stop=self.stop, poll_seconds=0.01)

    def _stream(self, runtime: Runtime) -> None:
        jobs = clean_jobs(runtime, "stream")
        run(runtime.store, lambda: jobs, stop=self.stop, poll_seconds=0.01)

    def _maintain(self, runtime: Runtime) -> None:
        while not self.stop.is_set():
            maintain(runtime)
            self.maintained += 1

    def _read(self, runtime: Runtime) -> None:
        while not self.stop.is_set():
            for side in SIDES:
                assert select(runtime, f'SELECT count(*) FROM "{table(side, "user")}" WHERE ind = 0') == [
                    (1,)
                ]
            self.read += 1


def post_turn(runtime: Runtime, turn: int) -> None:
    for side in SIDES:
        values = rows(*({"ind": n % 7, "age": turn} for n in range(10)), {"ind": 100 + turn})
        post(runtime, topic(side, "user"), [*values, b"x"], partition=turn % 2)


def test_nothing_is_lost_and_no_reader_fails(settings: Settings) -> None:
    with Runtime(busy(settings)) as runtime:
        for side in SIDES:
            post(runtime, topic(side, "user"), rows({"ind": 0}))
        drain(runtime)
        turns = 0
        with Beside(busy(settings)) as beside:
            while turns < MOST_TURNS and not beside.failed and min(beside.maintained, beside.read) < 2:
                post_turn(runtime, turns)
                turns += 1
                beside.stop.wait(0.05)
        assert beside.failed == []
        assert min(beside.maintained, beside.read) >= 2
        drain(runtime)
        assert maintain(runtime).problems == []
        for deep in (False, True):
            found = audit(runtime, deep=deep)
            assert found.problems == []
            assert sum(line.accepted for line in found.lines) == 2 * (1 + turns * 12)
            assert sum(line.waiting for line in found.lines) == 0
        for side in SIDES:
            assert select(runtime, f'SELECT count(*) FROM "{table(side, "user")}"') == [(7 + turns,)]
