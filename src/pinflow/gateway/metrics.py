"""What the gateway counts. Labels hold a dialect or a status, never a name that a client chose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client import Metric

    from pinflow.gateway.pending import Pending

__all__ = ["Metrics"]

PREFIX = "pinflow_gateway"
DIALECTS = ("kafka", "kinesis")
COMMIT_RECORDS = (1, 10, 100, 1_000, 10_000, 100_000)
COMMIT_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0)


class Metrics(Collector):
    """Counters of one app, in a registry of their own, so that several apps live in one process.

    What is counted at every request is plain integers, touched on the event loop only, and collected when asked for.
    """

    def __init__(self, pending: Pending) -> None:
        self._requests: dict[tuple[str, int], int] = {}
        self._accepted = dict.fromkeys(DIALECTS, 0)
        self._refused = dict.fromkeys(DIALECTS, 0)
        self._bytes = dict.fromkeys(DIALECTS, 0)
        self.registry = own = CollectorRegistry()
        own.register(self)
        self._topics = Counter(f"{PREFIX}_topics_created", "Topics created", registry=own)
        self._failed = Counter(f"{PREFIX}_commits_failed", "Appends that failed", registry=own)
        self._records = Histogram(
            f"{PREFIX}_commit_records", "Records an append", buckets=COMMIT_RECORDS, registry=own
        )
        self._seconds = Histogram(
            f"{PREFIX}_commit_seconds", "Seconds an append", buckets=COMMIT_SECONDS, registry=own
        )
        held = Gauge(f"{PREFIX}_pending_bytes", "Bytes held by requests in progress", registry=own)
        held.set_function(lambda: pending.bytes)
        self._ended = Counter(
            f"{PREFIX}_connections_ended", "Connections ended by the gateway", ["why"], registry=own
        )

    def answered(self, dialect: str, status: int) -> None:
        """An answer was sent."""
        self._requests[dialect, status] = self._requests.get((dialect, status), 0) + 1

    def records_accepted(self, dialect: str, records: int, refused: int, size: int) -> None:
        """Records of one request are durable; `refused` others of it are not; its body had `size` bytes."""
        self._accepted[dialect] += records
        self._refused[dialect] += refused
        self._bytes[dialect] += size

    def committed(self, records: int, seconds: float) -> None:
        """One append returned."""
        self._records.observe(records)
        self._seconds.observe(seconds)

    def commit_failed(self) -> None:
        """One append raised, or did not return in time."""
        self._failed.inc()

    def watch_connections(self, count: Callable[[], int]) -> None:
        """Show how many connections there are."""
        gauge = Gauge(f"{PREFIX}_connections", "Connections that are open", registry=self.registry)
        gauge.set_function(count)

    def connection_ended(self, why: str) -> None:
        """A connection was ended by the gateway, for one of a few reasons."""
        self._ended.labels(why).inc()

    def topic_created(self) -> None:
        """A topic was created, by hand or on first use."""
        self._topics.inc()

    def collect(self) -> Iterator[Metric]:
        """The counts of requests and records, for the registry."""
        requests = CounterMetricFamily(f"{PREFIX}_requests", "Answers sent", labels=["dialect", "status"])
        for (dialect, status), count in self._requests.items():
            requests.add_metric([dialect, str(status)], count)
        yield requests
        for name, text, counts in (
            ("records_accepted", "Records made durable", self._accepted),
            ("records_refused", "Records refused in a request that was accepted", self._refused),
            ("body_bytes", "Bytes of accepted bodies, inflated", self._bytes),
        ):
            family = CounterMetricFamily(f"{PREFIX}_{name}", text, labels=["dialect"])
            for dialect, count in counts.items():
                family.add_metric([dialect], count)
            yield family

    def exposition(self) -> bytes:
        """Everything in the text format of Prometheus."""
        return generate_latest(self.registry)
