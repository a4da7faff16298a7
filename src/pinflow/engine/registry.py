"""Which engine a configuration names."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pinflow.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from pinflow.config import Config
    from pinflow.engine.protocol import Engine

__all__ = ["open_engine"]

BACKENDS = {"duckdb": "pinflow.engine.duckdb.engine:DuckDBEngine"}
"""Name → module:class. A new engine is one module and one line here."""


def open_engine(config: Config, scratch: Path) -> Engine:
    """Open the engine of a configuration; what does not fit its memory is spilled to the folder `scratch`.

    Raises:
        ConfigError: No engine has this name.
    """
    name = config.engine.url
    if name not in BACKENDS:
        raise ConfigError(
            f"no engine is called {name!r}", where="engine.url", hint=f"use one of: {', '.join(BACKENDS)}"
        )
    module, _, kind = BACKENDS[name].partition(":")
    engine: Engine = getattr(import_module(module), kind)(config, scratch)
    return engine
