"""Kinesis' errors, translated into ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinflow.errors import UnavailableError, UnknownTopicError

if TYPE_CHECKING:
    from pinflow.errors import PinflowError

__all__ = ["DENIED", "GONE", "INVALID", "IN_USE", "PERMISSIONS", "THROTTLED", "Failure", "first_line"]

GONE = frozenset({"ResourceNotFoundException"})

IN_USE = frozenset({"ResourceInUseException"})

INVALID = frozenset({"InvalidArgumentException", "ValidationException", "SerializationException"})

THROTTLED = frozenset(
    {
        "KMSThrottlingException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingException",
    }
)
"""Codes of a request, or of a record in it, that Kinesis did not do as it was too much."""

DENIED = frozenset({"AccessDenied", "AccessDeniedException"})

LONGEST_MESSAGE = 300
"""Characters of the first line. The lines below it repeat the request's headers where a signature is not valid."""

PERMISSIONS = "docs/parts/kinesis.md lists the permissions that each part needs"
"""What to do about `DENIED`."""


class Failure(Exception):  # noqa: N818 - it becomes one of our errors
    """A call that failed.

    Args:
        code: Kinesis' or botocore's own name for it.
        message: One line of what it said.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message

    def translate(self, action: str, topic: str, where: str) -> PinflowError:
        """The failure as one of our errors. `action` is what Kinesis was asked to do; `topic` may be empty.

        The error's text has the code alone: the gateway passes it on to its clients, and the message may hold names
        of the account, or a key.
        """
        if self.code in GONE and topic:
            return UnknownTopicError(f"there is no topic {topic!r}", where=where, hint="pinflow status")
        if self.code in DENIED:
            hint = PERMISSIONS
        elif self.code in CREDENTIALS:
            hint = "aws sts get-caller-identity shows whether the AWS chain has valid credentials"
        else:
            hint = "pinflow doctor"
        where = f"{where}: {self.message}" if where else self.message
        return UnavailableError(f"Kinesis does not {action}: {self.code}", where=where, hint=hint)


CREDENTIALS = frozenset(
    {
        "CredentialRetrievalError",
        "ExpiredTokenException",
        "InvalidSignatureException",
        "NoCredentialsError",
        "PartialCredentialsError",
        "UnrecognizedClientException",
    }
)


def first_line(text: object) -> str:
    """The first line of a message, no longer than may be shown."""
    return (str(text).strip().splitlines() or [""])[0][:LONGEST_MESSAGE]
