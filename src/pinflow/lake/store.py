"""Objects by path, on disk or in a bucket: one code path over obstore."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore

from pinflow.errors import AbsentError, ConfigError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obstore.store import ObjectStore

__all__ = ["Store", "open_store"]


class Store:
    """A flat space of objects under one root.

    Writes are atomic: a reader sees a whole object or none. All calls block; all are safe to repeat.

    Raises:
        UnavailableError: From every call, when the store cannot be reached or refuses.
    """

    def __init__(self, objects: ObjectStore, url: str) -> None:
        self._objects = objects
        self.url = url

    def put(self, path: str, data: bytes) -> None:
        """Write an object, over any that is there."""
        try:
            obstore.put(self._objects, path, data)
        except (BaseError, OSError) as error:
            raise self._failed("written", path, error) from error

    def put_if_absent(self, path: str, data: bytes) -> bool:
        """Write an object unless one is there; of several callers exactly one gets True."""
        try:
            obstore.put(self._objects, path, data, mode="create")
        except AlreadyExistsError:
            return False
        except (BaseError, OSError) as error:
            raise self._failed("written", path, error) from error
        return True

    def get(self, path: str) -> bytes | None:
        """Read an object; None when there is none."""
        try:
            return bytes(obstore.get(self._objects, path).bytes())
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            raise self._failed("read", path, error) from error

    def delete(self, path: str) -> None:
        """Delete an object, if it is there."""
        try:
            obstore.delete(self._objects, path)
        except FileNotFoundError:
            return
        except (BaseError, OSError) as error:
            raise self._failed("deleted", path, error) from error

    def list(self, prefix: str) -> Iterator[str]:
        """Paths below a prefix, in no particular order."""
        try:
            for page in obstore.list(self._objects, prefix):
                yield from (str(meta["path"]) for meta in page)
        except (BaseError, OSError) as error:
            raise self._failed("listed", prefix, error) from error

    def child(self, path: str) -> str:
        """The address of a path, for libraries that open it themselves."""
        return f"{self.url}/{path}"

    def _failed(self, verb: str, path: str, error: Exception) -> UnavailableError:
        reason = str(error).split("\n", 1)[0]
        return UnavailableError(
            f"an object of the lake cannot be {verb}: {reason}", where=self.child(path), hint="pinflow doctor"
        )


def open_store(url: str, *, read_only: bool = False) -> Store:
    """Open the lake at a folder, which is made unless it is only to be read.

    Raises:
        ConfigError: The scheme is not carried.
        AbsentError: It is only to be read, and not there.
        UnavailableError: The folder cannot be made.
    """
    scheme, separator, rest = url.partition("://")
    if separator and scheme != "file":
        raise ConfigError(
            f"no lake is called {scheme!r}", where=f"lake.url = {url}", hint="use a folder, or file:///folder"
        )
    folder = Path(rest if separator else url).absolute()
    if read_only and not folder.exists():
        raise AbsentError("there is no lake yet", where=str(folder), hint="pinflow demo, or pinflow up")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return Store(LocalStore(folder), str(folder))
    except (BaseError, OSError) as error:
        raise UnavailableError(
            f"the lake cannot be opened: {error}", where=str(folder), hint="pinflow doctor"
        ) from error
