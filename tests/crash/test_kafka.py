"""Brokers killed and leaders moved, under load: every acknowledged record is there exactly once, and none twice."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]

from pinflow.config import load
from pinflow.errors import UnavailableError
from pinflow.jobs.runtime import Runtime
from pinflow.log import ProduceBatch, Records, open_log
from tests.crash.load import Client, address_in, verify
from tests.e2e.command import running, until
from tests.pipeline import ID
from tests.servers.kafka import brokers, required_libs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.command import Running
    from tests.servers.kafka import Broker, Cluster

TOPIC = f"{ID}.pin"

LONELY, HALVED = "lonely", "halved"
"""Topics that one broker alone keeps, and that two have to: the stations do not see them."""

MORE = 200
"""Records acknowledged after each blow, before the next."""

SETTINGS = """
[log]
url = "{url}?topics={topics}*&replication=3&topic.min.insync.replicas=2"
partitions = 2
[gateway]
port = 0
[land]
flush_records = 200
flush_seconds = 0.2
"""


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    required_libs()
    with brokers(3) as cluster:
        yield cluster


def test_killed_brokers_and_moved_leaders_lose_nothing_and_double_nothing(
    tmp_path: Path, cluster: Cluster
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "pinflow.toml").write_text(SETTINGS.format(url=cluster.url, topics=ID))
    ready = home / "run" / "test.url"
    client = Client(lambda: address_in(ready), threads=2)
    with ExitStack() as stack:
        stations = [
            stack.enter_context(running(*command, home=home))
            for command in (("gateway", "--ready-file", str(ready)), ("land",), ("stream",))
        ]
        client.start()
        try:
            until(lambda: len(client.acknowledged) > MORE)
            hit(cluster, client)
        finally:
            client.stop()
        assert [said(station) for station in stations if station.poll() is not None] == []
    assert client.doubled == [], "an offset was given out twice"
    with Runtime(load(home)) as runtime:
        verify(runtime, client.acknowledged)
        assert twice(runtime) == []
    told = looked_at(cluster)
    assert [broken for what, broken in told.items() if what.startswith("not all replicas are in sync")] == [
        False
    ]
    assert (
        told[f"fewer replicas are in sync than min.insync.replicas, so nothing is acknowledged ({HALVED})"]
        is True
    )
    assert told[f"some partitions have no leader and take nothing ({LONELY})"] is True


def looked_at(cluster: Cluster) -> dict[str, bool]:
    """What doctor is told of all topics, and whether it is broken."""
    log = open_log(cluster.url)
    found = {finding.what: finding.broken for finding in log.check()}
    log.close()
    return found


def said(station: Running) -> str:
    """The talk of a station that has ended, which none may."""
    return station.stdout.read() if station.stdout is not None else ""


def hit(cluster: Cluster, client: Client) -> None:
    """Kill the leader, bring it back until it leads again, kill another one that alone keeps a topic."""
    first = led(cluster)
    first.kill()
    acknowledged_more(client)
    assert led(cluster) is not first
    first.start()
    cluster.wait()
    until(lambda: cluster.in_sync(TOPIC) == {1, 2, 3})
    until(lambda: cluster.leader(TOPIC, 0) is first)
    acknowledged_more(client)
    third = next(each for each in cluster.brokers if each is not first)
    both = NewTopic(
        HALVED, 1, replica_assignment=[[first.number, third.number]], config={"min.insync.replicas": "2"}
    )
    alone = NewTopic(LONELY, 1, replica_assignment=[[third.number]])
    for made in cluster.admin.create_topics([both, alone]).values():
        made.result()
    third.kill()
    acknowledged_more(client)
    until(lambda: cluster.in_sync(HALVED) == {first.number})
    log = open_log(f"{cluster.url}?client.delivery.timeout.ms=1500&client.request.timeout.ms=1000")
    with pytest.raises(UnavailableError, match="not acknowledged"):
        log.append([ProduceBatch(HALVED, 0, Records([b"a"]))])
    log.close()


def led(cluster: Cluster) -> Broker:
    """The broker that leads, once there is one."""
    found: list[Broker] = []

    def look() -> bool:
        leader = cluster.leader(TOPIC, 0)
        if leader is not None and leader.runs:
            found.append(leader)
        return bool(found)

    until(look)
    return found[0]


def acknowledged_more(client: Client) -> None:
    before = len(client.acknowledged)
    until(lambda: len(client.acknowledged) > before + MORE)


def twice(runtime: Runtime) -> list[bytes | None]:
    """Values that landed more than once: the client sends each once, whether or not it had an answer.

    Tombstones are all alike, and left out.
    """
    landed: Counter[bytes | None] = Counter()
    for topic in runtime.log.topics.list():
        for each in runtime.landing.objects(topic):
            landed.update(runtime.landing.read(each).records.values)
    return [value for value, count in landed.items() if value is not None and count > 1]
