"""Which engine a configuration names."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from pinflow.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from pinflow.config import Config
    from pinflow.engine.protocol import Engine
    from pinflow.lake.store.objects import Store
    from pinflow.lake.tables.protocol import Tables

__all__ = ["open_engine", "open_tables"]


class EngineClasses(NamedTuple):
    """An engine and the tables that it can write, each as module:class."""

    engine: str
    tables: str


BACKENDS = {
    "duckdb": EngineClasses(
        "pinflow.engine.duckdb.engine:DuckDBEngine", "pinflow.lake.tables.delta_rs:DeltaRsTables"
    )
}
"""Name → what there is of it. A new engine is one package and one line here."""


def open_engine(config: Config, scratch: Path) -> Engine:
    """Open the engine of a configuration; what does not fit its memory is spilled to the folder `scratch`.

    Raises:
        ConfigError: No engine has this name.
    """
    engine: Engine = _load(_backend_of(config).engine)(config, scratch)
    return engine


def open_tables(config: Config, store: Store) -> Tables:
    """The tables that the engine of a configuration writes; the engine itself is not loaded.

    Raises:
        ConfigError: No engine has this name.
    """
    tables: Tables = _load(_backend_of(config).tables)(store)
    return tables


def _backend_of(config: Config) -> EngineClasses:
    name = config.engine.url
    if name not in BACKENDS:
        raise ConfigError(
            f"no engine is called {name!r}", where="engine.url", hint=f"use one of: {', '.join(BACKENDS)}"
        )
    return BACKENDS[name]


def _load(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)
