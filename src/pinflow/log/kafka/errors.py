"""Kafka's errors, translated into ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException

from pinflow.errors import (
    ConfigError,
    PinflowError,
    TerminalError,
    TooLargeError,
    TopicExistsError,
    UnavailableError,
    UnknownPartitionError,
    UnknownTopicError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["LOST", "NO_TOPIC", "TOO_LARGE", "UNSETTLED", "error_of", "no_leader_error", "translate_error"]

NO_TOPIC = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.UNKNOWN_TOPIC_ID,
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 - the library's names of its local errors
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
    }
)
"""A broker does not know the topic or the partition: it does not exist, or was created a moment ago."""

TOO_LARGE = frozenset(
    {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE, KafkaError.INVALID_MSG_SIZE}
)

UNSETTLED = NO_TOPIC | {
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.REPLICA_NOT_AVAILABLE,
}
"""A partition is between two leaders, or has none yet: asked again shortly after, it answers."""

LOST = frozenset(
    {
        KafkaError._MSG_TIMED_OUT,  # noqa: SLF001
        KafkaError._TIMED_OUT,  # noqa: SLF001
        KafkaError._TRANSPORT,  # noqa: SLF001
        KafkaError.REQUEST_TIMED_OUT,
    }
)
"""There was no answer: what became of the request is not known, whatever else a client reported meanwhile."""

NOT_ALLOWED = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)

ACCESS_DENIED = frozenset(
    {
        KafkaError._AUTHENTICATION,  # noqa: SLF001
        KafkaError._SSL,  # noqa: SLF001
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
        KafkaError.ILLEGAL_SASL_STATE,
    }
)

CUT = ("transport failure", "timed out", "Disconnected", "Connection reset", "Connection refused")
"""librdkafka's words for a connection that was lost."""

NOT_POSSIBLE = frozenset(
    {
        KafkaError.INVALID_CONFIG,
        KafkaError.INVALID_PARTITIONS,
        KafkaError.INVALID_REPLICATION_FACTOR,
        KafkaError.INVALID_REPLICA_ASSIGNMENT,
        KafkaError.POLICY_VIOLATION,
        KafkaError.TOPIC_DELETION_DISABLED,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError._INVALID_ARG,  # noqa: SLF001
    }
)

REFUSED = frozenset(
    {
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.UNSUPPORTED_COMPRESSION_TYPE,
        KafkaError.UNSUPPORTED_FOR_MESSAGE_FORMAT,
        KafkaError.UNSUPPORTED_VERSION,
        KafkaError._UNSUPPORTED_FEATURE,  # noqa: SLF001
    }
)

PAGE = "docs/parts/kafka.md"

CONNECTION = "look whether brokers listen there, and whether security=… of log.url is what that port speaks"


def error_of(exception: KafkaException) -> KafkaError:
    """The error that an exception of the library carries."""
    found = exception.args[0] if exception.args else None
    return found if isinstance(found, KafkaError) else KafkaError(KafkaError.UNKNOWN, str(exception))


def translate_error(
    error: KafkaError, doing: str, where: str, heard: Iterable[KafkaError] = ()
) -> PinflowError:
    """An error of librdkafka as one of ours.

    Args:
        error: What a call or a delivery report says.
        doing: What failed, as in "the log cannot be read".
        where: Topic, partition or URL, without secrets.
        heard: Errors that the client reported by itself shortly before, newest first. They explain a timeout.
    """
    heard = [*heard]
    first = next(filter(_denies_access, heard), None) or next(iter(heard), None)
    code = error.code()
    if code in KNOWN and (code not in ACCESS_DENIED or _denies_access(error)):
        kind, what, hint = KNOWN[code]
        return kind(f"{doing}: {what or _text(error)}", where=where, hint=hint)
    if first is not None and _denies_access(first):
        kind, what, hint = KNOWN[first.code()]
        return kind(f"{doing}: {_text(first)}", where=where, hint=hint)
    reason = _text(error) if first is None else f"{_text(error)} ({_text(first)})"
    hint = CONNECTION if code == KafkaError._TRANSPORT else "pinflow doctor"  # noqa: SLF001
    return UnavailableError(f"{doing}: {reason}", where=where, hint=hint)


def _denies_access(error: KafkaError) -> bool:
    """Whether the brokers do not let this user in. A connection that is cut early is reported under the same codes."""
    return error.code() in ACCESS_DENIED and not any(word in error.str() for word in CUT)


def no_leader_error(where: str, error: KafkaError) -> UnavailableError:
    """The error for a topic that exists while one of its partitions is between two leaders."""
    return UnavailableError(
        f"a partition has no leader that answers: {_text(error)}", where=where, hint="pinflow doctor"
    )


def _text(error: KafkaError) -> str:
    return error.str().removeprefix("Broker: ").removeprefix("Local: ")


KNOWN: dict[int, tuple[type[PinflowError], str, str]] = {
    **dict.fromkeys(NO_TOPIC, (UnknownTopicError, "there is no such topic", "pinflow gateway topics list")),
    KafkaError._UNKNOWN_PARTITION: (UnknownPartitionError, "there is no such partition", ""),  # noqa: SLF001
    **dict.fromkeys(
        TOO_LARGE, (TooLargeError, "the record is larger than the brokers take", "raise max.message.bytes")
    ),
    **dict.fromkeys(NOT_ALLOWED, (TerminalError, "", f"{PAGE} lists the permissions that are needed")),
    **dict.fromkeys(
        ACCESS_DENIED, (TerminalError, "", f"look at user, password, security and ca of log.url; {PAGE}")
    ),
    **dict.fromkeys(NOT_POSSIBLE, (ConfigError, "", PAGE)),
    **dict.fromkeys(REFUSED, (TerminalError, "", PAGE)),
    KafkaError.TOPIC_ALREADY_EXISTS: (TopicExistsError, "it is there already", ""),
}
"""Code → our error, its text (empty for Kafka's own words) and what to do. All other errors are temporary."""
