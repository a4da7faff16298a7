"""Acknowledged to answered: how long after the gateway's answer a query of the stream table counts the record.

Real processes: a gateway, a stream station, a client that posts at a rate, and one that asks again and again.

    python -m benchmarks.latency [--rate 1000] [--seconds 20]
"""

from __future__ import annotations

import argparse
import bisect
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import urllib3

from pinflow.config import load
from pinflow.engine import View
from pinflow.jobs.pipelines import pipelines
from pinflow.jobs.runtime import Runtime

POSTS_A_REQUEST = 20
HEADERS = {"Content-Type": "application/json"}


class Poster(threading.Thread):
    """Posts pins, geos and users at a rate; remembers when how many users were acknowledged."""

    def __init__(self, url: str, user_id: str, rate: float, seconds: float) -> None:
        super().__init__()
        self._url, self._id, self._rate, self._seconds = url, user_id, rate, seconds
        self.acknowledged: list[tuple[float, int]] = []

    def run(self) -> None:
        posts, began = 0, time.perf_counter()
        with urllib3.PoolManager(retries=False) as http:
            while (now := time.perf_counter() - began) < self._seconds:
                if posts > now * self._rate:
                    time.sleep(0.001)
                    continue
                for name in ("pin", "geo", "user"):
                    records = [
                        {
                            "data": {"index": n, "ind": n, "first_name": "A", "age": 30},
                            "partition-key": str(n),
                        }
                        for n in range(posts, posts + POSTS_A_REQUEST)
                    ]
                    answer = http.request(
                        "PUT",
                        f"{self._url}/streams/streaming-{self._id}-{name}/records",
                        body=json.dumps({"records": records}).encode(),
                        headers=HEADERS,
                    )
                    assert answer.status == 200, answer.data
                posts += POSTS_A_REQUEST
                self.acknowledged.append((time.perf_counter(), posts))


def watch(runtime: Runtime, poster: Poster) -> list[tuple[float, int]]:
    """Ask how many users there are until all that were acknowledged are; when each answer came."""
    pipeline = next(
        each for each in pipelines(runtime.config.id) if each.side == "stream" and each.dataset.name == "user"
    )
    seen: list[tuple[float, int]] = []
    while poster.is_alive() or not seen or seen[-1][1] < poster.acknowledged[-1][1]:
        table = pipeline.open_table(runtime.tables)
        session = runtime.engine.session([View(pipeline.table, table.files(), {"ind": "int"})])
        (row,) = session.ask(f'SELECT count(*) AS users FROM "{pipeline.table}"', where="latency").rows
        session.close()
        seen.append((time.perf_counter(), int(str(row[0]))))
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=1_000)
    parser.add_argument("--seconds", type=float, default=20)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        ready = home / "url"
        command = [sys.executable, "-m", "pinflow"]
        stations = [
            subprocess.Popen([*command, "gateway", "--port", "0", "--ready-file", ready, "--home", home]),
            subprocess.Popen([*command, "stream", "--home", home]),
        ]
        try:
            while not ready.exists():
                assert stations[0].poll() is None, "the gateway has ended"
                time.sleep(0.05)
            settings = load(home, env={})
            poster = Poster(ready.read_text(), settings.config.id, given.rate, given.seconds)
            with Runtime(settings) as runtime:
                poster.start()
                while not poster.acknowledged:
                    time.sleep(0.01)
                seen = watch(runtime, poster)
            poster.join()
        finally:
            for station in stations:
                station.terminate()
                station.wait()
        counts = [count for _, count in seen]
        waits = sorted(
            seen[bisect.bisect_left(counts, count)][0] - when for when, count in poster.acknowledged
        )
        posts = poster.acknowledged[-1][1]
        print(f"{posts:,} posts at {posts / given.seconds:,.0f}/s, {len(seen)} answers")
        print(
            f"acknowledged → answered: p50 {statistics.median(waits):.2f} s,"
            f" p99 {waits[int(len(waits) * 0.99)]:.2f} s, longest {waits[-1]:.2f} s"
        )


if __name__ == "__main__":
    main()
