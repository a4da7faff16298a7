"""What a URL `kafka://user:password@host:9092,host2:9092?option=value` says.

Options:

- `security`: `plaintext`, `ssl`, `sasl_ssl` or `sasl_plaintext`. Without it: `sasl_ssl` where there are credentials,
  `plaintext` where there are none.
- `mechanism`: `SCRAM-SHA-512` (with credentials the default), `SCRAM-SHA-256`, `PLAIN`, `OAUTHBEARER`, `AWS_MSK_IAM`.
- `ca`: a PEM file with the authority of the brokers' certificates; without it the system's.
- `region`: the AWS region, for `AWS_MSK_IAM`; without it that of the first broker's name.
- `topics`: patterns such as `posts.*,streaming-*`; other topics of the cluster are as if they were not there.
- `replication`: how many replicas a topic gets that pinflow creates; without it the brokers' own default.
- `group`: what the names of the consumer groups begin with that show the lag; `pinflow` by default.
- `gaps`: `stop` (default) where records that were not read are no longer in the log, or `skip` them with a warning.
- `compression`: `lz4` (default), `zstd`, `snappy`, `gzip` or `none`.
- `topic.<name>`: a configuration of topics that pinflow creates, such as `topic.min.insync.replicas=2`.
- `client.<name>`: a configuration of librdkafka, such as `client.linger.ms=5`.
"""

from __future__ import annotations

import difflib
import re
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

from pinflow.config import masked, split_url
from pinflow.errors import ConfigError

__all__ = ["KafkaSettings", "parse_url"]

SECURITIES = ("plaintext", "ssl", "sasl_ssl", "sasl_plaintext")

WITH_PASSWORD = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")

MECHANISMS = (*WITH_PASSWORD, "OAUTHBEARER", "AWS_MSK_IAM")

COMPRESSIONS = ("lz4", "zstd", "snappy", "gzip", "none")

OPTIONS = ("security", "mechanism", "ca", "region", "topics", "replication", "group", "gaps", "compression")

OURS = frozenset(
    {
        "acks",
        "allow.auto.create.topics",
        "auto.offset.reset",
        "bootstrap.servers",
        "compression.type",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.idempotence",
        "enable.partition.eof",
        "group.id",
        "isolation.level",
        "metadata.broker.list",
        "request.required.acks",
        "sasl.mechanism",
        "sasl.mechanisms",
        "sasl.password",
        "sasl.username",
        "security.protocol",
        "transactional.id",
    }
)
"""What `client.` may not set: the promises of the log rest on them, or the URL says them in another way."""

MSK_REGION = re.compile(r"\.kafka(?:-serverless)?\.([a-z0-9-]+)\.amazonaws\.com")
"""The region in the name of a broker of Amazon MSK."""

GROUP_NAME = re.compile(r"[A-Za-z0-9._-]{1,200}", re.ASCII)

HINT = "docs/parts/kafka.md lists the options"


class KafkaSettings(NamedTuple):
    """What a URL says.

    Attributes:
        shown: The URL without its secrets, for messages.
        client: Configuration of every client, in librdkafka's names.
        region: The AWS region where the credentials are those of IAM, else empty.
        patterns: Patterns of the topics that are seen; empty for all.
        replication: Replicas of topics that are created; -1 for the brokers' default.
        group: What the names of consumer groups begin with.
        topic: Configuration of topics that are created.
    """

    shown: str
    client: dict[str, str]
    region: str
    patterns: tuple[str, ...]
    replication: int
    group: str
    gaps: str
    topic: dict[str, str]


def parse_url(url: str) -> KafkaSettings:
    """Read a URL.

    Raises:
        ConfigError: It names no broker, or an option is unknown or does not fit.
    """
    parts = split_url(url, "log.url", "write what is odd in a password as %xx: kafka://user:p%5Bss@host:9092")
    user, password, servers = _netloc(parts.netloc)
    shown = masked(url)
    if not servers or parts.path.strip("/") or parts.fragment:
        raise ConfigError(
            "a Kafka log is named by its brokers alone", where=f"log.url = {shown}", hint="kafka://host:9092"
        )
    options = _Options(dict(parse_qsl(parts.query, keep_blank_values=True)), shown)
    client, region = _client(options, servers, user, password)
    return KafkaSettings(
        shown=shown,
        client=client | options.client(),
        region=region,
        patterns=tuple(filter(None, options.given.get("topics", "").split(","))),
        replication=options.number("replication", -1),
        group=options.group(),
        gaps=options.one_of("gaps", ("stop", "skip"), "stop"),
        topic=options.prefixed("topic."),
    )


