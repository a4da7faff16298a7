"""The parts that a configuration names, opened when first used and closed together."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Self

import msgspec

from pinflow.config import mask
from pinflow.engine import Engine, open_engine, open_tables
from pinflow.errors import CorruptError
from pinflow.lake import Landing, Store, open_store
from pinflow.lake.store.check import require_conditions
from pinflow.log import EventLog, open_log

if TYPE_CHECKING:
    from pinflow.config import Config, Settings
    from pinflow.lake import Tables

__all__ = ["Runtime"]

LOG_OF_LAKE = "plans/log"
"""The object that binds a lake to its log."""


class Runtime:
    """Log, lake and engine of a configuration. A context manager; not safe to share between threads.

    With `read_only` a missing log or lake is not created but raises `AbsentError`.
    """

    def __init__(self, settings: Settings, *, read_only: bool = False) -> None:
        self.settings = settings
        self._read_only = read_only
        self._engines: list[Engine] = []

    @property
    def config(self) -> Config:
        """The configuration."""
        return self.settings.config

    @cached_property
    def log(self) -> EventLog:
        """The durable log."""
        return open_log(self.config.log.url, read_only=self._read_only)

    @cached_property
    def bound_log(self) -> EventLog:
        """The log, checked to be the one that this lake is filled from; the first job binds the two.

        Raises:
            CorruptError: It is another one. Its positions mean nothing in this lake, so records would be skipped.
            TerminalError: The lake is new, in a store without conditional put.
        """
        bound = self.lake_log()
        if bound is None:
            require_conditions(self.store)
            self.store.put_if_absent(LOG_OF_LAKE, self.log.identity.encode())
            bound = self.lake_log()
        if bound != self.log.identity:
            raise CorruptError(
                "the log is not the one that this lake is filled from",
                where=f"{mask(self.config.log.url)}, {self.store.url}",
                hint="bring the log back from a copy, or give the new log a lake of its own (lake.url)",
            )
        return self.log

    def lake_log(self) -> str | None:
        """The identity of the log that this lake is filled from; None before the first job."""
        data = self.store.get(LOG_OF_LAKE)
        return data.decode() if data is not None else None

    @cached_property
    def store(self) -> Store:
        """The lake's objects."""
        return open_store(self.config.lake.url, read_only=self._read_only)

    @cached_property
    def tables(self) -> Tables:
        """The lake's tables, as the engine writes them."""
        return open_tables(self.config, self.store)

    @cached_property
    def landing(self) -> Landing:
        """The landing zone."""
        return Landing(self.store)

    @cached_property
    def engine(self) -> Engine:
        """The engine."""
        return self.new_engine(1)

    def new_engine(self, share: int) -> Engine:
        """A new engine for one thread, with 1 / `share` of the memory."""
        engine = msgspec.structs.replace(
            self.config.engine, memory_mb=max(1, self.config.engine.memory_mb // share)
        )
        config = msgspec.structs.replace(self.config, engine=engine)
        self._engines.append(open_engine(config, self.settings.home / "scratch"))
        return self._engines[-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._engines:
            self._engines.pop().close()
        self.__dict__.pop("engine", None)
        if "log" in self.__dict__:
            self.__dict__.pop("log").close()
