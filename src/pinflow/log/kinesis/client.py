"""Calling Kinesis: boto3 with time limits and retries chosen for each kind of call."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from pinflow.errors import ConfigError, MissingExtraError
from pinflow.log.kinesis.errors import Failure, first_line

try:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError, ProfileNotFound
except ImportError as error:
    raise MissingExtraError("the Kinesis log", "kinesis") from error

if TYPE_CHECKING:
    from pinflow.log.kinesis.url import KinesisSettings

__all__ = ["Client"]

CONNECT_S = 1.0
"""Until a connection stands. In AWS it takes milliseconds, and the gateway's clients have a 503 within two seconds."""


CONNECTIONS = 32
"""Kept open for each kind of call; as many as puts may be under way, or jobs read at once."""

READ_S = 10.0
"""Until a page of records is there: it may be 10 MiB."""

TRIES = {
    # Records without an answer may be there. Were they put again they would be acknowledged, and there twice: so
    # boto3 must not try again, and `kinesis_put` does only with what is known not to be there.
    "put": 1,
    # Create and delete change nothing when they come twice; the rest only asks.
    "ask": 2,
    "read": 3,
}
"""How often each kind of call is tried in all."""


class Client:
    """Calls of Kinesis. Safe to use from several threads.

    Raises:
        ConfigError: There is no such profile.
    """

    def __init__(self, address: KinesisSettings) -> None:
        self._address = address
        self._made: dict[str, Any] = {}
        self._lock = threading.Lock()
        for talker in ("boto3", "botocore"):  # below that botocore tells signatures and session tokens
            logging.getLogger(talker).setLevel(logging.WARNING)
        try:
            self._session = boto3.Session(profile_name=address.profile or None, region_name=address.region)
        except ProfileNotFound:
            raise ConfigError(
                f"there is no AWS profile {address.profile!r}",
                where="log.url",
                hint="aws configure list-profiles",
            ) from None
        try:
            self._client("ask")  # the first one takes long, and at a request somebody would wait for it
        except BotoCoreError as error:
            raise ConfigError(
                f"the AWS configuration of this process does not fit: {first_line(error)}",
                where="log.url",
                hint="aws configure list shows what is set, and where",
            ) from error

    def put(self, **request: Any) -> dict[str, Any]:
        """`PutRecords`, once. Raises `Failure`."""
        return self._call("put", "put_records", request)

    def ask(self, operation: str, **request: Any) -> dict[str, Any]:
        """A call that is small and may come twice. Raises `Failure`."""
        return self._call("ask", operation, request)

    def read(self, operation: str, **request: Any) -> dict[str, Any]:
        """A call on the way to records. Raises `Failure`."""
        return self._call("read", operation, request)

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            for client in self._made.values():
                client.close()
            self._made.clear()

    def _call(self, kind: str, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self._client(kind), operation)(**request)
        except ClientError as error:
            said = error.response.get("Error", {})
            raise Failure(str(said.get("Code", "")), first_line(said.get("Message", ""))) from error
        except BotoCoreError as error:
            raise Failure(type(error).__name__, first_line(error)) from error
        return answer

    def _client(self, kind: str) -> Any:
        with self._lock:
            client = self._made.get(kind)
            if client is None:
                client = self._made[kind] = self._session.client(
                    "kinesis",
                    endpoint_url=self._address.endpoint or None,
                    config=Config(
                        connect_timeout=CONNECT_S,
                        read_timeout=max(READ_S, self._address.timeout)
                        if kind == "read"
                        else self._address.timeout,
                        max_pool_connections=CONNECTIONS,
                        retries={"mode": "standard", "total_max_attempts": TRIES[kind]},
                        user_agent_extra="pinflow",
                    ),
                )
            return client
