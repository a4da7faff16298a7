"""A lake in a bucket of S3, or of any store with the API of S3 and conditional put.

    s3://bucket/prefix?region=eu-west-1&endpoint=https://minio.example.com&path_style=true&profile=lake&timeout=30

obstore moves the objects, deltalake the tables. Both get the same address, credentials, timeouts and retries, and both
put if absent by `If-None-Match: *`, so that no table of locks is needed.

Within a call a library tries again for `RETRY_S`; what lasts longer is an `UnavailableError`, and the job's own loop
tries again. deltalake copies the credentials that it is given into the environment of the process.
"""

from __future__ import annotations

import os
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from obstore.store import S3Store

from pinflow.lake.store.credentials import AwsCredentials
from pinflow.lake.store.objects import Access, Store
from pinflow.lake.store.s3_url import parse_url
from pinflow.retrying import Backoff

if TYPE_CHECKING:
    from obstore.store import S3Config

    from pinflow.lake.store.s3_url import S3Settings

__all__ = ["S3Access", "open_bucket"]

CONNECT_S = 5
RETRIES = 4
RETRY_S = 20
BACKOFF = Backoff(first=0.1, most=2.0)
"""Tries within one call: a store that is busy, or a connection that is lost, for a moment costs no step of a job."""

NO_REGION = "us-east-1"
"""What requests are signed for when nothing names a region: the default of the libraries, and of stand-ins."""


def open_bucket(url: str) -> Store:
    """Open a lake in a bucket; the first request is that of the first call.

    Raises:
        ConfigError: The URL is not valid.
        MissingExtraError: botocore is not installed.
    """
    settings = parse_url(url)
    access = S3Access(settings, AwsCredentials(settings.profile or None))
    return Store(access.objects(), settings.url, access)


class S3Access(Access):
    """What each library needs to know of a bucket."""

    def __init__(self, settings: S3Settings, credentials: AwsCredentials) -> None:
        self._settings = settings
        self._credentials = credentials

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
            self._settings.bucket,
            prefix=self._settings.prefix or None,
            config=config,
            client_options={
                "allow_http": self._endpoint.startswith("http://"),
                "connect_timeout": timedelta(seconds=CONNECT_S),
                "timeout": timedelta(seconds=self._settings.timeout),
            },
            retry_config={
                "max_retries": RETRIES,
                "retry_timeout": timedelta(seconds=RETRY_S),
                "backoff": {
                    "init_backoff": timedelta(seconds=BACKOFF.first),
                    "max_backoff": timedelta(seconds=BACKOFF.most),
                    "base": BACKOFF.factor,
                },
            },
            credential_provider=self._credentials,
        )

    def options(self) -> dict[str, str]:
        """The bucket for deltalake; see `lake.store.objects.Access`."""
        keys = self._credentials.keys()
        options = {
            "AWS_REGION": self._region,
            "AWS_ACCESS_KEY_ID": keys.access_key,
            "AWS_SECRET_ACCESS_KEY": keys.secret_key,
            "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": str(not self._path_style).lower(),
            "AWS_CONDITIONAL_PUT": "etag",
            "AWS_S3_LOCKING_PROVIDER": "none",
            "AWS_ALLOW_HTTP": str(self._endpoint.startswith("http://")).lower(),
            "connect_timeout": f"{CONNECT_S}s",
            "timeout": f"{round(self._settings.timeout * 1000)}ms",
            "max_retries": str(RETRIES),
            "retry_timeout": f"{RETRY_S}s",
            "backoff_config.init_backoff": f"{round(BACKOFF.first * 1000)}ms",
            "backoff_config.max_backoff": f"{round(BACKOFF.most * 1000)}ms",
        }
        if keys.token:
            options["AWS_SESSION_TOKEN"] = keys.token
        if self._endpoint:
            options["AWS_ENDPOINT_URL"] = self._endpoint
        return options

    @cached_property
    def _region(self) -> str:
        """As the URL says, or else the environment, or the profile."""
        return self._settings.region or os.environ.get("AWS_REGION") or self._credentials.region or NO_REGION

    @cached_property
    def _endpoint(self) -> str:
        """The server, with the bucket in its name unless the bucket stands in the path; blank for that of AWS."""
        named = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
        endpoint = (self._settings.endpoint or named).rstrip("/")
        if not endpoint or self._path_style:
            return endpoint
        scheme, _, host = endpoint.partition("://")
        return f"{scheme}://{self._settings.bucket}.{host}"

    @cached_property
    def _path_style(self) -> bool:
        """Whether the bucket stands in the path of a URL: as the URL says, or else everywhere but on AWS itself.

        A bucket with a dot in its name fits no certificate of AWS as part of a host's name.
        """
        if self._settings.path_style is not None:
            return self._settings.path_style
        named = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        return bool(self._settings.endpoint or named) or "." in self._settings.bucket
