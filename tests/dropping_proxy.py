"""A TCP proxy that loses answers: it takes one from the server and hangs up on the client instead of passing it on."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Proxy", "dropping"]


class Proxy:
    """Passes bytes to and from a server on this machine; every so many answers one is dropped."""

    def __init__(self, url: str, every: int) -> None:
        self.answers = 0
        self.dropped = 0
        self._target = urlsplit(url)
        self._every = every
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for each in self._sockets:
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection((self._target.hostname or "", self._target.port or 0))
            self._sockets += [client, server]
            for pump in (self._up, self._down):
                threading.Thread(target=pump, args=(client, server), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(1 << 16):
                server.sendall(data)
        _hang_up(client, server)

    def _down(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(1 << 20):
                if data.startswith(b"HTTP/1.1") and self._drops():
                    break
                client.sendall(data)
        _hang_up(client, server)

    def _drops(self) -> bool:
        with self._lock:
            self.answers += 1
            drop = self.answers % self._every == 0
            self.dropped += drop
            return drop


def _hang_up(*sockets: socket.socket) -> None:
    for each in sockets:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


@contextmanager
def dropping(url: str, every: int) -> Iterator[Proxy]:
    """A proxy before a server."""
    proxy = Proxy(url, every)
    try:
        yield proxy
    finally:
        proxy.close()
