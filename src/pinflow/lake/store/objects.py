"""Objects by path, on disk or in a bucket: one code path over obstore."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol
from uuid import uuid4

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError

from pinflow.errors import UnavailableError
from pinflow.lake.store.check import check_store
from pinflow.lake.store.refusals import no_bucket, translate_error

if TYPE_CHECKING:
    import builtins
    from collections.abc import Iterator
    from datetime import datetime

    from obstore.store import ObjectStore

    from pinflow.errors import PinflowError
    from pinflow.findings import Finding

__all__ = [
    "Access",
    "Found",
    "Store",
]


UPLOADS_AT_ONCE = 4
"""Parts of 5 MiB of one large object under way: 20 MiB have to get through within the time that a request has."""

CREATIONS = 5
"""Tries at a conditional put that the store postpones, as it does beside a deletion of the same object."""

WRITER = "writer"
"""The metadata of an object put if absent that holds the id of the call which has put it."""


class Found(NamedTuple):
    """An object of a listing: its path, its size in bytes, and when it was last written."""

    path: str
    size: int
    written_at: datetime


class Access(Protocol):
    """The way into a bucket. Its text describes the way to people, and holds no secret."""

    @abstractmethod
    def options(self) -> dict[str, str]:
        """Options by which deltalake opens what is in it, with credentials that hold for some minutes.

        Raises:
            TerminalError: There are no credentials.
            UnavailableError: The AWS credential provider cannot be reached.
        """


class Store:
    """A flat space of objects under one root.

    Writes are atomic: a reader sees a whole object or none. All calls block; all are safe to repeat.

    Raises:
        UnavailableError: From every call, when the store cannot be reached just now; a write may have been done.
        TerminalError: From every call, when it refuses for good, for example because a permission is missing.
    """

    def __init__(self, objects: ObjectStore, url: str, access: Access | None = None) -> None:
        self._objects = objects
        self._access = access
        self.url = url

    @property
    def is_remote(self) -> bool:
        """Whether it is a bucket: every call is a request, which takes its time and costs."""
        return self._access is not None

    @property
    def about(self) -> str:
        """Where it is, for people."""
        return f"{self.url} ({self._access})" if self._access is not None else self.url

    def options(self) -> dict[str, str] | None:
        """How deltalake opens what `child` names, credentials included as they are now; None for a folder."""
        return self._access.options() if self._access is not None else None

    def put(self, path: str, data: bytes) -> None:
        """Write an object, over any that is there."""
        with self._calling("written", path):
            obstore.put(self._objects, path, data, max_concurrency=UPLOADS_AT_ONCE)

    def put_if_absent(self, path: str, data: bytes) -> bool:
        """Write an object unless one is there; of several callers exactly one gets True.

        A client repeats a put whose answer was lost, and the answer then is that the object is there. The writer id in
        the object's metadata shows whether this very call has written it. A folder loses no answers.
        """
        writer_id = uuid4().hex
        for _ in range(CREATIONS):
            try:
                with self._calling("written", path):
                    attributes = {WRITER: writer_id} if self.is_remote else None
                    obstore.put(self._objects, path, data, mode="create", attributes=attributes)
            except AlreadyExistsError:
                holder = self._find_writer(path) if self.is_remote else ""
                if holder is not None:
                    return holder == writer_id
                continue  # deleted since; or the store said "conflict", by which it means "try again"
            return True
        raise UnavailableError("others write and delete the object all the time", where=self.child(path))

    def get(self, path: str) -> bytes | None:
        """Read an object; None when there is none."""
        try:
            with self._calling("read", path):
                return bytes(obstore.get(self._objects, path).bytes())
        except FileNotFoundError:
            return None

    def get_dated(self, path: str) -> tuple[bytes, datetime] | None:
        """Read an object, and when it was last written; None when there is none."""
        try:
            with self._calling("read", path):
                found = obstore.get(self._objects, path)
                return bytes(found.bytes()), found.meta["last_modified"]
        except FileNotFoundError:
            return None

    def get_range(self, path: str, start: int, length: int) -> bytes:
        """Read `length` bytes of an object from `start` on.

        Raises:
            FileNotFoundError: There is no such object.
        """
        with self._calling("read", path):
            return bytes(obstore.get_range(self._objects, path, start=start, length=length))

    def size(self, path: str) -> int:
        """The size of an object in bytes.

        Raises:
            FileNotFoundError: There is no such object.
        """
        with self._calling("read", path):
            return int(obstore.head(self._objects, path)["size"])

    def delete(self, path: str) -> None:
        """Delete an object, if it is there."""
        try:
            with self._calling("deleted", path):
                obstore.delete(self._objects, path)
        except FileNotFoundError:
            return

    def list(self, prefix: str) -> Iterator[str]:
        """Paths below a prefix, in no particular order."""
        for found in self.find(prefix):
            yield found.path

    def find(self, prefix: str) -> Iterator[Found]:
        """What is below a prefix, in no particular order."""
        with self._calling("listed", prefix):
            for page in obstore.list(self._objects, prefix):
                for meta in page:
                    yield Found(str(meta["path"]), int(meta["size"]), meta["last_modified"])

    def folders(self, prefix: str) -> builtins.list[str]:
        """The names of the folders right below a prefix, sorted."""
        with self._calling("listed", prefix):
            found = obstore.list_with_delimiter(self._objects, prefix)
        return sorted(str(path).rpartition("/")[2] for path in found["common_prefixes"])

    def holds_any(self, prefix: str) -> bool:
        """Whether there is anything below a prefix."""
        return next(self.find(prefix), None) is not None

    def check(self) -> builtins.list[Finding]:
        """Make every kind of call on objects of its own, and report what the store refuses or does wrongly."""
        return check_store(self)

    def child(self, path: str) -> str:
        """The address of a path, for libraries that open it themselves."""
        return f"{self.url}/{path}" if path else self.url

    def translate_error(
        self, what: str, where: str, error: object, hint: str = "pinflow doctor"
    ) -> PinflowError:
        """The error of ours for one of a library that works on this store.

        Raises:
            PinflowError: Instead, if there are no credentials: that is the error behind all others.
        """
        self.options()
        return translate_error(what, where, error, hint)

    @contextmanager
    def _calling(self, verb: str, path: str) -> Iterator[None]:
        try:
            yield
        except AlreadyExistsError:
            raise
        except (BaseError, OSError, ValueError) as error:  # a ValueError for `.` and `..` as names in a path
            if isinstance(error, FileNotFoundError) and not no_bucket(error):
                raise
            what = f"an object of the lake cannot be {verb}"
            raise self.translate_error(what, self.child(path), error) from error

    def _find_writer(self, path: str) -> str | None:
        """The id of the call that has written an object, blank where it has none; None when it is not there."""
        try:
            with self._calling("read", path):
                return str(obstore.get(self._objects, path).attributes.get(WRITER, ""))
        except FileNotFoundError:
            return None
