"""How many records each job has still to cover, for Prometheus."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from threading import Lock
from typing import TYPE_CHECKING, Self

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from pinflow.errors import PinflowError
from pinflow.jobs.pipelines import side_pipelines
from pinflow.jobs.runtime import Runtime
from pinflow.jobs.topics import count_accepted, landed_only_topics, list_topics
from pinflow.steps.standing import read_standing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

    from pinflow.config import Settings
    from pinflow.jobs.pipelines import Side

__all__ = ["LagMetrics", "land_lags", "side_lags"]

_log = logging.getLogger(__name__)


def land_lags(runtime: Runtime) -> dict[str, int]:
    """Job → records that were accepted and have not landed, for every topic of the log."""
    manifest, without_log = runtime.landing.manifest.snapshot(), landed_only_topics(runtime)
    found = {}
    for topic in list_topics(runtime):
        total = sum(count_accepted(runtime, topic, manifest, only_landed=topic in without_log).values())
        job = f"land/{topic}"
        found[job] = max(0, total - read_standing(runtime.store, job, manifest).total.records)
    return found


def side_lags(runtime: Runtime, side: Side) -> dict[str, int]:
    """Job → records that were accepted and are neither clean nor in quarantine, for the topics of a side."""
    manifest, without_log = runtime.landing.manifest.snapshot(), landed_only_topics(runtime)
    topics = set(list_topics(runtime))
    found = {}
    for pipeline in side_pipelines(side, runtime.config.id):
        total = 0
        if pipeline.topic in topics:
            accepted = count_accepted(
                runtime, pipeline.topic, manifest, only_landed=pipeline.topic in without_log
            )
            total = sum(accepted.values())
        table = pipeline.open_table(runtime.tables).snapshot()
        done = read_standing(runtime.store, pipeline.job, table).total.records
        found[pipeline.job] = max(0, total - done)
    return found


class LagMetrics(Collector):
    """`pinflow_lag_records` of the jobs of `land` (None) or of a side; each call reads afresh.

    If a log does not count its records, they would have to be read, so the gauge is empty. The first call opens the
    parts; `close` closes them.
    """

    def __init__(self, settings: Settings, side: Side | None = None) -> None:
        self._settings = settings
        self._side = side
        self._lock = Lock()
        self._stack = ExitStack()
        self._runtime: Runtime | None = None

    def collect(self) -> Iterator[Metric]:
        """The gauge, for the registry. Called from the server's threads, one at a time."""
        gauge = GaugeMetricFamily(
            "pinflow_lag_records", "Records that were accepted and the job has not committed", labels=["job"]
        )
        with self._lock:
            try:
                for job, lag in self._lags().items():
                    gauge.add_metric([job], lag)
            except PinflowError as error:
                _log.warning("lags cannot be read: %s", error.what)
        yield gauge

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._stack.close()
            self._runtime = None

    def _lags(self) -> dict[str, int]:
        if self._runtime is None:
            self._runtime = self._stack.enter_context(Runtime(self._settings, read_only=True))
        if not self._runtime.log.capabilities.counts_records:
            return {}
        return land_lags(self._runtime) if self._side is None else side_lags(self._runtime, self._side)
