"""The configuration that a command would load here: which home, which file, and what the caller sets on top."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pinflow.config.loading import OVERRIDE, load, override
from pinflow.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pinflow.config.loading import Settings

__all__ = ["DEFAULT_HOME", "find_home", "settings"]

DEFAULT_HOME = ".pinflow"
HOME_VARIABLE = "PINFLOW_HOME"
CONFIG_VARIABLE = "PINFLOW_CONFIG"


def settings(
    home: str | Path | None = None,
    *,
    config: str | Path | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Settings:
    """Load the configuration as every command does: defaults, file, environment, and last the `overrides`.

    Args:
        home: The folder that holds everything; by default `PINFLOW_HOME`, or `.pinflow` in the working folder.
        config: The TOML file; by default `PINFLOW_CONFIG`, or `pinflow.toml` in the home folder, which need not exist.
        overrides: `section.key` → value, as in `{"land.flush_seconds": 1}`. Processes that `demo` starts get them too.

    Raises:
        ConfigError: The file cannot be read, a key is unknown, or a value does not fit.
        UsageError: The home folder cannot be found.
    """
    file = config if config is not None else os.environ.get(CONFIG_VARIABLE) or None
    loaded = load(find_home(home), file=None if file is None else Path(file))
    return override(loaded, overrides, origin=OVERRIDE) if overrides else loaded


def find_home(home: str | Path | None = None) -> Path:
    """The home folder, absolute, with `~` and `~user` in place of what they stand for.

    Raises:
        UsageError: There is no such user, or `PINFLOW_HOME` is set and empty.
    """
    named = os.environ.get(HOME_VARIABLE, DEFAULT_HOME) if home is None else home
    if named == "":
        raise UsageError(
            f"{HOME_VARIABLE} is empty" if home is None else "the name of the home folder is empty",
            where="the environment" if home is None else "home",
            hint="name a folder, or leave it out",
        )
    try:
        return Path(named).expanduser().absolute()
    except RuntimeError as error:
        raise UsageError(
            f"the home folder cannot be found: {error}",
            where=f"--home {named}",
            hint="name an existing user, or write ./~name for a folder of that name",
        ) from error
