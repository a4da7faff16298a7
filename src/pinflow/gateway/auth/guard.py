"""Who may do what: the API keys.

Without a file of keys the gateway serves everybody who reaches it. Once the file is there, every request but `/healthz`
needs a key from it, also after the last key is revoked, and also if the file goes away again while the gateway runs.
"""

from __future__ import annotations

import logging
from base64 import b64decode
from binascii import Error as NoBase64
from hmac import compare_digest
from typing import TYPE_CHECKING

from pinflow.errors import AbsentError, PinflowError, UnavailableError
from pinflow.gateway.auth.key_file import ApiKey, digest_of, id_of, read_keys
from pinflow.gateway.refusal import Refusal, RefusalReason, refusal_of
from pinflow.gateway.route import route_of

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping
    from pathlib import Path
    from typing import Any

__all__ = ["CALLER", "Guard", "caller_of"]

CALLER = "pinflow.caller"
"""Where in the scope the caller's key stands, once it is known."""

CHALLENGES = (
    (b"www-authenticate", b'Bearer realm="pinflow"'),
    (b"www-authenticate", b'Basic realm="pinflow", charset="UTF-8"'),
)

NOBODY = ApiKey("", "", "", [], digest_of(""))
"""Compared where no key has the id, so that it takes as long as where one has."""

SIGNED = b"aws4-hmac-sha256 "
"""How the `Authorization` of an AWS SDK begins."""

log = logging.getLogger("pinflow.gateway")

_Stamp = tuple[int, int, int] | None


class Guard:
    """Checks every request against the file of keys, which it reads again whenever it has changed.

    Args:
        path: The file, there or not; None for a gateway that needs no keys.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stamp: _Stamp = None
        self._keys: dict[str, ApiKey] = {}
        self._closed = False
        self._broken = False
        self._refresh()

    @property
    def closed(self) -> bool:
        """Whether a key is needed."""
        self._refresh()
        return self._closed

    def refusal(self, scope: MutableMapping[str, Any]) -> Refusal | None:
        """Why this request may not be done; None if it may, and then its caller stands in the scope."""
        route = route_of(scope)
        if not self.closed or route.public:
            return None
        if self._broken:
            return refusal_of(UnavailableError("the API keys cannot be read; nobody is let in"))
        caller = self._caller(scope["headers"])
        if caller is None:
            return Refusal(
                RefusalReason.UNAUTHORIZED,
                "an API key is needed: Authorization: Bearer <key>, or Basic with the key's name and the key;"
                " an AWS SDK sends it as its session token (AWS_SESSION_TOKEN)",
                headers=CHALLENGES,
            )
        if route.topic is not None and not caller.allows(route.topic):
            return Refusal(RefusalReason.FORBIDDEN, "this API key is not for this topic")
        scope[CALLER] = caller
        return None

    def _caller(self, headers: Iterable[tuple[bytes, bytes]]) -> ApiKey | None:
        values = [value for name, value in headers if name == b"authorization"]
        if len(values) != 1:
            return None
        if values[0][: len(SIGNED)].lower() == SIGNED:
            user, text = None, _session_token(headers)
        else:
            user, text = _credentials(values[0])
        key = self._keys.get(id_of(text), NOBODY)
        good = compare_digest(digest_of(text), key.sha256)
        if user is not None:
            sent = user.encode("utf-8", "surrogateescape")
            named = [compare_digest(sent, name.encode()) for name in (key.name, key.id)]
            good = good and any(named)
        return key if good and key is not NOBODY else None

    def _refresh(self) -> None:
        if self._path is None:
            return
        stamp = _stamp_of(self._path)
        if stamp == self._stamp and not self._broken:
            return
        try:
            self._keys = {key.id: key for key in read_keys(self._path)}
            self._closed, self._broken = True, False
        except AbsentError:
            self._keys, self._broken = {}, False
        except PinflowError as error:
            if not self._broken or stamp != self._stamp:
                log.error("%s (%s)", error.what, error.where)  # noqa: TRY400 - an expected failure, reported once
            self._keys, self._closed, self._broken = {}, True, True
        self._stamp = stamp


def caller_of(scope: MutableMapping[str, Any]) -> ApiKey | None:
    """The key of a request that was let in, None where none is needed."""
    caller: ApiKey | None = scope.get(CALLER)
    return caller


def _stamp_of(path: Path) -> _Stamp:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ino, stat.st_size


def _credentials(value: bytes) -> tuple[str | None, str]:
    """The user, None for Bearer, and the key in an `Authorization`; both are empty in any other scheme."""
    scheme, _, rest = value.partition(b" ")
    rest = rest.strip()
    if scheme.lower() == b"bearer":
        return None, rest.decode("utf-8", "surrogateescape")
    if scheme.lower() == b"basic":
        try:
            user, _, password = b64decode(rest, validate=True).decode().partition(":")
        except (NoBase64, UnicodeDecodeError):
            return "", ""
        return user, password
    return "", ""


def _session_token(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The session token that an AWS SDK sends beside its signature.

    Only hashes of keys are kept, so a signature cannot be checked and its access key is not looked at. The session
    token is the one credential that an SDK sends as it is and that its users keep secret.
    """
    values = [value for name, value in headers if name == b"x-amz-security-token"]
    return values[0].strip().decode("utf-8", "surrogateescape") if len(values) == 1 else ""
