"""The store that a lake's URL names."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from obstore.exceptions import BaseError
from obstore.store import LocalStore

from pinflow.config import odd_characters
from pinflow.errors import AbsentError, ConfigError, UnavailableError
from pinflow.lake.store.objects import Store

__all__ = ["open_store"]

BACKENDS = {"s3": "pinflow.lake.store.s3:open_bucket"}
"""URL scheme → module:function, for what is not a folder."""


def open_store(url: str, *, read_only: bool = False) -> Store:
    """Open the lake at a folder, which is made unless it is only to be read, or in a bucket.

    The first request to a bucket is that of the first call.

    Raises:
        ConfigError: The scheme is unknown, or the URL is not valid.
        MissingExtraError: The packages for it are not installed.
        AbsentError: It is only to be read, and not there.
        UnavailableError: The folder cannot be made.
    """
    scheme, separator, rest = url.partition("://")
    if separator and scheme in BACKENDS:
        module, _, name = BACKENDS[scheme].partition(":")
        store: Store = getattr(import_module(module), name)(url)
        return store
    if separator and scheme != "file":
        known = ", ".join(f"{name}://" for name in BACKENDS)
        raise ConfigError(
            f"no lake is called {scheme!r}",
            where="lake.url",
            hint=f"use a folder, file:///folder, or {known}",
        )
    return _open_folder(Path(rest if separator else url).absolute(), read_only=read_only)


def _open_folder(folder: Path, *, read_only: bool) -> Store:
    if bad := odd_characters(str(folder)):
        raise ConfigError(
            f"the lake's path has characters that tables cannot have in theirs: {bad}",
            where=ascii(str(folder)),
            hint="choose another folder with lake.url",
        )
    if read_only and not folder.exists():
        raise AbsentError("there is no lake yet", where=str(folder), hint="pinflow demo, or pinflow up")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return Store(LocalStore(folder), str(folder))
    except (BaseError, OSError) as error:
        raise UnavailableError(
            f"the lake cannot be opened: {error}", where=str(folder), hint="pinflow doctor"
        ) from error
