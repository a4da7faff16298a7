"""The URL of a lake on S3: `s3://bucket/prefix?option=value`."""

from __future__ import annotations

import re

import msgspec

from pinflow.config import split_url
from pinflow.config.option_kinds import TEXT, ValueKind, number, server
from pinflow.config.url_options import UrlOption, UrlOptions

__all__ = ["URL_OPTIONS", "S3Settings", "parse_url"]

BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html"""

PREFIX = re.compile(r"[A-Za-z0-9!_.'()/=-]*")
"""Characters of keys that need no escaping anywhere."""

NO_CREDENTIALS = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and the like"

LONGEST_TIMEOUT_S = 1e9
"""Three decades: a bound only to keep a number of seconds a duration for every library."""


class S3Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the URL of a lake gives.

    Attributes:
        bucket: The bucket's name.
        prefix: What the keys of all objects begin with, without slashes around it.
        region: The bucket's region; empty for that of the environment or the profile.
        endpoint: The server; empty for that of the environment, or AWS.
        path_style: Whether the bucket stands in the path of a request; None to go by the server.
        profile: The profile of the AWS configuration files; empty for the default chain.
        timeout: Seconds that one request may take, its body included.
    """

    bucket: str
    prefix: str = ""
    region: str = ""
    endpoint: str = ""
    path_style: bool | None = None
    profile: str = ""
    timeout: float

    @property
    def url(self) -> str:
        """Bucket and prefix alone."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


def _flag_or_null(text: str) -> bool | None:
    known = {"true": True, "1": True, "false": False, "0": False, "null": None}
    if text.lower() not in known:
        raise ValueError(text)
    return known[text.lower()]


URL_OPTIONS = UrlOptions(
    part="a lake on S3",
    setting="lake.url",
    page="docs/parts/s3.md",
    no_credentials=NO_CREDENTIALS,
    options=(
        UrlOption(
            "region",
            "the bucket's region",
            TEXT,
            default="",
            unset="`AWS_REGION`, `AWS_DEFAULT_REGION`, the profile's, or else `us-east-1`",
        ),
        UrlOption(
            "endpoint",
            "the server, `https://host` or `http://host:port`",
            server(),
            default="",
            unset="`AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, or else that of AWS",
        ),
        UrlOption(
            "path_style",
            "whether the bucket stands in the path of a request, not in the host's name",
            ValueKind(_flag_or_null, "true or false"),
            unset="`true` with an endpoint or a dot in the bucket's name, else `false`",
        ),
        UrlOption("profile", "the profile of `~/.aws`", TEXT, default="", unset="`AWS_PROFILE`"),
        UrlOption(
            "timeout",
            "seconds that one request may take, its body included",
            ValueKind(number(0, LONGEST_TIMEOUT_S, above=True).read, "a number of seconds above 0"),
            default="30",
        ),
    ),
)


def parse_url(url: str) -> S3Settings:
    """Read the URL of a bucket.

    Raises:
        ConfigError: It names no bucket, has an option that is unknown or not valid, or holds credentials.
    """
    parts = split_url(url, URL_OPTIONS.setting, "s3://bucket/prefix")
    if "@" in parts.netloc:
        raise URL_OPTIONS.error(url, "credentials do not belong into lake.url", NO_CREDENTIALS)
    options = URL_OPTIONS.parse(parts.query, url)
    prefix = parts.path.strip("/")
    if not BUCKET.fullmatch(parts.netloc):
        raise URL_OPTIONS.error(url, f"{parts.netloc!r} is not a name of a bucket", "s3://bucket/prefix")
    if not PREFIX.fullmatch(prefix) or "//" in prefix or parts.fragment:
        raise URL_OPTIONS.error(
            url, f"the prefix has characters that need escaping: {prefix!r}", "use letters, digits, - _ . /"
        )
    return S3Settings(
        bucket=parts.netloc,
        prefix=prefix,
        region=options["region"],
        endpoint=options["endpoint"],
        path_style=options["path_style"],
        profile=options["profile"],
        timeout=options["timeout"],
    )
