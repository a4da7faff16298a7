"""Running the gateway: uvicorn on a socket of ours, stopped by a signal."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from pinflow.gateway.app import create_app
from pinflow.gateway.auth.guard import Guard
from pinflow.gateway.http.connections import ConnectionLimits, Connections, raise_file_limit
from pinflow.gateway.http.listening import BACKLOG, bound, require_safe, tls_context, url_of
from pinflow.gateway.http.protocol import GatewayProtocol
from pinflow.log import is_idempotent, open_log
from pinflow.log.idempotency import LogWithIdempotencyStore

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Generator

    from pinflow.config import Config, Gateway, Settings
    from pinflow.gateway.app import GatewayApp
    from pinflow.log import EventLog

__all__ = ["serve"]

GRACE_S = 2
"""How long a stop lets requests end: as long as the log may wait for a lock. The rest takes a second."""

SWITCH_INTERVAL_S = 0.0005
"""A thread waits for the interpreter at most this long. With the usual 5 ms a commit of 1 ms would take 6."""

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)

logger = logging.getLogger("pinflow.gateway")


class _Server(uvicorn.Server):
    """uvicorn's server with bounded connections, that logs where it listens and outlives its signals."""

    def __init__(
        self, config: uvicorn.Config, connections: Connections, url: str, ready_file: Path | None
    ) -> None:
        super().__init__(config)
        self._connections = connections
        self._url = url
        self._ready_file = ready_file

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=[])
        loop = asyncio.get_running_loop()

        def protocol() -> GatewayProtocol:
            return GatewayProtocol(
                self.config, self.server_state, self.lifespan.state, self._connections, loop
            )

        tls = self.config.ssl
        handshake_s = self._connections.limits.header_s if tls is not None else None
        for each in sockets or []:
            server = await loop.create_server(
                protocol, sock=each, ssl=tls, backlog=BACKLOG, ssl_handshake_timeout=handshake_s
            )
            self.servers.append(server)
        self._watching = loop.create_task(self._connections.watch())
        if self._ready_file is not None:
            _write_whole(self._ready_file, self._url)
        logger.info("the gateway listens on %s", self._url)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._watching.cancel()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        # uvicorn's own raises the signal again at the end, which would kill us before the log is closed.
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in STOP_SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def serve(settings: Settings, *, ready_file: Path | None = None) -> None:
    """Serve until SIGTERM or SIGINT; then end the requests under way within 3 s and return.

    Call in the main thread, which receives the signals.

    Args:
        settings: The sections `gateway` and `log`.
        ready_file: Gets the URL, with the port really bound, once connections are taken.

    Raises:
        UnavailableError: The address is taken or not of this machine.
        ConfigError: The log's URL names no backend, the TLS files do not load, or the gateway is to listen beyond this
            machine without keys and TLS.
    """
    config = settings.config
    if ready_file is not None:
        ready_file.unlink(missing_ok=True)  # one left by an earlier run would name a port that is not ours
    guard = Guard(Path(config.gateway.keys_file))
    require_safe(config.gateway, keys=guard.closed)
    tls = tls_context(config.gateway)
    log = _answering_log(config)
    try:
        listening = bound(config.gateway)
        app = create_app(log, config, guard)
        limits = ConnectionLimits.of(config.gateway)
        limits = limits._replace(max_connections=raise_file_limit(limits.max_connections))
        server = _Server(
            _uvicorn(app, config.gateway, tls),
            Connections(limits, app.metrics),
            url_of(listening, tls=tls is not None),
            ready_file,
        )
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        gc.freeze()  # what is loaded by now stays; no collection needs to look at it
        server.run([listening])
    finally:
        log.close()


def _answering_log(config: Config) -> EventLog:
    log = open_log(config.log.url)
    return log if is_idempotent(log) else LogWithIdempotencyStore(log, Path(config.gateway.answers_file))


def _uvicorn(app: GatewayApp, gateway: Gateway, tls: ssl.SSLContext | None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="httptools",
        loop="auto",  # uvloop where it is installed
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=gateway.keep_alive_seconds,  # type: ignore[arg-type] # it takes any number
        backlog=BACKLOG,
        ssl_context_factory=None if tls is None else lambda _config, _default: tls,
    )


def _write_whole(path: Path, text: str) -> None:
    """Write a file that is never seen half written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.part")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
