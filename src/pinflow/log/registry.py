"""Which log a URL names."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pinflow.config import mask
from pinflow.errors import ConfigError

if TYPE_CHECKING:
    from pinflow.log.protocol import EventLog

__all__ = ["open_log"]

BACKENDS = {
    "kafka": "pinflow.log.kafka.log:KafkaLog",
    "kinesis": "pinflow.log.kinesis.log:KinesisLog",
    "sqlite": "pinflow.log.sqlite.log:SqliteLog",
}
"""URL scheme → module:class. A new backend is one package and one line here."""


def open_log(url: str, *, read_only: bool = False) -> EventLog:
    """Open the log that a URL names.

    Raises:
        ConfigError: No backend has this scheme.
    """
    scheme = url.partition(":")[0]
    if scheme not in BACKENDS:
        raise ConfigError(
            f"no log backend is called {scheme!r}",
            where=f"log.url = {mask(url)}",
            hint=f"use one of: {', '.join(f'{name}:' for name in BACKENDS)}",
        )
    module, _, name = BACKENDS[scheme].partition(":")
    log: EventLog = getattr(import_module(module), name)(url, read_only=read_only)
    return log
