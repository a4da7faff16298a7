"""The configuration: one frozen model, filled from a file, the environment and flags."""

from pinflow.config.home import find_home, settings
from pinflow.config.loading import FILE_NAME, Settings, environment_of, flatten, load, override
from pinflow.config.model import (
    Batch,
    Config,
    Emulator,
    EngineConfig,
    Gateway,
    Lake,
    Land,
    Log,
    Maintain,
    Query,
    Source,
    Stream,
    Worker,
)
from pinflow.config.showing import mask, secret_values, show_setting, template
from pinflow.config.urls import is_server, odd_characters, split_url

__all__ = [
    "FILE_NAME",
    "Batch",
    "Config",
    "Emulator",
    "EngineConfig",
    "Gateway",
    "Lake",
    "Land",
    "Log",
    "Maintain",
    "Query",
    "Settings",
    "Source",
    "Stream",
    "Worker",
    "environment_of",
    "find_home",
    "flatten",
    "is_server",
    "load",
    "mask",
    "odd_characters",
    "override",
    "secret_values",
    "settings",
    "show_setting",
    "split_url",
    "template",
]
