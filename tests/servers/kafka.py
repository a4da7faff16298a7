"""Real Kafka brokers, from the jars that `make system` brings: `python -m tests.servers.kafka` runs one by hand.

Every broker is a controller too (KRaft), on free ports of the loopback with a folder of its own. It can be killed and
started again at the same ports with the same data.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.certificates import certificates
from tests.servers.ports import free_port, wait_until
from tests.servers.quick import skip_in_quick_loop

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from confluent_kafka.admin._metadata import PartitionMetadata

__all__ = ["PASSWORD", "Broker", "Cluster", "archive_classes", "brokers", "required_libs"]

LIBS = Path(__file__).parents[2] / "build" / "kafka" / "libs"

CLASSES = LIBS.parent / "classes.jsa"
"""What a broker has loaded, as an archive that the next one maps: a start takes a third less CPU."""

PASSWORD = "not-a-secret"
"""Of the users `scram` and `plain`, who may do nothing until they are allowed to."""

JVM = [
    "-Xmx256m",
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-Xshare:auto",
    "-XX:-UsePerfData",
]
"""A small heap, and a quick start rather than a fast run."""

SETTINGS = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,OAUTH:SASL_PLAINTEXT",
    "offsets.topic.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    # A broker that is gone is noticed in two seconds instead of nine.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "300",
    # Leaders move back, with all replicas in sync, to the brokers that had them at first.
    "leader.imbalance.check.interval.seconds": "1",
    "leader.imbalance.per.broker.percentage": "0",
    # Clients that would make topics behind our back could: that they do not is tested.
    "auto.create.topics.enable": "true",
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",
    "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
    "listener.name.sasl_ssl.plain.sasl.jaas.config": (
        f'org.apache.kafka.common.security.plain.PlainLoginModule required user_plain="{PASSWORD}";'
    ),
    "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": (
        "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    ),
    "listener.name.oauth.sasl.enabled.mechanisms": "OAUTHBEARER",
    "listener.name.oauth.oauthbearer.sasl.jaas.config": (
        "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;"
    ),
    "ssl.keystore.type": "PEM",
}


class _Ports(NamedTuple):
    plain: int
    controller: int
    sasl_ssl: int
    oauth: int


class Broker:
    """One broker: a process, its ports and its data."""

    def __init__(self, number: int, folder: Path) -> None:
        self.number = number
        self.ports = _Ports(*[free_port() for _ in _Ports._fields])
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def format(self, cluster_id: str, settings: dict[str, str]) -> None:
        """Write its settings and make its data folder."""
        self._folder.mkdir()
        lines = [f"{name}={value}" for name, value in (settings | self._own()).items()]
        (self._folder / "server.properties").write_text("\n".join(lines))
        scram = f"SCRAM-SHA-512=[name=scram,password={PASSWORD}]"
        done = self._java(
            "kafka.tools.StorageTool", "format", "-t", cluster_id, "-S", scram, "-c", self._file
        )
        output = done.communicate()[0]
        assert done.returncode == 0, output.decode()

    def start(self, *java: str) -> None:
        self._process = self._java("kafka.Kafka", self._file, java=java, log=self._folder / "broker.log")

    def stop(self) -> None:
        """As an administrator would."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def kill(self) -> None:
        """As a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def join(self) -> None:
        """Wait until it ends."""
        if self._process is not None:
            self._process.wait()

    def talk(self) -> str:
        return (self._folder / "broker.log").read_text()

    @property
    def _file(self) -> str:
        return str(self._folder / "server.properties")

    def _own(self) -> dict[str, str]:
        plain, controller, sasl_ssl, oauth = self.ports
        advertised = ",".join(
            f"{name}://127.0.0.1:{port}"
            for name, port in (("PLAINTEXT", plain), ("SASL_SSL", sasl_ssl), ("OAUTH", oauth))
        )
        return {
            "node.id": str(self.number),
            "log.dirs": str(self._folder / "data"),
            "listeners": f"{advertised},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": advertised,
        }

    def _java(
        self, *command: str, java: Sequence[str] = (), log: Path | None = None
    ) -> subprocess.Popen[bytes]:
        mapped = [f"-XX:SharedArchiveFile={CLASSES}"] if CLASSES.exists() else []
        talk = log.open("ab") if log is not None else subprocess.PIPE
        try:
            return subprocess.Popen(
                ["java", *JVM, *(java or mapped), "-cp", f"{LIBS}/*", *command],
                stdout=talk,
                stderr=subprocess.STDOUT,
            )
        finally:
            if not isinstance(talk, int):
                talk.close()


class Cluster:
    """Brokers that form a cluster."""

    def __init__(self, folder: Path, count: int) -> None:
        self.brokers = [Broker(number, folder / f"broker-{number}") for number in range(1, count + 1)]
        tls = folder / "tls"
        tls.mkdir(parents=True)
        self.ca = certificates(tls).ca
        (tls / "store.pem").write_text((tls / "key.pem").read_text() + (tls / "cert.pem").read_text())
        voters = ",".join(f"{each.number}@127.0.0.1:{each.ports.controller}" for each in self.brokers)
        replicas = str(count)
        self._settings = SETTINGS | {
            "controller.quorum.voters": voters,
            "ssl.keystore.location": str(tls / "store.pem"),
            "default.replication.factor": replicas,
            "offsets.topic.replication.factor": replicas,
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "1",
            "min.insync.replicas": str(min(2, count)),
        }

    @property
    def servers(self) -> str:
        return ",".join(f"127.0.0.1:{each.ports.plain}" for each in self.brokers)

    @property
    def url(self) -> str:
        return f"kafka://{self.servers}"

    @cached_property
    def admin(self) -> AdminClient:
        """A client of its own. What it is asked is answered only while somebody holds it."""
        return AdminClient({"bootstrap.servers": self.servers, "log_level": 0})

    def start(self) -> None:
        cluster_id = uuid4().hex[:22]
        for each in self.brokers:
            each.format(cluster_id, self._settings)
        for each in self.brokers:
            each.start()
        self.wait()

    def wait(self) -> None:
        """Until every broker that runs is one of the cluster."""
        admin = self.admin
        wanted = {each.number for each in self.brokers if each.runs}
        wait_until(lambda: _members(admin) == wanted or not wanted, "the brokers are a cluster")

    def kill(self) -> None:
        for each in self.brokers:
            each.kill()

    def leader(self, topic: str, partition: int) -> Broker | None:
        """The broker that leads a partition now, None while there is none."""
        leader = self._partitions(topic)[partition].leader
        return self.brokers[leader - 1] if leader > 0 else None

    def in_sync(self, topic: str) -> set[int]:
        """The numbers of the brokers that are in sync for every partition."""
        return set.intersection(*[{*each.isrs} for each in self._partitions(topic).values()])

    def _partitions(self, topic: str) -> dict[int, PartitionMetadata]:
        return self.admin.list_topics(timeout=10).topics[topic].partitions


def _members(admin: AdminClient) -> set[int]:
    try:
        return {*admin.list_topics(timeout=2).brokers}
    except KafkaException:
        return set()


def required_libs() -> None:
    """Skip, or in CI fail, where there are no jars or no Java."""
    skip_in_quick_loop("Kafka broker")
    if LIBS.is_dir() and shutil.which("java"):
        return
    message = "there is no Kafka broker here; `make system` gets one"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@contextmanager
def brokers(count: int = 1) -> Iterator[Cluster]:
    """Run a cluster; it is killed and its data deleted at the end."""
    with tempfile.TemporaryDirectory(prefix="pinflow-kafka-") as folder:
        cluster = Cluster(Path(folder), count)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.kill()


def archive_classes() -> None:
    """Start a broker, and write what it has loaded to `CLASSES` when it ends, under another name until it is whole."""
    written = CLASSES.with_suffix(".part")
    with brokers() as cluster:
        cluster.kill()
        (broker,) = cluster.brokers
        broker.start(f"-XX:ArchiveClassesAtExit={written}", "-Xlog:disable")
        cluster.wait()
        broker.stop()
    written.replace(CLASSES)


def main() -> None:
    """Run one broker until Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGINT, lambda *_: sys.exit())  # a shell's background jobs begin with it ignored
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with brokers() as cluster:
        print(f"PINFLOW__LOG__URL={cluster.url}", flush=True)
        print("Ctrl-C ends it, and its records are gone", flush=True)
        cluster.brokers[0].join()


if __name__ == "__main__":
    main()
