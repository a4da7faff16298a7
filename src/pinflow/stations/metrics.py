"""The metrics of all stations at one address, each sample with the name of its station."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import urllib3
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from urllib3.exceptions import HTTPError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["StationMetrics"]

TIMEOUT_S = 5.0
"""For the answers of the stations, which are asked at once: Prometheus gives a scrape ten seconds by default."""

_log = logging.getLogger(__name__)


class StationMetrics(Collector):
    """Asks every station for its metrics when it is asked itself.

    Args:
        addresses: Called for the station's name → the address of its metrics, of those that have one now.
    """

    def __init__(self, addresses: Callable[[], Mapping[str, str]]) -> None:
        self._addresses = addresses
        self._http = urllib3.PoolManager(retries=False, timeout=TIMEOUT_S)

    def collect(self) -> Iterator[Metric]:
        """The families of all stations, for the registry; a station that does not answer is down, and left out."""
        up = GaugeMetricFamily("pinflow_station_up", "1 if the station has answered", labels=["station"])
        families: dict[str, Metric] = {}
        addresses = self._addresses()
        with ThreadPoolExecutor(max(1, len(addresses)), thread_name_prefix="metrics") as pool:
            texts = pool.map(self._ask, addresses, addresses.values())
        for station, text in zip(addresses, texts, strict=True):
            up.add_metric([station], float(text is not None))
            for family in text_string_to_metric_families(text or ""):
                if not family.name.startswith("pinflow_"):
                    continue  # of the process, not of the pipeline
                merged = families.setdefault(
                    family.name, Metric(family.name, family.documentation, family.type)
                )
                merged.samples += [
                    sample._replace(labels={"station": station, **sample.labels}) for sample in family.samples
                ]
        yield up
        yield from families.values()

    def _ask(self, station: str, address: str) -> str | None:
        try:
            answer = self._http.request("GET", address)
        except HTTPError as error:
            _log.debug("metrics of %s: %s", station, error)
            return None
        return answer.data.decode() if answer.status == 200 else None
