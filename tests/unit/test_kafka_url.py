"""What the URL of a Kafka log says, and what it refuses."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from pinflow.config import mask
from pinflow.errors import ConfigError, CorruptError, MissingExtraError
from pinflow.log import open_log
from pinflow.log.kafka.positions import KafkaPosition
from pinflow.log.kafka.url import parse_url

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_brokers_alone_are_spoken_to_in_plain_text() -> None:
    said = parse_url("kafka://one:9092,two:9092")
    assert said.client == {
        "bootstrap.servers": "one:9092,two:9092",
        "security.protocol": "plaintext",
        "compression.type": "lz4",
    }
    assert (said.replication, said.group, said.patterns, said.topic) == (-1, "pinflow", (), {})


def test_credentials_mean_scram_over_tls() -> None:
    said = parse_url("kafka://me:p%40ss%2Fword@one:9096?ca=/etc/ca.pem")
    assert said.client["security.protocol"] == "sasl_ssl"
    assert said.client["sasl.mechanisms"] == "SCRAM-SHA-512"
    assert (said.client["sasl.username"], said.client["sasl.password"]) == ("me", "p@ss/word")
    assert said.client["ssl.ca.location"] == "/etc/ca.pem"


def test_iam_takes_the_region_from_the_brokers_name_or_the_option() -> None:
    broker = "b-1.mine.abc.c2.kafka.eu-west-1.amazonaws.com:9098"
    assert parse_url(f"kafka://{broker}?mechanism=AWS_MSK_IAM").region == "eu-west-1"
    said = parse_url("kafka://own.name:9098?mechanism=AWS_MSK_IAM&region=us-east-2")
    assert said.region == "us-east-2"
    assert said.client["sasl.mechanisms"] == "OAUTHBEARER"
    assert said.client["security.protocol"] == "sasl_ssl"


def test_options_reach_clients_and_created_topics() -> None:
    said = parse_url(
        "kafka://one:9092?client.linger.ms=7&topic.min.insync.replicas=2&replication=3&group=g&topics=a.*,b&compression=zstd"
    )
    assert said.client["linger.ms"] == "7"
    assert said.client["compression.type"] == "zstd"
    assert said.topic == {"min.insync.replicas": "2"}
    assert (said.replication, said.group, said.patterns) == (3, "g", ("a.*", "b"))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("kafka://", "named by its brokers"),
        ("kafka://one:9092/topic", "named by its brokers"),
        ("kafka://one:9092?replicas=3", "did you mean replication?"),
        ("kafka://one:9092?security=tls", "use one of: plaintext"),
        ("kafka://one:9092?compression=brotli", "use one of: lz4"),
        ("kafka://one:9092?security=sasl_ssl", "needs credentials"),
        ("kafka://me:secret@one:9092?security=ssl", "has no credentials"),
        ("kafka://me@one:9092", "needs a user and a password"),
        ("kafka://one:9092?mechanism=AWS_MSK_IAM", "region=eu-west-1"),
        ("kafka://one:9092?mechanism=GSSAPI", "use one of: SCRAM-SHA-512"),
        ("kafka://one:9092?replication=many", "use a whole number"),
        ("kafka://one:9092?group=a b", "use letters, digits, '.', '_', '-'"),
        ("kafka://one:9092?client.acks=1", "pinflow sets acks itself"),
        ("kafka://one:9092?client.linger=5", 'No such configuration property: "linger"'),
        ("kafka://one:9092?client.linger.ms=soon", "linger.ms"),
        ("kafka://me:secret@one:9092?ca=/nowhere.pem", "/nowhere.pem"),
    ],
)
def test_what_does_not_fit_is_told(url: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_log(url)
    assert told in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_password_is_never_shown() -> None:
    url = "kafka://me:secret@one:9092,two:9092?client.sasl.oauthbearer.client.secret=secret&client.ssl.key.password=secret"
    assert "secret@" not in mask(url)
    assert "=secret" not in mask(url)
    for odd in ("a;secret", "my secret"):
        hidden = mask(f"kafka://one:9092?client.ssl.key.password={odd}&gaps=skip")
        assert hidden.endswith("=***&gaps=skip")
    assert "two:9092" in mask(url)
    assert parse_url(url).shown == mask(url)
    with pytest.raises(ConfigError) as caught:
        parse_url("kafka://me:sec@ret@one:9092")
    assert "sec" not in str(caught.value).replace("%", "")


@pytest.mark.parametrize("text", ["17", "17@abc/+x", "17-3@abc", "0"])
def test_a_position_is_the_text_it_was_read_from(text: str) -> None:
    assert str(KafkaPosition.parse(text)) == text


def test_a_position_counts_the_offsets_that_held_nothing() -> None:
    start = KafkaPosition.parse("100-40@id")
    assert str(start.after(last=109, records=8)) == "110-42@id"
    assert str(start.after(last=109, records=10)) == "110-40@id"
    for text in ("", "-1", "one", "1@", "1--2", "1 @x"):
        with pytest.raises(CorruptError):
            KafkaPosition.parse(text)


@pytest.fixture
def without_library(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [*sys.modules]:
        if name.startswith("pinflow.log.kafka.log"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    yield
    for name in [*sys.modules]:
        if name.startswith("pinflow.log.kafka.log"):
            del sys.modules[name]


def test_without_its_extra_the_pip_line_is_named(without_library: None) -> None:
    with pytest.raises(MissingExtraError, match="pip install 'pinflow\\[kafka\\]'"):
        open_log("kafka://one:9092")
