"""Records into a log and out of it, embedded and on Kafka, beside confluent-kafka alone on the same broker.

    python -m benchmarks.logs [--records 200000]

Needs what `make test` needs for a broker: the jars below build/kafka, and Java.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, Producer, TopicPartition
from tests.servers.kafka import brokers

from pinflow.log import ProduceBatch, Records, open_log

if TYPE_CHECKING:
    from collections.abc import Callable

RECORDS_A_CALL = 20_000
RECORD_BYTES = 300
TURNS = 3
READ_BYTES = 32 << 20


def rate(records: int, work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return records / (time.perf_counter() - began)


def through_pinflow(url: str, topic: str, values: list[bytes | None], records: int) -> tuple[float, float]:
    """Records a second in and out, one thread, one partition."""
    log = open_log(url)
    log.topics.create(topic, 1)

    def append() -> None:
        for _ in range(records // len(values)):
            (became,) = log.append([ProduceBatch(topic, 0, Records(values))])
            assert not became.refused

    def read() -> None:
        position, seen = None, 0
        while seen < records:
            chunk = log.read(topic, 0, position, max_records=RECORDS_A_CALL, max_bytes=READ_BYTES)
            position, seen = chunk.end, seen + len(chunk)

    try:
        return rate(records, append), rate(records, read)
    finally:
        log.close()


def through_the_client(
    servers: str, topic: str, values: list[bytes | None], records: int
) -> tuple[float, float]:
    """The same by confluent-kafka, which takes and hands out single records."""
    producer = Producer(
        {"bootstrap.servers": servers, "enable.idempotence": True, "linger.ms": 5, "compression.type": "lz4"}
    )
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "peer", "enable.auto.commit": False})

    def append() -> None:
        for _ in range(records // len(values)):
            for value in values:
                while True:
                    try:
                        producer.produce(topic, value, partition=0)
                        break
                    except BufferError:
                        producer.poll(0.1)
            producer.flush()

    def read() -> None:
        consumer.assign([TopicPartition(topic, 0, 0)])
        seen = 0
        while seen < records:
            seen += sum(message.error() is None for message in consumer.consume(RECORDS_A_CALL, 1.0))

    try:
        return rate(records, append), rate(records, read)
    finally:
        consumer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--records", type=int, default=200_000)
    records = parser.parse_args().records // RECORDS_A_CALL * RECORDS_A_CALL
    values: list[bytes | None] = [os.urandom(RECORD_BYTES // 2).hex().encode() for _ in range(RECORDS_A_CALL)]
    rates: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder, brokers() as cluster:
        for turn in range(TURNS):
            topics = {"peer": f"peer-{turn}", "ours": f"ours-{turn}"}
            log = open_log(cluster.url)
            log.topics.create(topics["peer"], 1)
            log.close()
            found = {
                "confluent-kafka alone": through_the_client(cluster.servers, topics["peer"], values, records),
                "Kafka": through_pinflow(cluster.url, topics["ours"], values, records),
                "embedded": through_pinflow(f"sqlite:///{folder}/{turn}.db", topics["ours"], values, records),
            }
            for name, each in found.items():
                rates.setdefault(name, []).append(each)
    (peer_in, peer_out), *_ = medians = [
        tuple(statistics.median(each) for each in zip(*turns, strict=True)) for turns in rates.values()
    ]
    for name, (into, out) in zip(rates, medians, strict=True):
        print(
            f"{name:24} in {into:9,.0f}   out {out:9,.0f} records/s"
            f"   {into / peer_in:.2f} and {out / peer_out:.2f} of the client alone"
        )


if __name__ == "__main__":
    main()
