"""Log to tables and answers: each job's records a second, beside DuckDB doing the least that has to be done.

- `floor`: DuckDB reads the same texts from Arrow, takes the fields out and writes them to a Delta table in one commit:
  no plan, no rules, no quarantine, no receipts.

    python -m benchmarks.pipeline [--posts 200000]
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from arro3.core import Array, DataType, Table
from deltalake import write_deltalake

from pinflow import source
from pinflow.ask.ask import ask
from pinflow.config import load
from pinflow.datasets import dataset
from pinflow.jobs.clean.clean import clean_jobs
from pinflow.jobs.land.land import land_jobs
from pinflow.jobs.pipelines import pipelines
from pinflow.jobs.reports.audit import audit
from pinflow.jobs.runtime import Runtime
from pinflow.log import ProduceBatch, Records, partition_for
from pinflow.steps.worker import run

if TYPE_CHECKING:
    from collections.abc import Callable

RECORDS_AN_APPEND = 2_000
FLOOR_RECORDS = 200_000


def fill(runtime: Runtime, posts: int) -> float:
    """Append every post of a synthetic source to all six topics; seconds spent in the log."""
    url = runtime.config.source.url
    source.create(url, posts)
    seconds = 0.0
    partitions = runtime.config.log.partitions
    for pipeline in pipelines(runtime.config.id):
        runtime.log.topics.create(pipeline.topic, partitions)
    with source.open_posts(url) as held:
        numbers = list(held.numbers())
        for start in range(0, len(numbers), RECORDS_AN_APPEND):
            block = held.fetch(numbers[start : start + RECORDS_AN_APPEND])
            for pipeline in pipelines(runtime.config.id):
                by_partition: dict[int, list[bytes | None]] = {}
                for post in block:
                    chosen = partition_for(b"%d" % post.number, partitions)
                    by_partition.setdefault(chosen, []).append(getattr(post, pipeline.dataset.name))
                batches = [
                    ProduceBatch(pipeline.topic, p, Records(values)) for p, values in by_partition.items()
                ]
                began = time.perf_counter()
                runtime.log.append(batches)
                seconds += time.perf_counter() - began
    return seconds


def timed(runtime: Runtime, jobs: Callable[[], Any], threads: int) -> tuple[int, float]:
    began = time.perf_counter()
    records = run(runtime.store, jobs, stop=threading.Event(), poll_seconds=0, drain=True, threads=threads)
    return records, time.perf_counter() - began


def floor(runtime: Runtime, folder: Path) -> float:
    """Records a second of the least that has to be done, over pin, geo and user alike."""
    records, seconds = 0, 0.0
    db = duckdb.connect(config={"threads": runtime.config.engine.threads, "preserve_insertion_order": False})
    for name in ("pin", "geo", "user"):
        topic = next(
            pipeline.topic for pipeline in pipelines(runtime.config.id) if pipeline.dataset.name == name
        )
        chunk = runtime.log.read(topic, 0, None, max_records=FLOOR_RECORDS, max_bytes=1 << 30)
        fields = dataset(name).raw
        began = time.perf_counter()
        texts = Array(
            [value.decode() for value in chunk.records.values if value is not None], type=DataType.string()
        )
        db.register("texts", Table.from_arrays([texts], names=["t"]))
        columns = ", ".join(f'j[{n}] AS "{field}"' for n, field in enumerate(fields, 1))
        paths = [f"$.{field}" for field in fields]
        sql = f"SELECT {columns} FROM (SELECT json_extract_string(t, {paths}) AS j FROM texts)"
        write_deltalake(str(folder / name), db.sql(sql))
        seconds += time.perf_counter() - began
        records += len(chunk)
    return records / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--posts", type=int, default=200_000)
    posts = parser.parse_args().posts
    with tempfile.TemporaryDirectory() as folder, Runtime(load(Path(folder) / "home", env={})) as runtime:
        seconds = fill(runtime, posts)
        print(f"{'log append':28} {posts * 6 / seconds:>12,.0f} records/s")
        least = floor(runtime, Path(folder) / "floor")
        print(f"{'floor':28} {least:>12,.0f} records/s")
        stream, batch = clean_jobs(runtime, "stream"), clean_jobs(runtime, "batch")
        stages: tuple[tuple[str, Callable[[], Any]], ...] = (
            ("log -> landing zone", lambda: land_jobs(runtime, drain=True)),
            ("log -> stream tables", lambda: stream),
            ("landing -> batch tables", lambda: batch),
        )
        for name, jobs in stages:
            records, seconds = timed(runtime, jobs, 1 if "zone" in name else runtime.config.engine.threads)
            rate = records / seconds
            print(f"{name:28} {rate:>12,.0f} records/s   {rate / least:5.2f} of the floor")
        for name, work in (
            ("ten questions", lambda: ask(runtime, "batch")),
            ("audit", lambda: audit(runtime)),
            ("audit --deep", lambda: audit(runtime, deep=True)),
        ):
            began = time.perf_counter()
            work()
            print(f"{name:28} {time.perf_counter() - began:>12.2f} s")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{'peak memory of the process':28} {peak:>12,.0f} MiB, {posts * 6:,} records")


if __name__ == "__main__":
    main()
