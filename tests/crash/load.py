"""A client that remembers exactly what was acknowledged, and what of it must be found where at the end."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import urllib3

from pinflow.jobs.pipelines import pipelines
from pinflow.jobs.reports.audit import audit
from tests.pipeline import ID, drain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pinflow.jobs.runtime import Runtime

RECORDS_A_REQUEST = 5
ODD_EVERY = 4
"""One record in this many is of an odd sort: it cannot be a row, or is one only by a rule that is seldom needed."""

ODD = (
    b"[%d]",
    b'{"soak":%d}',
    b'{"index":%d,"index":1,"ind":2,"ind":3,"soak":1}',
    b'{"index":"%d.0","ind":"%d.0","soak":1}',
    b'{\n  "index": %d,\r\n  "ind": %d,\n  "soak": [1.50, 1e3]\n}',
    b'{"index":%d.5e1,"ind":%d.5e1,"age":2.5e1,"soak":1}',
    b'{"index":%d,"ind":%d,"follower_count":"1\xc4\xb0","age":"1\xc4\xb0","first_name":"\xc4\xb0\\u0000","soak":1}',
    b'{"index":%d,"ind":%d,"timestamp":"2020-02-30T25:61:61","date_joined":"9999-12-31T23:59:59-18:00","soak":1}',
    b'{"index":%d,"ind":%d,"latitude":1e400,"longitude":-0,"age":99999999999999999999999999,"soak":1}',
    b'{"index":%d,"ind":%d,"title":{"a":[[[[1]]]]},"country":["x"],"soak":1}',
    b'{"index":-%d,"ind":1e99%d,"soak":1}',
    b"null",
)
"""With the post's number for each `%d`."""

REFUSED_S = 0.02
"""A pause after a refusal, so that a log that is away is not asked all the time."""

Place = tuple[str, int, int]
"""Topic, partition, offset."""


class Client:
    """Posts records of both dialects from threads until stopped; keeps what was acknowledged, byte for byte."""

    def __init__(self, url: Callable[[], str | None], threads: int = 3) -> None:
        self.acknowledged: dict[Place, bytes | None] = {}
        self.doubled: list[Place] = []
        self._url = url
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._next = 0
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(threads)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, seed: int) -> None:
        with urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=2, read=10)) as http:
            turn = seed
            while not self._stop.is_set():
                url = self._url()
                turn += 1
                try:
                    if url is not None:
                        self._post(http, url, turn)
                except urllib3.exceptions.HTTPError:
                    time.sleep(0.01)  # the gateway is down: that is what the test does
                if url is None:
                    time.sleep(0.01)

    def _values(self) -> list[bytes]:
        with self._lock:
            first = self._next
            self._next += RECORDS_A_REQUEST
        return [_value(number) for number in range(first, first + RECORDS_A_REQUEST)]

    def _post(self, http: urllib3.PoolManager, url: str, turn: int) -> None:
        name = ("pin", "geo", "user")[turn % 3]
        values = self._values()
        if turn % 2:
            topic = f"{ID}.{name}"
            body = b'{"records":[' + b",".join(b'{"value":' + value + b"}" for value in values) + b"]}"
            answer = http.request("POST", f"{url}/topics/{topic}", body=body, headers=KAFKA)
            places = [_kafka_place(entry) for entry in answer.json().get("offsets", [])]
            kept = [None if value == b"null" else value for value in values]
        else:
            topic = f"streaming-{ID}-{name}"
            entries = b",".join(b'{"data":' + v + b',"partition-key":"%d"}' % n for n, v in enumerate(values))
            answer = http.request(
                "PUT", f"{url}/streams/{topic}/records", body=b'{"records":[' + entries + b"]}", headers=JSON
            )
            places = [_kinesis_place(entry) for entry in answer.json().get("Records", [])]
            kept = [*values]
        if answer.status == 200:
            self._keep(topic, kept, places)
        else:
            time.sleep(REFUSED_S)

    def _keep(self, topic: str, values: list[bytes | None], places: list[tuple[int, int] | None]) -> None:
        with self._lock:
            for value, at in zip(values, places, strict=True):
                if at is None:
                    continue  # refused alone; with a log that others run it may be there all the same
                place = (topic, *at)
                if place in self.acknowledged:
                    self.doubled.append(place)
                self.acknowledged[place] = value


OURS = re.compile(rb'\[\d+\]|null|\{"index": \d+, "ind": \d+\}|.*"soak".*', re.DOTALL)
"""What `Client` posts."""


def _value(number: int) -> bytes:
    if number % ODD_EVERY:
        return json.dumps({"index": number, "ind": number}).encode()
    odd = ODD[number // ODD_EVERY % len(ODD)]
    return odd.replace(b"%d", b"%d" % number)


def of_others(runtime: Runtime) -> int:
    """How many landed records no `Client` has posted."""
    return sum(
        OURS.fullmatch(value if value is not None else b"null") is None
        for topic in runtime.log.topics.list()
        for each in runtime.landing.objects(topic)
        for value in runtime.landing.read(each).records.values
    )


def address_in(ready: Path) -> str | None:
    """The gateway's address, while its ready file is there: it comes and goes with the gateway."""
    try:
        return ready.read_text() or None
    except FileNotFoundError:
        return None


KAFKA = {"Content-Type": "application/vnd.kafka.json.v2+json"}
JSON = {"Content-Type": "application/json"}


def _kafka_place(entry: dict[str, Any]) -> tuple[int, int] | None:
    return (entry["partition"], entry["offset"]) if entry["error_code"] is None else None


def _kinesis_place(entry: dict[str, Any]) -> tuple[int, int] | None:
    if "SequenceNumber" not in entry:
        return None
    return int(entry["ShardId"].removeprefix("shardId-")), int(entry["SequenceNumber"])


def verify(runtime: Runtime, acknowledged: Mapping[Place, bytes | None]) -> int:
    """Drain the pipeline, then look for what was acknowledged: once in the landing zone, once in table or quarantine.

    Returns the number of records that were found, acknowledged or not.
    """
    drain(runtime)
    in_landing: Counter[Place] = Counter()
    landed_bytes: dict[Place, bytes | None] = {}
    for topic in runtime.log.topics.list():
        for each in runtime.landing.objects(topic):
            chunk = runtime.landing.read(each)
            for offset, value in zip(chunk.offsets, chunk.records.values, strict=True):
                place = (topic, chunk.partition, offset)
                in_landing[place] += 1
                landed_bytes[place] = value
    in_tables: Counter[Place] = Counter()
    for pipeline in pipelines(ID):
        for table in (pipeline.open_table(runtime.tables), pipeline.open_quarantine(runtime.tables)):
            for row in table.snapshot().select('SELECT _partition, "_offset" AS place FROM this'):
                in_tables[pipeline.topic, row["_partition"], row["place"]] += 1
    assert [place for place, value in acknowledged.items() if landed_bytes.get(place, b"") != value] == []
    assert [place for place, count in in_landing.items() if count != 1] == []
    assert in_tables == in_landing
    for deep in (False, True):
        found = audit(runtime, deep=deep)
        assert found.problems == []
        assert sum(line.accepted for line in found.lines) == len(in_landing)
        assert sum(line.waiting for line in found.lines) == 0
    return len(in_landing)
