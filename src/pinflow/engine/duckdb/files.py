"""The files of a lake in a bucket, as DuckDB reads them: by the lake's own client, no extension is loaded.

DuckDB asks for ranges of bytes: of a Parquet file the end, then the columns that are needed. What it is given can read
files, and nothing else; free SQL is run only after it is taken away again.
"""

from __future__ import annotations

import io
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pinflow.errors import CorruptError, MissingExtraError, PinflowError
from pinflow.lake import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb

    from pinflow.config import Config
    from pinflow.lake import Store

__all__ = ["LakeFiles"]

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
"""When a file was changed last, as DuckDB asks: never, a Parquet file of a table is written once."""


class LakeFiles:
    """Files of the lake by their addresses, their sizes asked for once. The bucket is opened when first needed."""

    def __init__(self, config: Config) -> None:
        self._url = config.lake.url
        self._sizes: dict[str, int] = {}
        self._trouble: PinflowError | None = None

    @contextmanager
    def lend(self, db: duckdb.DuckDBPyConnection, files: Sequence[str]) -> Iterator[None]:
        """Let DuckDB read these files, those in a bucket too, while the context lasts.

        Raises:
            MissingExtraError: fsspec, by which DuckDB takes files from Python, is not installed.
            PinflowError: What the lake said, where DuckDB only says that a file cannot be read.
        """
        scheme = files[0].partition("://")[0] if files and "://" in files[0] else ""
        if not scheme:
            yield
            return
        self._trouble = None
        db.register_filesystem(_file_system(scheme, self))
        try:
            yield
        except Exception as error:
            if self._trouble is not None:
                raise self._trouble from error
            raise
        finally:
            db.unregister_filesystem(scheme)

    @cached_property
    def _store(self) -> Store:
        return open_store(self._url, read_only=True)

    def size(self, address: str) -> int:
        """The size of a file; called from DuckDB's threads, as `read` is."""
        if address not in self._sizes:
            with self._remember_failure(address):
                self._sizes[address] = self._store.size(self._path(address))
        return self._sizes[address]

    def read(self, address: str, start: int, length: int) -> bytes:
        """A range of a file."""
        with self._remember_failure(address):
            return self._store.get_range(self._path(address), start, length)

    def _path(self, address: str) -> str:
        return address.removeprefix(f"{self._store.url}/")

    @contextmanager
    def _remember_failure(self, address: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            self._trouble = CorruptError(
                "a file of a table is gone",
                where=address,
                hint="bring it back from a copy; pinflow audit names what is missing",
            )
            raise
        except PinflowError as error:
            self._trouble = error
            raise


class _OpenFile(io.RawIOBase):
    """One file, at a place."""

    def __init__(self, lake: LakeFiles, address: str) -> None:
        self._lake = lake
        self._address = address
        self._at = 0

    def read(self, size: int = -1, /) -> bytes:
        left = self._lake.size(self._address) - self._at
        wanted = left if size < 0 else min(size, left)
        if wanted <= 0:
            return b""
        data = self._lake.read(self._address, self._at, wanted)
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._lake.size(self._address)}[whence]
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        return self._at


def _file_system(scheme: str, lake: LakeFiles) -> Any:
    """What DuckDB takes files from: an object of fsspec's base class, of which it calls these methods only."""
    try:
        from fsspec import AbstractFileSystem  # noqa: PLC0415 - an extra, and slow
    except ImportError as error:
        raise MissingExtraError("reading tables on S3", "s3") from error

    class LakeFileSystem(AbstractFileSystem):  # type: ignore[misc]
        protocol = scheme
        cachable = False

        def open(self, path: str, mode: str = "rb", **_: object) -> _OpenFile:
            if mode != "rb":
                raise PermissionError("the lake's files are only to be read here")
            return _OpenFile(lake, path)

        def glob(self, path: str, **_: object) -> list[str]:
            return [path]

        def size(self, path: str) -> int:
            return lake.size(path)

        def modified(self, path: str) -> datetime:  # noqa: ARG002
            return LONG_AGO

    return LakeFileSystem()
