"""librdkafka's clients, configured by a URL, and the errors that they report by themselves."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from pinflow.errors import ConfigError, MissingExtraError, TerminalError, UnavailableError
from pinflow.log.kafka.errors import error_of, translate_error
from pinflow.retrying import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from confluent_kafka.admin._metadata import ClusterMetadata

    from pinflow.errors import PinflowError
    from pinflow.log.kafka.url import KafkaSettings

__all__ = ["ASK_S", "DELIVERY_S", "LOOK_AGAIN", "Clients"]

ASK_S = 5.0
"""How long a question to the brokers may take: a first connection with TLS and IAM in another region takes two."""

LOOK_AGAIN = Backoff(first=0.05, most=0.05, factor=1)
"""Between two looks at what the brokers are about to show: a leader, a topic that was made or deleted."""

LISTEN_S = 1.0
"""How long one try to reach the brokers takes. Between two tries the client reports why it is not let in."""

DELIVERY_S = 20.0
"""How long an append tries: past the nine seconds after which a dead broker's partitions get new leaders."""

ACK_S = 5.0
"""How long a leader waits for its followers before it reports that there are not enough."""

SILENT_S = 10.0
"""After this time without an answer the client leaves a broker; `ACK_S` and the way there and back are shorter."""

RECONNECT_MAX_S = 1.0
"""A broker that comes back is found within this."""

PROPAGATION_S = 1.0
"""How long a topic may be unknown to the brokers before an append to it fails. That it is there is known before."""

LONGEST_RECORD = 32 << 20
"""The client refuses what is larger; the brokers refuse by their own `message.max.bytes`, most of them 1 MiB."""

QUEUED_RECORDS, QUEUED_KIB = 500_000, 256 << 10
"""What waits to be sent. An append that is larger than that goes in parts."""

FETCH_WAIT_S = 0.1
"""How long a broker holds a fetch when there is nothing. A partition that is added waits for the fetch under way."""

FETCH_BACKOFF_S = 0.01
"""How long the next fetch of a partition waits when the fetched records reach `PREFETCH_KIB`."""

PREFETCH_KIB = 16 << 10
"""Records that a reader has fetched ahead of what was asked for."""

HEARD_S = 30.0
"""For how long an error that a client reported by itself explains a failure."""

HEARD = 8
"""How many such errors are kept."""

NO_LOG = 0
"""librdkafka would write to stderr by itself; our errors say what it reports."""

TIMED_OUT = frozenset({KafkaError._TIMED_OUT, KafkaError.REQUEST_TIMED_OUT})  # noqa: SLF001

Config = dict[str, Any]

T = TypeVar("T")


