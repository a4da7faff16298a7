"""What the runs of one maintain process have done, for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import Metric

    from pinflow.jobs.maintain.maintain import Maintained

__all__ = ["MaintainMetrics"]


class MaintainMetrics(Collector):
    """Counts from the start of the process on."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._registry = registry
        self._runs = Counter("pinflow_maintain_runs", "Runs over everything", registry=registry)
        self._problems = Gauge(
            "pinflow_maintain_problems",
            "Problems of the last run, as it has reported them",
            registry=registry,
        )
        table = ["table"]
        self._removed = Counter(
            "pinflow_maintain_rows_removed", "Superseded rows removed", table, registry=registry
        )
        self._joined = Counter(
            "pinflow_maintain_files_joined", "Small files joined", table, registry=registry
        )
        self._deleted = Counter(
            "pinflow_maintain_files_deleted", "Old files deleted", table, registry=registry
        )
        self._trimmed = Counter(
            "pinflow_maintain_records_trimmed", "Records removed from the log", ["topic"], registry=registry
        )

    def collect(self) -> Iterable[Metric]:
        """The counters, for the registry."""
        return self._registry.collect()

    def ran(self, done: Maintained) -> None:
        """Count one run."""
        self._runs.inc()
        self._problems.set(len(done.problems))
        for each in done.tables:
            self._removed.labels(each.table).inc(each.superseded)
            self._joined.labels(each.table).inc(each.joined)
            self._deleted.labels(each.table).inc(each.files)
        for topic, records in done.trimmed.items():
            self._trimmed.labels(topic).inc(records)
