"""The file of API keys: made, listed and revoked here, read by `guard`.

A key is `pf_<id>_<secret>`. Its secret is 32 bytes from the system's random source, and the file keeps only the SHA-256
of the whole. A slow hash such as scrypt protects passwords, which can be guessed; 256 random bits cannot, whatever a
guess costs, and the gateway checks a key at every request. A salt would guard against equal secrets and against tables
made in advance, and there are neither. See decision 0010.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from contextlib import contextmanager
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from pinflow.errors import AbsentError, ConfigError, UnavailableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["ApiKey", "create_key", "digest_of", "id_of", "read_keys", "revoke_key"]

PREFIX = "pf"
ID_BYTES = 6
SECRET_BYTES = 32

FILE_MODE = 0o600

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
"""A name is the user of Basic authentication, which may hold no colon."""


class ApiKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept of one key.

    Attributes:
        id: Its second part, in the clear.
        name: Who it is for; no two keys have the same.
        created: When, ISO 8601 UTC.
        topics: Patterns of topic names, `*`, `?` and `[…]` as in a shell; it may use what any of them matches.
        sha256: Of the whole key's text, hexadecimal.
    """

    id: str
    name: str
    created: str
    topics: list[str]
    sha256: str

    def allows(self, topic: str) -> bool:
        """Whether it may use a topic, to post or to look."""
        return any(fnmatchcase(topic, pattern) for pattern in self.topics)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    keys: list[ApiKey]


_decode = msgspec.json.Decoder(_File).decode


def read_keys(path: Path) -> list[ApiKey]:
    """All keys, in the order of their making.

    Raises:
        AbsentError: There is no such file.
        UnavailableError: It cannot be read.
        ConfigError: It is not a file of keys.
    """
    try:
        return _decode(path.read_bytes()).keys
    except FileNotFoundError as error:
        raise AbsentError(
            "there are no API keys yet", where=str(path), hint="pinflow gateway keys create --name NAME"
        ) from error
    except OSError as error:
        raise UnavailableError(f"the API keys cannot be read: {error.strerror}", where=str(path)) from error
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ConfigError(
            "the file of API keys is damaged",
            where=str(path),
            hint="bring it back from a copy, or delete it and make new keys",
        ) from None


def create_key(path: Path, name: str, topics: Sequence[str]) -> tuple[ApiKey, str]:
    """Make a key and return what is kept of it, and its text, which is kept nowhere.

    Raises:
        UsageError: The name is not legal or taken, or there is no pattern.
        UnavailableError: The file cannot be read or written.
        ConfigError: The file is not a file of keys.
    """
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is not a valid name for a key",
            hint="use 1 to 64 letters, digits, '.', '_' or '-', a letter first",
        )
    if not topics or not all(topics):
        raise UsageError("a key needs at least one pattern of topics", hint="--topics '*' allows every topic")
    with _lock_file(path):
        keys = _all(path)
        if any(key.name == name for key in keys):
            raise UsageError(
                f"there is a key called {name!r}", where=str(path), hint="pinflow gateway keys list"
            )
        ident = secrets.token_hex(ID_BYTES)
        text = f"{PREFIX}_{ident}_{secrets.token_urlsafe(SECRET_BYTES)}"
        created = datetime.now(UTC).isoformat(timespec="seconds")
        key = ApiKey(ident, name, created, list(topics), digest_of(text))
        _write(path, [*keys, key])
    return key, text


def revoke_key(path: Path, ident: str) -> ApiKey:
    """Take a key away; a gateway that runs refuses it from its next request on.

    Raises:
        AbsentError: There is no such key, or no keys at all.
        UnavailableError: The file cannot be read or written.
        ConfigError: The file is not a file of keys.
    """
    read_keys(path)
    with _lock_file(path):
        keys = read_keys(path)
        found = [key for key in keys if ident == key.id]
        if not found:
            raise AbsentError(
                f"there is no key {ident!r}", where=str(path), hint="pinflow gateway keys list shows each id"
            )
        _write(path, [key for key in keys if key.id != ident])
    return found[0]


def digest_of(text: str) -> str:
    """The hash that is kept of a key's text."""
    return sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def id_of(text: str) -> str:
    """The id in a key's text; empty if it has no such form."""
    prefix, _, rest = text.partition("_")
    ident, underscore, _ = rest.partition("_")
    return ident if prefix == PREFIX and underscore else ""


def _all(path: Path) -> list[ApiKey]:
    try:
        return read_keys(path)
    except AbsentError:
        return []


@contextmanager
def _lock_file(path: Path) -> Iterator[None]:
    """One writer at a time, across processes."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path.with_name(f"{path.name}.lock"), os.O_CREAT | os.O_RDWR, FILE_MODE)
    except OSError as error:
        raise _not_written(path, error) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _write(path: Path, keys: list[ApiKey]) -> None:
    """Put the whole file in place at once, readable by its owner only."""
    partial = path.with_name(f"{path.name}.part")
    try:
        partial.unlink(missing_ok=True)
        handle = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE)
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(_File(1, keys)), indent=2) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise _not_written(path, error) from error


def _not_written(path: Path, error: OSError) -> UnavailableError:
    return UnavailableError(
        f"the API keys cannot be written: {error.strerror}",
        where=str(path),
        hint="run as a user who may write there, or set gateway.keys_file",
    )
