"""Counters of jobs for Prometheus, read from receipts at each request.

They count from the beginning of a job's table, whichever worker took the steps: two workers show the same numbers, and
a restart does not reset them. A replay may lower them, which Prometheus treats as a restart.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from pinflow.errors import PinflowError, UnavailableError
from pinflow.jobs.pipelines import side_pipelines
from pinflow.lake.landing.zone import Landing
from pinflow.steps.failure_reports import failing_jobs
from pinflow.steps.ledger import jobs_with_plans
from pinflow.steps.standing import read_standing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prometheus_client import Metric

    from pinflow.jobs.pipelines import Side
    from pinflow.lake.store.objects import Store
    from pinflow.lake.tables.protocol import Snapshot, Tables
    from pinflow.steps.plan import Tally

__all__ = ["LandMetrics", "SideMetrics", "serve_metrics"]

ADDRESS = "127.0.0.1"
"""Metrics are served to this machine only, since no key protects them."""

_log = logging.getLogger(__name__)


class _Receipts(Collector):
    """The families of `_families`, the failing jobs of a kind, and whether all receipts could be read.

    Each call reads afresh. What cannot be read is left out: a table that another program has changed hides no other.
    """

    def __init__(self, store: Store, kind: str) -> None:
        self._store = store
        self._kind = kind
        self._readable = True

    def collect(self) -> Iterator[Metric]:
        """The counters, for the registry. Called from the server's threads."""
        families: list[Metric] = []
        self._readable = True
        with self._skip_unreadable():
            families = [self._failing_gauge(), *self._families()]
        yield GaugeMetricFamily(
            "pinflow_receipts_readable", "1 if all that is counted could be read now", float(self._readable)
        )
        yield from families

    @contextmanager
    def _skip_unreadable(self) -> Iterator[None]:
        try:
            yield
        except PinflowError as error:
            self._readable = False
            _log.warning("metrics cannot be read: %s", error.what)

    def _failing_gauge(self) -> Metric:
        gauge = GaugeMetricFamily(
            "pinflow_job_failing", "1 for each job that fails now", labels=["job", "state"]
        )
        for each in chain.from_iterable(failing_jobs(self._store).values()):
            if each.job.partition("/")[0] == self._kind:
                gauge.add_metric([each.job, each.state], 1)
        return gauge

    @abstractmethod
    def _families(self) -> list[Metric]:
        """The counters of the kind, read afresh."""

    def _sum(self, job: str, table: Snapshot) -> Tally:
        return read_standing(self._store, job, table).total


class LandMetrics(_Receipts):
    """Landed records, over all topics."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, "land")

    def _families(self) -> list[Metric]:
        manifest = Landing(self._store).manifest.snapshot()
        topics = jobs_with_plans(self._store, "land")
        landed = sum(self._sum(f"land/{topic}", manifest).records for topic in topics)
        return [CounterMetricFamily("pinflow_records_landed", "Records in the landing zone", landed)]


class SideMetrics(_Receipts):
    """Clean and rejected records of a side by dataset, and cells made NULL by field."""

    def __init__(self, tables: Tables, side: Side, user_id: str) -> None:
        super().__init__(tables.store, side)
        self._tables = tables
        self._side: Side = side
        self._user_id = user_id

    def _families(self) -> list[Metric]:
        names = ["side", "dataset"]
        records = CounterMetricFamily("pinflow_records", "Records cleaned or rejected", labels=names)
        rejected = CounterMetricFamily(
            "pinflow_records_quarantined", "Records in quarantine now", labels=names
        )
        cells = CounterMetricFamily(
            "pinflow_cells_nulled",
            "Cells that had a text and became NULL by a rule",
            labels=[*names, "field"],
        )
        for pipeline in side_pipelines(self._side, self._user_id):
            labels = [pipeline.side, pipeline.dataset.name]
            with self._skip_unreadable():
                tally = self._sum(pipeline.job, pipeline.open_table(self._tables).snapshot())
                records.add_metric(labels, tally.records)
                rejected.add_metric(labels, tally.rejected)
                for field, count in sorted(tally.cells.items()):
                    cells.add_metric([*labels, field], count)
        return [records, rejected, cells]


@contextmanager
def serve_metrics(collectors: Iterable[Collector], port: int) -> Iterator[str]:
    """Serve metrics on a port of this machine, 0 for a free one, while the context lasts; yields the address.

    Raises:
        UnavailableError: The port cannot be opened.
    """
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    try:
        server, thread = start_http_server(port, ADDRESS, registry)
    except OSError as error:
        raise UnavailableError(
            f"metrics cannot be served: {error.strerror or error}",
            where=f"{ADDRESS}:{port}",
            hint="choose another --metrics-port, or 0 for a free one",
        ) from error
    try:
        yield f"http://{ADDRESS}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