class Clients:
    """Makes the clients of one log, and keeps the errors that they report by themselves."""

    def __init__(self, settings: KafkaSettings) -> None:
        self.settings = settings
        self._heard: deque[tuple[float, KafkaError]] = deque(maxlen=HEARD)
        self._lock = threading.Lock()
        self._admin: AdminClient | None = None

    @property
    def admin(self) -> AdminClient:
        """The one that asks about topics and offsets, and changes them. Safe to use from several threads."""
        with self._lock:
            if self._admin is None:
                self._admin = self._make(AdminClient, {})
            self._admin.poll(0)  # lets it report its errors
            return self._admin

    def producer(self, batch_bytes: int) -> Producer:
        """A new idempotent producer, which sends records in batches of up to `batch_bytes`."""
        producer: Producer = self._make(
            Producer,
            {
                "enable.idempotence": True,
                "acks": "all",
                "batch.size": batch_bytes,
                "linger.ms": 5,  # while an append is handed over; a flush ends it
                "delivery.timeout.ms": _ms(DELIVERY_S),
                "request.timeout.ms": _ms(ACK_S),
                "message.max.bytes": LONGEST_RECORD,
                "queue.buffering.max.messages": QUEUED_RECORDS,
                "queue.buffering.max.kbytes": QUEUED_KIB,
                "topic.metadata.propagation.max.ms": _ms(PROPAGATION_S),
            },
        )
        return producer

    def consumer(self, group: str = "", **more: Callable[..., None]) -> Consumer:
        """A new consumer without partitions. It is not a member of its group, so it need not name one."""
        consumer: Consumer = self._make(
            Consumer,
            {
                "group.id": group or f"{self.settings.group}-reader",  # the library requires one
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": _ms(FETCH_WAIT_S),
                "fetch.queue.backoff.ms": _ms(FETCH_BACKOFF_S),
                "queued.max.messages.kbytes": PREFETCH_KIB,
                **more,
            },
        )
        return consumer

    def metadata(self) -> ClusterMetadata:
        """What the brokers report of the cluster and all its topics.

        Raises:
            UnavailableError: They do not answer.
            TerminalError: They do not let this user in; raised as soon as a client reports it.
        """
        deadline = time.monotonic() + ASK_S
        while True:
            try:
                return self.admin.list_topics(timeout=LISTEN_S)
            except KafkaException as error:
                failed = self.translate(error, "the brokers cannot be reached")
                timed_out = error_of(error).code() in TIMED_OUT and not isinstance(failed, TerminalError)
                if not timed_out or time.monotonic() > deadline:
                    raise failed from error

    def by_controller(self, ask: Callable[[float], Future[T]]) -> T:
        """The answer to a question, safe to ask again, that the client puts to the cluster's controller.

        The client waits for the controller that it knows, and does not look for another when that one dies.

        Args:
            ask: Asks; its argument is the time limit in seconds.

        Raises:
            KafkaException: The controller's error, or that it did not answer.
            UnavailableError: No broker answers.
        """
        deadline = time.monotonic() + ASK_S
        while True:
            try:
                return ask(LISTEN_S).result()
            except KafkaException as error:
                if error_of(error).code() not in TIMED_OUT or time.monotonic() > deadline:
                    raise
                self.metadata()  # finds the present controller

    def translate(self, error: KafkaError | KafkaException, doing: str, where: str = "") -> PinflowError:
        """A client's error as one of ours."""
        found = error_of(error) if isinstance(error, KafkaException) else error
        if self._admin is not None:
            self._admin.poll(0)
        since = time.monotonic() - HEARD_S
        heard = [each for at, each in reversed([*self._heard]) if at > since]  # others hear meanwhile
        return translate_error(found, doing, where or self.settings.shown, heard)

    def _make(self, kind: Any, own: Config) -> Any:
        config = self._common() | own | self.settings.client
        try:
            return kind(config)
        except KafkaException as error:
            raise ConfigError(
                f"librdkafka does not take this configuration: {error_of(error).str()}",
                where=f"log.url = {self.settings.shown}",
                hint="docs/parts/kafka.md lists the options",
            ) from error

    def _common(self) -> Config:
        config: Config = {
            "client.id": "pinflow",
            "allow.auto.create.topics": False,
            "error_cb": self._on_error,
            "log_level": NO_LOG,
            "socket.timeout.ms": _ms(SILENT_S),
            "reconnect.backoff.max.ms": _ms(RECONNECT_MAX_S),
        }
        if self.settings.region:
            self._iam_token("")  # the library would retry for ten seconds, and hide the reason
            config["oauth_cb"] = self._iam_token
        return config

    def _on_error(self, error: KafkaError) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - its cause was reported before
            self._heard.append((time.monotonic(), error))

    def _iam_token(self, _: str) -> tuple[str, float]:
        """A token of AWS MSK IAM, signed here with the credentials of this process, and when it expires.

        Raises:
            TerminalError: There are no credentials.
            UnavailableError: The AWS credential provider cannot be reached.
        """
        try:
            from aws_msk_iam_sasl_signer import MSKAuthTokenProvider  # noqa: PLC0415
            from botocore.exceptions import (  # noqa: PLC0415
                BotoCoreError,
                ClientError,
                CredentialRetrievalError,
                HTTPClientError,
                MetadataRetrievalError,
            )
        except ImportError as error:
            raise MissingExtraError("MSK IAM authentication", "kafka") from error
        try:
            token, expires_ms = MSKAuthTokenProvider.generate_auth_token(self.settings.region)
        except (HTTPClientError, MetadataRetrievalError, CredentialRetrievalError, ClientError) as error:
            raise UnavailableError(
                f"the AWS credential provider for MSK IAM cannot be reached: {error}",
                where=self.settings.shown,
                hint="pinflow doctor",
            ) from error
        except (
            AttributeError,
            ValueError,
            BotoCoreError,
        ) as error:  # AttributeError where it found none
            raise TerminalError(
                "there are no AWS credentials for MSK IAM",
                where=self.settings.shown,
                hint="set AWS_PROFILE, or the role of this machine",
            ) from error
        return token, expires_ms / 1000


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
