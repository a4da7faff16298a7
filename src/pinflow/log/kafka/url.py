"""The URL of a Kafka log: `kafka://user:password@host:9092,host2:9092?option=value`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from pinflow.config import mask, split_url
from pinflow.config.option_kinds import TEXT, ValueKind, choice, matching, patterns
from pinflow.config.url_options import UrlOption, UrlOptions
from pinflow.errors import ConfigError

if TYPE_CHECKING:
    from pinflow.config.url_options import OptionValues

__all__ = ["URL_OPTIONS", "KafkaSettings", "parse_url"]

SECURITIES = ("plaintext", "ssl", "sasl_ssl", "sasl_plaintext")

WITH_PASSWORD = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")

MECHANISMS = (*WITH_PASSWORD, "OAUTHBEARER", "AWS_MSK_IAM")

COMPRESSIONS = ("lz4", "zstd", "snappy", "gzip", "none")

GROUP_NAME = re.compile(r"[A-Za-z0-9._-]{1,200}", re.ASCII)

BROKERS_DEFAULT = -1


def _replicas(text: str) -> int:
    if text != str(BROKERS_DEFAULT) and not text.isdecimal():
        raise ValueError(text)
    return int(text)


URL_OPTIONS = UrlOptions(
    part="a Kafka log",
    setting="log.url",
    page="docs/parts/kafka.md",
    options=(
        UrlOption(
            "security",
            "`plaintext`, `ssl`, `sasl_ssl` or `sasl_plaintext`",
            choice(*SECURITIES),
            unset="`sasl_ssl` with credentials, else `plaintext`",
        ),
        UrlOption(
            "mechanism",
            "`SCRAM-SHA-512`, `SCRAM-SHA-256`, `PLAIN`, `OAUTHBEARER` or `AWS_MSK_IAM`",
            choice(*MECHANISMS),
            unset="`SCRAM-SHA-512` with credentials",
        ),
        UrlOption(
            "ca",
            "PEM file of the authority that certifies the brokers",
            TEXT,
            unset="the system's authorities",
        ),
        UrlOption(
            "region", "AWS region for `AWS_MSK_IAM`", TEXT, unset="the region in the first broker's name"
        ),
        UrlOption(
            "topics",
            "patterns such as `0a6a638f5991.*,streaming-0a6a638f5991-*`; other topics of the cluster are not seen",
            patterns(),
            default="",
            unset="all topics",
        ),
        UrlOption(
            "replication",
            "copies of topics that pinflow creates",
            ValueKind(_replicas, "a whole number"),
            default=str(BROKERS_DEFAULT),
            unset="the brokers' default",
        ),
        UrlOption(
            "group",
            "beginning of the names of the consumer groups that show the lag",
            matching(GROUP_NAME, "letters, digits, '.', '_', '-'"),
            default="pinflow",
        ),
        UrlOption(
            "gaps",
            "`stop` where records that were not read are no longer in the log, or `skip` them with a warning. A topic "
            "that was deleted and made again stops a job either way, and so does a step that was planned",
            choice("stop", "skip"),
            default="stop",
        ),
        UrlOption(
            "compression", "`lz4`, `zstd`, `snappy`, `gzip` or `none`", choice(*COMPRESSIONS), default="lz4"
        ),
        UrlOption(
            "topic.",
            "configuration of topics that pinflow creates, such as `topic.retention.ms=1209600000`",
            TEXT,
            unset="the brokers' defaults",
        ),
        UrlOption(
            "client.",
            "configuration of librdkafka, such as `client.ssl.certificate.location=/etc/client.pem`",
            TEXT,
            unset="librdkafka's defaults",
        ),
    ),
)

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


class KafkaSettings(NamedTuple):
    """What a URL gives.

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
        ConfigError: It names no broker, or an option is unknown or not valid.
    """
    parts = split_url(url, "log.url", "write what is odd in a password as %xx: kafka://user:p%5Bss@host:9092")
    user, password, servers = _netloc(parts.netloc)
    shown = mask(url)
    if not servers or parts.path.strip("/") or parts.fragment:
        raise ConfigError(
            "a Kafka log is named by its brokers alone", where=f"log.url = {shown}", hint="kafka://host:9092"
        )
    options = URL_OPTIONS.parse(parts.query, url)
    _require_free(options)
    client, region = _client(options, servers, user, password)
    return KafkaSettings(
        shown=shown,
        client=client | options.family("client."),
        region=region,
        patterns=options["topics"],
        replication=options["replication"],
        group=options["group"],
        gaps=options["gaps"],
        topic=options.family("topic."),
    )


def _require_free(options: OptionValues) -> None:
    """Check that no option sets what the log itself has to set."""
    for name in options.family("client."):
        if name in OURS:
            raise options.error(f"client.{name} cannot be chosen: pinflow sets {name} itself")


def _netloc(netloc: str) -> tuple[str | None, str | None, str]:
    """User, password and servers. The error about a second `@` does not show what stands before it."""
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
    options: OptionValues, servers: str, user: str | None, password: str | None
) -> tuple[dict[str, str], str]:
    """The configuration of the clients that the URL gives, and the AWS region where they authenticate by IAM."""
    region = ""
    security, mechanism = _security(options, has_user=user is not None)
    client = {"bootstrap.servers": servers, "security.protocol": security}
    client["compression.type"] = options["compression"]
    if ca := options["ca"]:
        client["ssl.ca.location"] = ca
    if mechanism == "AWS_MSK_IAM":
        region = _region(options, servers)
    if mechanism:
        client["sasl.mechanisms"] = "OAUTHBEARER" if region else mechanism
    if mechanism in WITH_PASSWORD:
        if not user or password is None:
            raise options.error(f"{mechanism} needs a user and a password", "kafka://user:password@host:9092")
        client |= {"sasl.username": user, "sasl.password": password}
    return client, region


def _security(options: OptionValues, *, has_user: bool) -> tuple[str, str]:
    """The protocol, and the mechanism or nothing."""
    has_credentials = has_user or "mechanism" in options
    security: str = options["security"] or ("sasl_ssl" if has_credentials else "plaintext")
    if not security.startswith("sasl"):
        if has_credentials:
            raise options.error(f"security={security} has no credentials", "security=sasl_ssl")
        return security, ""
    if not has_credentials:
        raise options.error(f"security={security} needs credentials", "kafka://user:password@host:9092")
    return security, options["mechanism"] or WITH_PASSWORD[0]


def _region(options: OptionValues, servers: str) -> str:
    if region := options["region"]:
        return str(region)
    found = MSK_REGION.search(servers)
    if found is None:
        raise options.error("AWS_MSK_IAM needs the region of the cluster", "region=eu-west-1")
    return found[1]
