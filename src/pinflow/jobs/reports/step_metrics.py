"""The steps of one process, for Prometheus: their number, duration and failures.

Unlike the counters that are read from receipts, these begin at zero with the process. Add them up over all workers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.registry import Collector

from pinflow.steps.observer import Observer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import Metric

    from pinflow.steps.plan import Plan, Receipt

__all__ = ["StepMetrics"]

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""From a step of a few records on a fast disk to one that waits for a remote lake."""


class StepMetrics(Observer, Collector):
    """Counts the steps of a process by job."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._registry = registry
        self._seconds = Histogram(
            "pinflow_step_seconds",
            "Seconds from taking a step up to its commit",
            ["job"],
            buckets=SECONDS,
            registry=registry,
        )
        self._records = Counter(
            "pinflow_step_records",
            "Records covered by the steps that this process has committed",
            ["job"],
            registry=registry,
        )
        self._retries = Counter(
            "pinflow_step_retries",
            "Steps that have failed and were tried again",
            ["job"],
            registry=registry,
        )
        self._failures = Counter(
            "pinflow_step_failures",
            "Steps that have failed so that their job was set aside",
            ["job"],
            registry=registry,
        )
        self._fenced = Counter(
            "pinflow_step_fenced",
            "Steps that another worker's plan has ended",
            ["job"],
            registry=registry,
        )

    def collect(self) -> Iterable[Metric]:
        """The counters, for the registry."""
        return self._registry.collect()

    def committed(self, plan: Plan, receipt: Receipt, seconds: float) -> None:  # noqa: ARG002
        """See `Observer.committed`."""
        self._seconds.labels(plan.job).observe(seconds)
        self._records.labels(plan.job).inc(plan.records)

    def retried(self, job: str, error: Exception, pause: float) -> None:  # noqa: ARG002
        """See `Observer.retried`."""
        self._retries.labels(job).inc()

    def failed(self, job: str, error: Exception) -> None:  # noqa: ARG002
        """See `Observer.failed`."""
        self._failures.labels(job).inc()

    def fenced(self, job: str, error: Exception) -> None:  # noqa: ARG002
        """See `Observer.fenced`."""
        self._fenced.labels(job).inc()
