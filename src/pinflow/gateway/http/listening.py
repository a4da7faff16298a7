"""Where the gateway listens, and whether it may: without keys or without TLS, only within this machine."""

from __future__ import annotations

import errno
import socket
import ssl
from ipaddress import ip_address
from typing import TYPE_CHECKING

from pinflow.errors import ConfigError, UnavailableError

if TYPE_CHECKING:
    from pinflow.config import Gateway

__all__ = ["BACKLOG", "bound", "require_safe", "tls_context", "url_of"]

BACKLOG = 2048
"""Connections that may wait to be accepted: a burst of clients, none of which is turned away."""


def require_safe(gateway: Gateway, *, keys: bool) -> None:
    """Check that a gateway that others can reach has keys and TLS, or is configured to do without.

    Raises:
        ConfigError: It is to listen beyond the loopback, and lacks one of the two.
    """
    lacking = [name for name, there in (("API keys", keys), ("TLS", bool(gateway.tls_cert))) if not there]
    if not lacking or gateway.insecure or _is_loopback(gateway.host):
        return
    raise ConfigError(
        f"the gateway does not listen beyond this machine without {' and '.join(lacking)}",
        where=f"gateway.host = {gateway.host}",
        hint="pinflow gateway keys create, and --tls-cert with --tls-key; or --insecure, behind a proxy that has both",
    )


def tls_context(gateway: Gateway) -> ssl.SSLContext | None:
    """TLS of the certificate and key files; None where there are none.

    Raises:
        ConfigError: One of the two is missing, cannot be read, or does not fit the other.
    """
    if not gateway.tls_cert:
        if gateway.tls_key:
            raise ConfigError("a TLS key needs its certificate", where="gateway.tls_cert")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # The password is never asked for at the terminal: a key that needs one does not load.
        context.load_cert_chain(gateway.tls_cert, gateway.tls_key or None, password=lambda: "")
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"the TLS certificate and key cannot be loaded: {getattr(error, 'strerror', None) or error}",
            where=f"gateway.tls_cert = {gateway.tls_cert}, gateway.tls_key = {gateway.tls_key}",
            hint="both are PEM files, the key without a password",
        ) from error
    return context


def bound(gateway: Gateway) -> socket.socket:
    """A socket at the configured address.

    Raises:
        UnavailableError: The address is taken or not of this machine.
    """
    family = socket.AF_INET6 if ":" in gateway.host else socket.AF_INET
    try:
        return socket.create_server((gateway.host, gateway.port), family=family, backlog=BACKLOG)
    except OSError as error:
        elsewhere = (
            error.errno == errno.EADDRNOTAVAIL or (error.errno or 0) < 0
        )  # a name's errors are negative
        raise UnavailableError(
            f"the gateway cannot listen: {error.strerror or error}",
            where=f"{gateway.host}:{gateway.port}",
            hint="set gateway.host to an address of this machine"
            if elsewhere
            else "set gateway.port to a free port, or to 0 for any",
        ) from error


def url_of(listening: socket.socket, *, tls: bool) -> str:
    """The URL of a socket that listens."""
    host, port = listening.getsockname()[:2]
    scheme = "https" if tls else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _is_loopback(host: str) -> bool:
    """Whether all addresses of a name are of the loopback. A name that means nothing is not."""
    try:
        found = socket.getaddrinfo(host or "0.0.0.0", None, type=socket.SOCK_STREAM)  # noqa: S104 - only asked about
    except OSError:
        return False
    return all(ip_address(str(each[4][0]).partition("%")[0]).is_loopback for each in found)
