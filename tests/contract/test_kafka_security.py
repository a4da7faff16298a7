"""Who may enter a Kafka cluster, and what they are told who may not: on a real broker, with TLS, SASL and ACLs."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from pinflow.errors import PinflowError, TerminalError, UnavailableError
from pinflow.log import ProduceBatch, Records, open_log
from pinflow.log.kafka.clients import Clients
from pinflow.log.kafka.url import parse_url
from tests.servers.kafka import PASSWORD
from tests.servers.moto import CREDENTIALS
from tests.servers.ports import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinflow.findings import Finding
    from pinflow.log import EventLog
    from tests.servers.kafka import Cluster

PLENTY = {"max_records": 100, "max_bytes": 1 << 20}


@pytest.fixture
def topic(kafka: Cluster) -> Iterator[str]:
    name = f"posts-{uuid4().hex}"
    log = open_log(kafka.url)
    log.topics.create(name, 1)
    yield name
    log.close()


def tls_url(kafka: Cluster, user: str, password: str = PASSWORD, **options: str) -> str:
    port = kafka.brokers[0].ports.sasl_ssl
    said = "&".join(f"{name}={value}" for name, value in ({"ca": kafka.ca} | options).items())
    return f"kafka://{user}:{password}@127.0.0.1:{port}?{said}"


def allow(kafka: Cluster, user: str, topic: str, *operations: AclOperation) -> None:
    bindings = [
        AclBinding(
            ResourceType.TOPIC,
            topic,
            ResourcePatternType.LITERAL,
            f"User:{user}",
            "*",
            operation,
            AclPermissionType.ALLOW,
        )
        for operation in operations
    ]
    for done in kafka.admin.create_acls(bindings).values():
        done.result()


@pytest.mark.parametrize(("user", "mechanism"), [("scram", "SCRAM-SHA-512"), ("plain", "PLAIN")])
def test_a_user_with_a_password_enters_over_tls(
    kafka: Cluster, topic: str, user: str, mechanism: str
) -> None:
    allow(kafka, user, topic, AclOperation.READ, AclOperation.WRITE)
    log = open_log(tls_url(kafka, user, mechanism=mechanism))
    try:
        wait_until(lambda: topic in log.topics.list(), "the permission is known")
        log.append([ProduceBatch(topic, 0, Records([b"a"]))])
        chunk = log.read(topic, 0, None, **PLENTY)  # without any permission for a consumer group
        assert chunk.records.values == [b"a"]
        assert log.ranges(topic)[0].accepted == 1
    finally:
        log.close()


def test_a_wrong_password_is_told_without_showing_it(kafka: Cluster) -> None:
    log = open_log(tls_url(kafka, "scram", "wr0ng-word"))
    with pytest.raises(TerminalError, match=r"(?i)authentication") as caught:
        log.topics.list()
    assert "wr0ng-word" not in str(caught.value)
    assert "look at user, password" in caught.value.hint
    log.close()


def test_certificates_of_another_authority_are_told(kafka: Cluster) -> None:
    port = kafka.brokers[0].ports.sasl_ssl
    log = open_log(f"kafka://scram:{PASSWORD}@127.0.0.1:{port}")  # the system's authorities do not know it
    with pytest.raises(TerminalError, match="certificate"):
        log.topics.list()
    log.close()


def test_plain_text_where_tls_is_spoken_is_told(kafka: Cluster) -> None:
    log = open_log(f"kafka://127.0.0.1:{kafka.brokers[0].ports.sasl_ssl}")
    with pytest.raises(UnavailableError, match="security="):
        log.topics.list()
    log.close()


def test_a_missing_permission_is_told_and_one_that_is_given_is_used(kafka: Cluster, topic: str) -> None:
    allow(kafka, "scram", topic, AclOperation.DESCRIBE)
    log = open_log(tls_url(kafka, "scram", topics=topic))
    try:
        wait_until(lambda: topic in log.topics.list(), "the permission is known")
        (became,) = log.append([ProduceBatch(topic, 0, Records([b"a", b"b"]))])
        assert [type(error) for error in became.refused.values()] == [TerminalError] * 2
        assert "uthoriz" in became.refused[0].what
        assert "permissions" in became.refused[0].hint
        assert _lacking(log.check()) == ["Read", "Write"]
        allow(kafka, "scram", topic, AclOperation.WRITE)
        wait_until(lambda: not _refused(log, topic), "the permission is used")
        with pytest.raises(TerminalError, match="uthoriz"):
            log.read(topic, 0, None, **PLENTY)
        allow(kafka, "scram", topic, AclOperation.READ)
        wait_until(lambda: _reads(log, topic), "the permission is used")
        with pytest.raises(TerminalError, match="uthoriz"):
            log.topics.delete(topic)
        end = log.ranges(topic)[0].end
        with pytest.raises(TerminalError, match="uthoriz"):
            log.trim(topic, 0, [end], older_than_ms=1 << 50, keep_bytes=None)
        assert _lacking(log.check()) == []
    finally:
        log.close()


def _refused(log: EventLog, topic: str) -> bool:
    return bool(log.append([ProduceBatch(topic, 0, Records([b"a"]))])[0].refused)


def _reads(log: EventLog, topic: str) -> bool:
    try:
        return bool(len(log.read(topic, 0, None, **PLENTY)))
    except PinflowError:
        return False


def _lacking(findings: list[Finding]) -> list[str]:
    lacks = "this user lacks the permission "
    return [each.what.removeprefix(lacks).split()[0] for each in findings if each.broken]


def oauth_url(kafka: Cluster) -> str:
    return f"kafka://127.0.0.1:{kafka.brokers[0].ports.oauth}?security=sasl_plaintext"


def test_a_bearer_token_of_the_library_enters(kafka: Cluster, topic: str) -> None:
    allow(kafka, "bearer", topic, AclOperation.READ, AclOperation.WRITE)
    settings = (
        "client.enable.sasl.oauthbearer.unsecure.jwt=true&client.sasl.oauthbearer.config=principal%3Dbearer"
    )
    log = open_log(f"{oauth_url(kafka)}&mechanism=OAUTHBEARER&{settings}")
    try:
        wait_until(lambda: topic in log.topics.list(), "the permission is known")
        log.append([ProduceBatch(topic, 0, Records([b"a"]))])
        assert log.read(topic, 0, None, **PLENTY).records.values == [b"a"]
    finally:
        log.close()


def test_iam_credentials_of_this_process_sign_a_token_that_reaches_the_broker(
    kafka: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    url = f"{oauth_url(kafka)}&mechanism=AWS_MSK_IAM&region=eu-west-1"
    token, expires = Clients(parse_url(url))._iam_token("")
    signed = base64.urlsafe_b64decode(token + "==").decode()
    assert signed.startswith("https://kafka.eu-west-1.amazonaws.com/?Action=kafka-cluster%3AConnect")
    assert CREDENTIALS["AWS_ACCESS_KEY_ID"] in signed
    assert CREDENTIALS["AWS_SECRET_ACCESS_KEY"] not in signed
    assert expires > 0
    log = open_log(url)
    with pytest.raises(TerminalError, match=r"(?i)authentication|invalid_token"):  # only MSK could check it
        log.topics.list()
    log.close()


def test_without_credentials_iam_is_told(kafka: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", "/nowhere")
    for name in CREDENTIALS:
        if name.startswith("AWS_") and "METADATA" not in name:
            monkeypatch.delenv(name, raising=False)
    with pytest.raises(TerminalError, match=r"(?i)credentials"):
        open_log(f"{oauth_url(kafka)}&mechanism=AWS_MSK_IAM&region=eu-west-1")
