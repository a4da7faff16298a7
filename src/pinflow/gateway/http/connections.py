"""All connections of a gateway: how many there may be, which are idle, and whose time is over."""

from __future__ import annotations

import asyncio
import resource
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pinflow.config import Gateway
    from pinflow.gateway.http.protocol import GatewayProtocol
    from pinflow.gateway.metrics import Metrics

__all__ = ["ConnectionLimits", "Connections", "raise_file_limit"]

LOOK_S = 0.5
"""How often all connections are looked at: a limit of seconds is kept to half a second; 4,000 cost a millisecond."""

OTHER_FILES = 256
"""Files that are not connections: the log's, the program's own, and handshakes under way."""


class ConnectionLimits(NamedTuple):
    """What one connection may take, and how many there may be."""

    max_connections: int
    max_header_bytes: int
    header_s: float
    body_s: float

    @classmethod
    def of(cls, gateway: Gateway) -> ConnectionLimits:
        """From the configuration."""
        return cls(
            gateway.max_connections, gateway.max_header_bytes, gateway.header_seconds, gateway.body_seconds
        )


class Connections:
    """The connections that are open.

    Where there are as many as there may be, a new one takes the place of the one that has been idle longest, so that
    a client that opens thousands and sends nothing keeps nobody out.
    """

    def __init__(self, limits: ConnectionLimits, metrics: Metrics) -> None:
        self.limits = limits
        self._metrics = metrics
        self._open: set[GatewayProtocol] = set()
        self._idle: dict[GatewayProtocol, None] = {}
        metrics.watch_connections(lambda: len(self._open))

    def admit(self, connection: GatewayProtocol) -> bool:
        """Admit a new one, if there is a place for it; return whether there is."""
        if len(self._open) >= self.limits.max_connections:
            if not self._idle:
                return False
            oldest = next(iter(self._idle))
            self.remove(oldest)
            self.count_ended("eviction")
            oldest.evict()
        self._open.add(connection)
        self._idle[connection] = None
        return True

    def remove(self, connection: GatewayProtocol) -> None:
        """Forget one that is gone."""
        self._open.discard(connection)
        self._idle.pop(connection, None)

    def set_idle(self, connection: GatewayProtocol) -> None:
        """Its answer is sent, and nothing more has come."""
        if connection in self._open:
            self._idle[connection] = None

    def set_busy(self, connection: GatewayProtocol) -> None:
        """A request has begun on it."""
        self._idle.pop(connection, None)

    def count_ended(self, why: str) -> None:
        """Count one that the gateway ends, and why."""
        self._metrics.connection_ended(why)

    async def watch(self) -> None:
        """End those whose time is over, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_S)
            now = loop.time()
            for connection in list(self._open):
                connection.check_times(now)


def raise_file_limit(connections: int) -> int:
    """Let this process open this many connections, if the system allows; return how many it can."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return connections if soft == resource.RLIM_INFINITY else max(1, min(connections, soft - OTHER_FILES))
