"""A lake in a bucket of S3, or of any store that speaks as S3 does and has conditional put.

    s3://bucket/prefix?region=eu-west-1&endpoint=https://minio.example.com&path_style=true&profile=lake&timeout=30

obstore moves the objects, deltalake the tables. Both get the same address, credentials, timeouts and retries, and both
put if absent by `If-None-Match: *`, so that no table of locks is needed.

Within a call a library tries again for `RETRY_S`; what lasts longer is an `UnavailableError`, and the job's own loop
tries again. deltalake copies the credentials that it is given into the environment of the process.
"""

from __future__ import annotations

import os
import re
from datetime import timedelta
from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import msgspec
from obstore.store import S3Store

from pinflow.config import is_server, split_url
from pinflow.errors import ConfigError
from pinflow.lake.store.credentials import Wallet
from pinflow.lake.store.objects import Store

if TYPE_CHECKING:
    from collections.abc import Mapping

    from obstore.store import S3Config

__all__ = ["Address", "open_bucket", "parse"]

CONNECT_S = 5
RETRIES = 4
RETRY_S = 20
FIRST_BACKOFF_MS, LONGEST_BACKOFF_MS = 100, 2_000
"""Tries within one call, at a store that is busy or cut the line: a moment's trouble costs no step of a job."""

NO_REGION = "us-east-1"
"""What requests are signed for when nothing names a region: the default of the libraries, and of stand-ins."""

BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html"""

PREFIX = re.compile(r"[A-Za-z0-9!_.'()/=-]*")
"""Characters of keys that need no escaping anywhere."""


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """What the URL of a lake says. The parameters of the URL are the fields, but for the first two."""

    bucket: str
    prefix: str = ""
    region: str = ""
    endpoint: str = ""
    path_style: bool | None = None
    profile: str = ""
    timeout: float = 30.0
    """Seconds that one request may take, its body included."""

    @property
    def url(self) -> str:
        """The address alone."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


def parse(url: str) -> Address:
    """Read the URL of a bucket.

    Raises:
        ConfigError: It names no bucket, a parameter that there is not, or holds credentials.
    """
    parts = split_url(url, "lake.url", "s3://bucket/prefix")
    if "@" in parts.netloc:
        raise _unfit(
            "credentials do not belong into lake.url", "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and the like"
        )
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    _require_known(given)
    prefix = parts.path.strip("/")
    if not BUCKET.fullmatch(parts.netloc):
        raise _unfit(f"this is no name of a bucket: {parts.netloc!r}", "s3://bucket/prefix")
    if not PREFIX.fullmatch(prefix) or "//" in prefix or parts.fragment:
        raise _unfit(
            f"this prefix has characters that need escaping: {prefix!r}", "use letters, digits, - _ . /"
        )
    try:
        address = msgspec.convert(given | {"bucket": parts.netloc, "prefix": prefix}, Address, strict=False)
    except msgspec.ValidationError as error:
        raise _unfit(
            f"a parameter of lake.url does not fit: {error}", "…&path_style=true&timeout=30"
        ) from error
    if address.endpoint and not is_server(address.endpoint):
        raise _unfit("the endpoint is no URL of a server", "endpoint=https://host, or http://host:port")
    return address


def _require_known(given: Mapping[str, str]) -> None:
    known = [field.name for field in msgspec.structs.fields(Address)][2:]
    for name in given.keys() - known:
        if re.search("key|secret|token|password", name, re.IGNORECASE):
            raise _unfit(
                f"credentials do not belong into lake.url: {name}=…",
                "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and the like",
            )
        close = get_close_matches(name, known, n=1)
        raise _unfit(
            f"lake.url has an unknown parameter {name!r}",
            f"did you mean {close[0]}?" if close else f"there are: {', '.join(known)}",
        )


def _unfit(what: str, hint: str) -> ConfigError:
    return ConfigError(what, where="lake.url", hint=hint)


