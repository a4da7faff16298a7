"""AWS credentials, found and refreshed by botocore as every AWS tool finds them.

In this order: the environment, a profile of `~/.aws` (with SSO, roles to assume, and programs that print them), a web
identity, those of a container, those of an instance. Both libraries that use S3 get these, so that they never differ.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from pinflow.errors import MissingExtraError, TerminalError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obstore.store import S3Credential

__all__ = ["AwsCredentials", "Keys"]

KEEP_S = 60
"""How long obstore may keep credentials; botocore refreshes at least ten minutes before the end."""

HOW = "aws configure, or aws sso login, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"


class Keys(NamedTuple):
    """The credentials that sign a request. Never shown."""

    access_key: str
    secret_key: str
    token: str | None

    def __repr__(self) -> str:
        return "Keys(***)"


class AwsCredentials:
    """The credentials of one profile (None: as the environment says), looked up when first needed.

    Nothing waits long for an instance's metadata where there is no instance: botocore tries once, for a second.

    Raises:
        MissingExtraError: botocore is not installed.
    """

    def __init__(self, profile: str | None) -> None:
        try:
            import botocore.session  # noqa: PLC0415 - slow, and only where a bucket is used
        except ImportError as error:
            raise MissingExtraError("a lake on S3", "s3") from error
        self._session: Any = botocore.session.Session(profile=profile)

    @property
    def region(self) -> str | None:
        """The region that the environment or the profile names.

        Raises:
            TerminalError: There is no such profile.
        """
        with _translate_errors():
            region: str | None = self._session.get_config_variable("region")
        return region

    def keys(self) -> Keys:
        """The credentials as they are now.

        Raises:
            TerminalError: There are none.
            UnavailableError: The AWS credential provider cannot be reached.
        """
        with _translate_errors():
            frozen = self._credentials.get_frozen_credentials()
        return Keys(frozen.access_key, frozen.secret_key, frozen.token)

    def __call__(self) -> S3Credential:
        """The same, as obstore asks for them."""
        keys = self.keys()
        return {
            "access_key_id": keys.access_key,
            "secret_access_key": keys.secret_key,
            "token": keys.token,
            "expires_at": datetime.now(UTC) + timedelta(seconds=KEEP_S),
        }

    @cached_property
    def _credentials(self) -> Any:
        credentials = self._session.get_credentials()
        if credentials is None:
            raise TerminalError("no AWS credentials were found", where="the environment, ~/.aws", hint=HOW)
        return credentials


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Raise botocore's errors as ours."""
    from botocore.exceptions import (  # noqa: PLC0415
        BotoCoreError,
        ClientError,
        CredentialRetrievalError,
        HTTPClientError,
        MetadataRetrievalError,
    )

    try:
        yield
    except (HTTPClientError, MetadataRetrievalError, CredentialRetrievalError) as error:
        raise UnavailableError(
            f"the AWS credential provider cannot be reached: {error}",
            where="the AWS credential chain",
            hint=HOW,
        ) from error
    except (BotoCoreError, ClientError) as error:
        raise TerminalError(
            f"there are no AWS credentials: {error}", where="the AWS credential chain", hint=HOW
        ) from error
