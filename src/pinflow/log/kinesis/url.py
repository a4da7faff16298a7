"""The URL of a Kinesis log: `kinesis://<region>/<prefix>?option=value`."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import NamedTuple
from urllib.parse import unquote

from pinflow.config import split_url
from pinflow.config.option_kinds import TEXT, choice, number, server, whole
from pinflow.config.url_options import UrlOption, UrlOptions
from pinflow.errors import UnknownTopicError

__all__ = ["URL_OPTIONS", "KinesisSettings", "parse_url"]

REGION = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)

STREAM_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,128}", re.ASCII)
"""Kinesis' own rule for the names of streams."""

EXAMPLE = "kinesis://eu-west-1, or kinesis://eu-west-1/prefix-?profile=name"

READS_A_SECOND = 2.0
"""Of the five reads a second that a shard allows all its readers: land, stream and an audit beside them."""

PUTS_AT_ONCE = 8
"""Each takes 10 to 50 ms within AWS."""

ANSWER_S = 1.0
"""A gateway counts a log that takes 1.5 s as away."""

LARGEST_RECORD_MIB = 10
"""The largest that Kinesis lets a stream be set to."""

NO_CREDENTIALS = "leave them to the AWS chain: the environment, ~/.aws, or the role of the machine"

URL_OPTIONS = UrlOptions(
    part="a Kinesis log",
    setting="log.url",
    page="docs/parts/kinesis.md",
    no_credentials=NO_CREDENTIALS,
    options=(
        UrlOption(
            "endpoint",
            "another server: `http://127.0.0.1:4567`, a VPC endpoint",
            server(),
            default="",
            unset="the region's own",
        ),
        UrlOption("profile", "a profile of `~/.aws/config`", TEXT, default="", unset="that of the AWS chain"),
        UrlOption(
            "streams",
            "a pattern that the names of the streams fit, prefix included; `land` lands every stream that fits",
            TEXT,
            default="*",
        ),
        UrlOption(
            "account",
            "the account's number, where the principal may not describe streams",
            TEXT,
            default="",
            unset="AWS is asked",
        ),
        UrlOption(
            "order",
            "`request` puts many records of one key at once; see [order](#order)",
            choice("key", "request"),
            default="key",
        ),
        UrlOption(
            "gaps",
            "`skip` goes on, with a warning, where records may have been dropped unread; see [retention](#retention)",
            choice("stop", "skip"),
            default="stop",
        ),
        UrlOption(
            "mode",
            "`on-demand` for streams that are created",
            choice("provisioned", "on-demand"),
            default="provisioned",
        ),
        UrlOption(
            "record_mib",
            f"the largest record of streams that are created, in MiB, up to {LARGEST_RECORD_MIB}",
            whole(1, LARGEST_RECORD_MIB),
            default="1",
        ),
        UrlOption("pace", "`off` leaves the limits of shards to Kinesis", choice("on", "off"), default="on"),
        UrlOption(
            "reads",
            "reads a second of a shard by one process; Kinesis allows 5 to all together",
            number(0.1, 5),
            default=f"{READS_A_SECOND:g}",
        ),
        UrlOption(
            "puts", "`PutRecords` of one append under way at once", whole(1, 32), default=f"{PUTS_AT_ONCE}"
        ),
        UrlOption(
            "timeout",
            "seconds that a put or a question waits for its answer, and about as long throttled records are put again; "
            "the gateway answers its clients with 503 after 1.5 s whatever this is",
            number(0.1, 60),
            default=f"{ANSWER_S:g}",
        ),
    ),
)


class KinesisSettings(NamedTuple):
    """What a URL gives: where a Kinesis log is, and how it is used.

    Attributes:
        region: The AWS region.
        prefix: What the names of its streams begin with; a topic is named without it.
        endpoint: The URL of another server than the region's own; empty for that.
        profile: The profile of the AWS configuration files; empty for the default chain.
        account: The account's number, where it cannot be asked for; empty to ask.
        streams: A pattern (`*`, `?`) that the names of its streams fit.
        by_key: Whether records of one key keep their order whatever Kinesis refuses; else those of one request may not.
        pace: Whether to keep within a shard's limits before Kinesis has to refuse.
        puts: Requests of one append that are under way at once.
        timeout: Seconds that a put or a question waits for its answer, and about as long an append puts again.
        reads: How many reads a second this process makes of a shard.
        gaps: `stop` when records may have been dropped before they were read, or `skip` them and say so.
        on_demand: Whether streams are created in the on-demand mode.
        record_mib: The largest record of streams that are created.
    """

    region: str
    prefix: str
    endpoint: str
    profile: str
    account: str
    streams: str
    by_key: bool
    pace: bool
    puts: int
    timeout: float
    reads: float
    gaps: str
    on_demand: bool
    record_mib: int

    def stream(self, topic: str) -> str:
        """The name of a topic's stream.

        Raises:
            UnknownTopicError: No stream of this log can have the name.
        """
        name = self.prefix + topic
        if not STREAM_NAME.fullmatch(name):
            raise UnknownTopicError(
                f"{name!r} is not a valid name of a stream: 1 to 128 letters, digits, '_', '.' or '-'",
                where=topic,
            )
        if not fnmatchcase(name, self.streams):
            raise UnknownTopicError(
                f"{name!r} is not among the streams that log.url names: {self.streams}", where=topic
            )
        return name

    def topic(self, stream: str) -> str | None:
        """The topic of a stream; None if it is not one of this log's."""
        mine = stream.startswith(self.prefix) and fnmatchcase(stream, self.streams)
        return stream.removeprefix(self.prefix) or None if mine else None


def parse_url(url: str) -> KinesisSettings:
    """Read a URL.

    Raises:
        ConfigError: It names no region, an option is unknown or not valid, or it holds credentials.
    """
    parts = split_url(url, "log.url", EXAMPLE)
    if "@" in parts.netloc:
        raise URL_OPTIONS.error(url, "credentials do not belong into the URL of a log", NO_CREDENTIALS)
    if not REGION.fullmatch(parts.netloc):
        raise URL_OPTIONS.error(url, "a Kinesis log needs a region", EXAMPLE)
    options = URL_OPTIONS.parse(parts.query, url)
    prefix = unquote(parts.path.removeprefix("/"))
    if prefix and not STREAM_NAME.fullmatch(prefix):
        raise URL_OPTIONS.error(url, "a prefix has letters, digits, '_', '.' and '-'", EXAMPLE)
    return KinesisSettings(
        region=parts.netloc,
        prefix=prefix,
        endpoint=options["endpoint"],
        profile=options["profile"],
        account=options["account"],
        streams=options["streams"],
        by_key=options["order"] == "key",
        pace=options["pace"] == "on",
        puts=options["puts"],
        timeout=options["timeout"],
        reads=options["reads"],
        gaps=options["gaps"],
        on_demand=options["mode"] == "on-demand",
        record_mib=options["record_mib"],
    )
