"""Moto's server one request at a time.

Its Kinesis loses records that two requests put at once, and its S3 lets two win a conditional put, as AWS does not.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import run_simple

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["main"]


class OneAtATime:
    """A WSGI application that answers one request after the other."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        with self._lock:
            return [b"".join(self._app(environ, start_response))]


class Handler(MotoRequestHandler):
    """Keeps connections, as AWS does."""

    protocol_version = "HTTP/1.1"


def main(port: int) -> None:
    """Serve until ended."""
    app = OneAtATime(DomainDispatcherApplication(create_backend_app))
    run_simple("127.0.0.1", port, app, threaded=True, request_handler=Handler)


if __name__ == "__main__":
    main(int(sys.argv[1]))
