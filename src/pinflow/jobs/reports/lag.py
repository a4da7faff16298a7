"""How many records each job has still to cover, for Prometheus."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Self

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from pinflow.errors import PinflowError
from pinflow.jobs.pipelines import side_pipelines
from pinflow.jobs.runtime import Runtime
from pinflow.jobs.topics import count_accepted, landed_only_topics, list_topics
from pinflow.steps.standing import read_standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client import Metric

    from pinflow.config import Settings
    from pinflow.jobs.pipelines import Pipeline, Side
    from pinflow.lake import Snapshot

__all__ = ["LagMetrics", "land_lags", "side_lags"]

_log = logging.getLogger(__name__)


def land_lags(runtime: Runtime) -> Iterator[tuple[str, Callable[[], int]]]:
    """Job → counts the records that were accepted and have not landed, for every topic of the log."""
    manifest, without_log = runtime.landing.manifest.snapshot(), landed_only_topics(runtime)
    for topic in list_topics(runtime):
        yield f"land/{topic}", partial(_land_lag, runtime, manifest, topic, only_landed=topic in without_log)


def side_lags(runtime: Runtime, side: Side) -> Iterator[tuple[str, Callable[[], int]]]:
    """Job → counts the records that were accepted and are neither clean nor in quarantine, for the topics of a side."""
    manifest, without_log = runtime.landing.manifest.snapshot(), landed_only_topics(runtime)
    topics = set(list_topics(runtime))
    for pipeline in side_pipelines(side, runtime.config.id):
        count = partial(_side_lag, runtime, manifest, pipeline, only_landed=pipeline.topic in without_log)
        yield pipeline.job, count if pipeline.topic in topics else lambda: 0


def _land_lag(runtime: Runtime, manifest: Snapshot, topic: str, *, only_landed: bool) -> int:
    total = sum(count_accepted(runtime, topic, manifest, only_landed=only_landed).values())
    return max(0, total - read_standing(runtime.store, f"land/{topic}", manifest).total.records)


def _side_lag(runtime: Runtime, manifest: Snapshot, pipeline: Pipeline, *, only_landed: bool) -> int:
    total = sum(count_accepted(runtime, pipeline.topic, manifest, only_landed=only_landed).values())
    table = pipeline.open_table(runtime.tables).snapshot()
    return max(0, total - read_standing(runtime.store, pipeline.job, table).total.records)


class LagMetrics(Collector):
    """`pinflow_lag_records` of the jobs of `land` (None) or of a side; each call reads afresh.

    A log that does not count its records would have to read them, so of its jobs nothing is shown. The parts are
    opened with the first call, belong to this collector, and are used by one thread of its own: a server's threads
    come and go, and each would leave a connection behind. A context manager.
    """

    def __init__(self, settings: Settings, side: Side | None = None) -> None:
        self._settings = settings
        self._side = side
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lag")
        self._runtime: Runtime | None = None

    def collect(self) -> Iterator[Metric]:
        """The gauge, for the registry. A job whose lag cannot be read is left out."""
        gauge = GaugeMetricFamily(
            "pinflow_lag_records", "Records that were accepted and the job has not committed", labels=["job"]
        )
        for job, lag in self._thread.submit(self._lags).result().items():
            gauge.add_metric([job], lag)
        yield gauge

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.submit(self._close).result()
        self._thread.shutdown()

    def _lags(self) -> dict[str, int]:
        found: dict[str, int] = {}
        try:
            for job, count in self._counts():
                try:
                    found[job] = count()
                except PinflowError as error:
                    _log.warning("%s: its lag cannot be read: %s", job, error.what)
        except PinflowError as error:
            _log.warning("lags cannot be read: %s", error.what)
        return found

    def _counts(self) -> Iterable[tuple[str, Callable[[], int]]]:
        if self._runtime is None:
            self._runtime = Runtime(self._settings, read_only=True)
        if not self._runtime.log.capabilities.counts_records:
            return ()
        return land_lags(self._runtime) if self._side is None else side_lags(self._runtime, self._side)

    def _close(self) -> None:
        if self._runtime is not None:
            self._runtime.__exit__()
            self._runtime = None
