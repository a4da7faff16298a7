"""What the URL of a Kinesis log says: `kinesis://<region>/<prefix>?option=value`."""

from __future__ import annotations

import re
from difflib import get_close_matches
from fnmatch import fnmatchcase
from math import nan
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, unquote

from pinflow.config import is_server, masked, split_url
from pinflow.errors import ConfigError, UnknownTopicError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["KinesisSettings", "address_of"]

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


class KinesisSettings(NamedTuple):
    """Where a Kinesis log is, and how it is used.

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
    prefix: str = ""
    endpoint: str = ""
    profile: str = ""
    account: str = ""
    streams: str = "*"
    by_key: bool = True
    pace: bool = True
    puts: int = PUTS_AT_ONCE
    timeout: float = ANSWER_S
    reads: float = READS_A_SECOND
    gaps: str = "stop"
    on_demand: bool = False
    record_mib: int = 1

    def stream(self, topic: str) -> str:
        """The name of a topic's stream.

        Raises:
            UnknownTopicError: No stream of this log can have the name.
        """
        name = self.prefix + topic
        if not STREAM_NAME.fullmatch(name):
            raise UnknownTopicError(
                f"{name!r} is no name of a stream: 1 to 128 letters, digits, '_', '.' or '-'", where=topic
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


def address_of(url: str) -> KinesisSettings:
    """Read a URL.

    Raises:
        ConfigError: It names no region, an option is unknown or does not fit, or it holds credentials.
    """
    parts = split_url(url, "log.url", EXAMPLE)
    if "@" in parts.netloc:
        raise ConfigError(
            "credentials do not belong into the URL of a log",
            where=f"log.url = {masked(url)}",
            hint="leave them to the AWS chain: the environment, ~/.aws, or the role of the machine",
        )
    if not REGION.fullmatch(parts.netloc):
        raise ConfigError("a Kinesis log needs a region", where=f"log.url = {masked(url)}", hint=EXAMPLE)
    options: dict[str, Any] = {}
    for name, text in parse_qsl(parts.query, keep_blank_values=True):
        if name not in OPTIONS:
            close = get_close_matches(name, OPTIONS, n=1)
            raise ConfigError(
                f"a Kinesis log has no option {name!r}",
                where=f"log.url = {masked(url)}",
                hint=f"did you mean {close[0]}?" if close else f"use one of: {', '.join(OPTIONS)}",
            )
        field, meant = OPTIONS[name]
        try:
            options[field] = meant(text)
        except ValueError as error:
            raise ConfigError(
                f"the option {name!r} does not fit",
                where=f"log.url = {masked(url)}",
                hint=f"{name}={error}; docs/parts/kinesis.md says what each is for",
            ) from None
    prefix = unquote(parts.path.removeprefix("/"))
    if prefix and not STREAM_NAME.fullmatch(prefix):
        raise ConfigError(
            "a prefix has letters, digits, '_', '.' and '-'", where=f"log.url = {masked(url)}", hint=EXAMPLE
        )
    return KinesisSettings(parts.netloc, prefix)._replace(**options)


def _one_of(*choices: str) -> Callable[[str], str]:
    def chosen(text: str) -> str:
        if text not in choices:
            raise ValueError("|".join(choices))
        return text

    return chosen


def _within(low: float, high: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = nan
        if not low <= value <= high:
            raise ValueError(f"{low:g} to {high:g}")
        return value

    return number


def _whole(low: int, high: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise ValueError(f"{low} to {high}")
        return int(text)

    return number


def _endpoint(text: str) -> str:
    if not is_server(text):
        raise ValueError("http://host:port or https://host:port")
    return text


OPTIONS: dict[str, tuple[str, Callable[[str], object]]] = {
    "endpoint": ("endpoint", _endpoint),
    "profile": ("profile", str),
    "account": ("account", str),
    "streams": ("streams", str),
    "order": ("by_key", lambda text: _one_of("key", "request")(text) == "key"),
    "pace": ("pace", lambda text: _one_of("on", "off")(text) == "on"),
    "puts": ("puts", _whole(1, 32)),
    "timeout": ("timeout", _within(0.1, 60)),
    "reads": ("reads", _within(0.1, 5)),
    "gaps": ("gaps", _one_of("stop", "skip")),
    "mode": ("on_demand", lambda text: _one_of("provisioned", "on-demand")(text) == "on-demand"),
    "record_mib": ("record_mib", _whole(1, LARGEST_RECORD_MIB)),
}
"""Option of the URL → field, and how its text is read."""