class _Options:
    """The options of a URL; all of them known."""

    def __init__(self, given: dict[str, str], shown: str) -> None:
        self.given = given
        self._shown = shown
        for name in given:
            if "@" in name:  # the rest of a password, which is not to be shown
                raise self.wrong("the URL of the Kafka log cannot be read", "write a ? in a password as %3F")
            if name not in OPTIONS and not name.startswith(("client.", "topic.")):
                close = difflib.get_close_matches(name, OPTIONS, n=1)
                hint = f"did you mean {close[0]}?" if close else HINT
                raise self.wrong(f"a Kafka log has no option {name!r}", hint)

    def wrong(self, what: str, hint: str = HINT) -> ConfigError:
        return ConfigError(what, where=f"log.url = {self._shown}", hint=hint)

    def one_of(self, name: str, known: tuple[str, ...], default: str) -> str:
        value = self.given.get(name, default)
        if value not in known:
            raise self.wrong(f"{name}={value} is not known", f"use one of: {', '.join(known)}")
        return value

    def number(self, name: str, default: int) -> int:
        value = self.given.get(name, str(default))
        if not value.isdecimal() and value != str(default):
            raise self.wrong(f"{name}={value} is no number")
        return int(value)

    def group(self) -> str:
        value = self.given.get("group", "pinflow")
        if not GROUP_NAME.fullmatch(value):
            raise self.wrong(f"group={value} is no name of consumer groups", "letters, digits, '.', '_', '-'")
        return value

    def prefixed(self, prefix: str) -> dict[str, str]:
        return {
            name.removeprefix(prefix): value for name, value in self.given.items() if name.startswith(prefix)
        }

    def client(self) -> dict[str, str]:
        found = self.prefixed("client.")
        for name in found:
            if name in OURS:
                raise self.wrong(f"client.{name} is not to be chosen: pinflow sets {name} itself")
        return found


def _netloc(netloc: str) -> tuple[str | None, str | None, str]:
    """User, password and servers. A second `@` is told without showing what stands before it."""
    userinfo, at, servers = netloc.rpartition("@")
    if "@" in userinfo:
        raise ConfigError(
            "the user or the password has an '@'", where="log.url", hint="write it as %40, and a '/' as %2F"
        )
    if not at:
        return None, None, servers
    user, colon, password = userinfo.partition(":")
    return unquote(user), unquote(password) if colon else None, servers


def _client(
    options: _Options, servers: str, user: str | None, password: str | None
) -> tuple[dict[str, str], str]:
    """The configuration of the clients that the URL says, and the AWS region where they enter by IAM."""
    region = ""
    security, mechanism = _security(options, has_user=user is not None)
    client = {"bootstrap.servers": servers, "security.protocol": security}
    client["compression.type"] = options.one_of("compression", COMPRESSIONS, "lz4")
    if ca := options.given.get("ca"):
        client["ssl.ca.location"] = ca
    if mechanism == "AWS_MSK_IAM":
        region = _region(options, servers)
    if mechanism:
        client["sasl.mechanisms"] = "OAUTHBEARER" if region else mechanism
    if mechanism in WITH_PASSWORD:
        if not user or password is None:
            raise options.wrong(f"{mechanism} needs a user and a password", "kafka://user:password@host:9092")
        client |= {"sasl.username": user, "sasl.password": password}
    return client, region


def _security(options: _Options, *, has_user: bool) -> tuple[str, str]:
    """The protocol, and the mechanism or nothing."""
    asked = "mechanism" in options.given
    default = "sasl_ssl" if has_user or asked else "plaintext"
    security = options.one_of("security", SECURITIES, default)
    if not security.startswith("sasl"):
        if has_user or asked:
            raise options.wrong(f"security={security} has no credentials", "security=sasl_ssl")
        return security, ""
    if not has_user and not asked:
        raise options.wrong(f"security={security} needs credentials", "kafka://user:password@host:9092")
    return security, options.one_of("mechanism", MECHANISMS, "SCRAM-SHA-512")


def _region(options: _Options, servers: str) -> str:
    if region := options.given.get("region"):
        return region
    found = MSK_REGION.search(servers)
    if found is None:
        raise options.wrong("AWS_MSK_IAM needs the region of the cluster", "region=eu-west-1")
    return found[1]