def open_bucket(url: str) -> Store:
    """Open a lake in a bucket; the first request is that of the first call.

    Raises:
        ConfigError: The URL does not fit.
        MissingExtraError: botocore is not installed.
    """
    address = parse(url)
    bucket = Bucket(address, Wallet(address.profile or None))
    return Store(bucket.objects(), address.url, bucket)


class Bucket:
    """`lake.store.objects.Access` to a bucket: what each library needs to know of it."""

    def __init__(self, address: Address, wallet: Wallet) -> None:
        self._address = address
        self._wallet = wallet

    def __str__(self) -> str:
        return f"region {self._region}{self._endpoint and ', endpoint '}{self._endpoint}"

    def objects(self) -> S3Store:
        """The bucket for obstore."""
        config: S3Config = {
            "region": self._region,
            "virtual_hosted_style_request": not self._path_style,
            "conditional_put": "etag",
        }
        if self._endpoint:
            config |= {"endpoint": self._endpoint, "aws_endpoint_url_s3": self._endpoint}
        return S3Store(
            self._address.bucket,
            prefix=self._address.prefix or None,
            config=config,
            client_options={
                "allow_http": self._endpoint.startswith("http://"),
                "connect_timeout": timedelta(seconds=CONNECT_S),
                "timeout": timedelta(seconds=self._address.timeout),
            },
            retry_config={
                "max_retries": RETRIES,
                "retry_timeout": timedelta(seconds=RETRY_S),
                "backoff": {
                    "init_backoff": timedelta(milliseconds=FIRST_BACKOFF_MS),
                    "max_backoff": timedelta(milliseconds=LONGEST_BACKOFF_MS),
                    "base": 2,
                },
            },
            credential_provider=self._wallet,
        )

    def options(self) -> dict[str, str]:
        """The bucket for deltalake; see `lake.store.objects.Access`."""
        keys = self._wallet.keys()
        options = {
            "AWS_REGION": self._region,
            "AWS_ACCESS_KEY_ID": keys.access_key,
            "AWS_SECRET_ACCESS_KEY": keys.secret_key,
            "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": str(not self._path_style).lower(),
            "AWS_CONDITIONAL_PUT": "etag",
            "AWS_S3_LOCKING_PROVIDER": "none",
            "AWS_ALLOW_HTTP": str(self._endpoint.startswith("http://")).lower(),
            "connect_timeout": f"{CONNECT_S}s",
            "timeout": f"{round(self._address.timeout * 1000)}ms",
            "max_retries": str(RETRIES),
            "retry_timeout": f"{RETRY_S}s",
            "backoff_config.init_backoff": f"{FIRST_BACKOFF_MS}ms",
            "backoff_config.max_backoff": f"{LONGEST_BACKOFF_MS}ms",
        }
        if keys.token:
            options["AWS_SESSION_TOKEN"] = keys.token
        if self._endpoint:
            options["AWS_ENDPOINT_URL"] = self._endpoint
        return options

    @cached_property
    def _region(self) -> str:
        """As the URL says, or else the environment, or the profile."""
        return self._address.region or os.environ.get("AWS_REGION") or self._wallet.region or NO_REGION

    @cached_property
    def _endpoint(self) -> str:
        """The server to talk to, with the bucket in its name where the bucket is to be; blank for that of AWS."""
        named = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
        endpoint = (self._address.endpoint or named).rstrip("/")
        if not endpoint or self._path_style:
            return endpoint
        scheme, _, host = endpoint.partition("://")
        return f"{scheme}://{self._address.bucket}.{host}"

    @cached_property
    def _path_style(self) -> bool:
        """Whether the bucket stands in the path of a URL: so unless told otherwise, but on AWS itself.

        A bucket with a dot in its name fits no certificate of AWS as part of a host's name.
        """
        if self._address.path_style is not None:
            return self._address.path_style
        named = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        return bool(self._address.endpoint or named) or "." in self._address.bucket
