"""Why a request is refused, apart from any dialect: each has its own table of statuses and codes."""

from __future__ import annotations

import enum
import logging
import traceback

from pinflow.errors import (
    OverloadedError,
    PinflowError,
    RepeatedError,
    TooLargeError,
    TopicExistsError,
    UnavailableError,
    UnknownPartitionError,
    UnknownTopicError,
    UnsupportedRecordError,
)

__all__ = ["RETRY_AFTER_S", "Refusal", "RefusalReason", "refusal_of"]

RETRY_AFTER_S = 1
"""Seconds that a client is asked to wait. A lock or a full queue is gone within a second or stays for long."""

log = logging.getLogger("pinflow.gateway")


class RefusalReason(enum.Enum):
    """What kind of refusal it is."""

    ACCEPT = enum.auto()
    """No content type that the client accepts can be served."""
    BROKEN_ENCODING = enum.auto()
    """The compressed body cannot be inflated."""
    CONFLICT = enum.auto()
    """The same request is under way."""
    EXISTS = enum.auto()
    FORBIDDEN = enum.auto()
    """The API key is good, but not for this topic."""
    HEADER = enum.auto()
    """A header holds what it may not, or the bytes are not HTTP."""
    HEADERS = enum.auto()
    """The headers are too long."""
    INTERNAL = enum.auto()
    INVALID = enum.auto()
    """JSON, but not of the shape or within the limits that the route asks for."""
    MALFORMED = enum.auto()
    """Not JSON, not UTF-8, or not base64 where it should be."""
    MEDIA_TYPE = enum.auto()
    METHOD = enum.auto()
    OVERLOADED = enum.auto()
    PARTITION = enum.auto()
    REUSED = enum.auto()
    """The idempotency key of another request."""
    ROUTE = enum.auto()
    SLOW = enum.auto()
    """The headers or the body did not arrive in time."""
    TOO_LARGE = enum.auto()
    TOPIC = enum.auto()
    UNAUTHORIZED = enum.auto()
    """No API key, or none that is good."""
    UNAVAILABLE = enum.auto()


RETRYABLE = frozenset({RefusalReason.CONFLICT, RefusalReason.OVERLOADED, RefusalReason.UNAVAILABLE})

REASONS: dict[type[PinflowError], RefusalReason] = {
    UnsupportedRecordError: RefusalReason.INVALID,
    OverloadedError: RefusalReason.OVERLOADED,
    RepeatedError: RefusalReason.CONFLICT,
    TooLargeError: RefusalReason.TOO_LARGE,
    TopicExistsError: RefusalReason.EXISTS,
    UnavailableError: RefusalReason.UNAVAILABLE,
    UnknownPartitionError: RefusalReason.PARTITION,
    UnknownTopicError: RefusalReason.TOPIC,
}


class Refusal(Exception):  # noqa: N818 - an answer, not a fault
    """A request, or one of its records, is refused.

    Args:
        reason: Its kind, from which the dialect takes status and code.
        message: One sentence for the client. Never holds a key or a value.
        headers: Further headers of the answer.
    """

    def __init__(
        self, reason: RefusalReason, message: str, *, headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        retry = ((b"retry-after", b"%d" % RETRY_AFTER_S),) if reason in RETRYABLE else ()
        self.headers = headers + retry


def refusal_of(error: Exception) -> Refusal:
    """The refusal for an error. An unexpected one is logged, without its message.

    The message of such an exception may quote the body, and no key or value may reach a log.
    """
    if isinstance(error, Refusal):
        return error
    for kind, reason in REASONS.items():
        if isinstance(error, kind):
            return Refusal(reason, error.what)
    trace = "".join(traceback.format_tb(error.__traceback__))
    log.error("unexpected %s in a request\n%s", type(error).__name__, trace)
    return Refusal(RefusalReason.INTERNAL, "the gateway failed at this request; its own log says where")
