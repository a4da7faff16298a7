"""Filling the model from a file, the environment and flags, in that order. Every value remembers where it came from.

`pinflow.toml` holds sections and keys; `PINFLOW__SECTION__KEY` overrides a key; a flag overrides both.
"""

from __future__ import annotations

import codecs
import difflib
import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pinflow.config.model import Config
from pinflow.config.urls import odd_characters
from pinflow.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FILE_NAME", "OVERRIDE", "Settings", "environment_of", "flatten", "load", "override"]

ENV_PREFIX = "PINFLOW__"
FILE_NAME = "pinflow.toml"
OVERRIDE = "override"
"""The origin of values that were set by a program that uses the package."""


class Settings(msgspec.Struct, frozen=True):
    """A configuration with its home folder, its file if one was named, and where each value came from."""

    home: Path
    config: Config
    origins: dict[str, str]
    file: Path | None = None


def load(home: Path, *, file: Path | None = None, env: Mapping[str, str] | None = None) -> Settings:
    """Read the configuration.

    Args:
        home: The folder that holds everything; `{home}` in values.
        file: The TOML file; by default `pinflow.toml` in the home folder, which need not exist.
        env: The environment; by default the process's own.

    Raises:
        ConfigError: The file cannot be read, a key is unknown, or a value does not fit.
    """
    _require_plain(home)
    origins: dict[str, str] = {}
    values: dict[str, Any] = {}
    path = file if file is not None else home / FILE_NAME
    if file is not None or path.exists():
        _merge(values, origins, _flat(_read(path)), str(path))
    environment = os.environ if env is None else env
    from_env = {
        name.removeprefix(ENV_PREFIX).lower().replace("__", "."): value
        for name, value in sorted(environment.items())
        if name.startswith(ENV_PREFIX)
    }
    for key, value in from_env.items():
        _merge(values, origins, {key: value}, f"{ENV_PREFIX}{key.upper().replace('.', '__')}")
    config = _convert(values, origins, home)
    return Settings(home, config, {key: origins.get(key, "default") for key in KNOWN}, file)


def override(settings: Settings, given: Mapping[str, Any], *, origin: str = "flag") -> Settings:
    """Settings with others on top (`section.key` → value, or sections); None stands for a value that was not given.

    Raises:
        ConfigError: A key is unknown, or a value does not fit.
    """
    values, origins = flatten(settings.config), dict(settings.origins)
    _merge(values, origins, {key: value for key, value in _flat(given).items() if value is not None}, origin)
    config = _convert(values, origins, settings.home)
    return msgspec.structs.replace(settings, config=config, origins=origins)


def environment_of(settings: Settings) -> dict[str, str]:
    """The variables by which another process comes to what this one has set in its own code (`origin="override"`)."""
    values = flatten(settings.config)
    return {
        f"{ENV_PREFIX}{key.upper().replace('.', '__')}": _as_text(values[key])
        for key, origin in settings.origins.items()
        if origin == OVERRIDE
    }


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def flatten(config: Config) -> dict[str, Any]:
    """Every setting as `section.key` → value, in the order of the model."""
    flat: dict[str, Any] = {}
    for name, value in msgspec.to_builtins(config).items():
        if isinstance(value, dict):
            flat |= {f"{name}.{key}": inner for key, inner in value.items()}
        else:
            flat[name] = value
    return flat


KNOWN = flatten(Config())
"""Every setting with its default."""

_SECTIONS = {key.partition(".")[0] for key in KNOWN if "." in key}


def _read(path: Path) -> dict[str, Any]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"the configuration cannot be read: {error.strerror or error}",
            where=str(path),
            hint="pinflow init makes one"
            if isinstance(error, FileNotFoundError)
            else "let this user read the file",
        ) from error
    try:
        return tomllib.loads(_decode(data, path))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(
            f"the configuration is not TOML: {error}",
            where=str(path),
            hint="mend the line; pinflow init --home ELSEWHERE writes a file to compare with",
        ) from error


def _decode(data: bytes, path: Path) -> str:
    """The text of a file in UTF-8. A byte order mark at its head, as some editors write, is removed."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ConfigError("the configuration is in UTF-16", where=str(path), hint=SAVE_AS_UTF_8)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"the configuration is not UTF-8: byte {data[error.start]:#04x} in line {line}",
            where=str(path),
            hint=SAVE_AS_UTF_8,
        ) from error


SAVE_AS_UTF_8 = "save the file as UTF-8"


def _flat(tree: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict) and name in _SECTIONS:
            flat |= {f"{name}.{key}": inner for key, inner in value.items()}
        else:
            flat[name] = value
    return flat


def _merge(values: dict[str, Any], origins: dict[str, str], flat: Mapping[str, Any], origin: str) -> None:
    for key, value in flat.items():
        if key not in KNOWN:
            raise _unknown(key, origin)
        values[key] = value
        origins[key] = origin


def _unknown(key: str, where: str) -> ConfigError:
    if key in _SECTIONS:
        hint = f"write its settings below [{key}]"
        return ConfigError(f"{key!r} is a section, and not a setting", where=where, hint=hint)
    close = difflib.get_close_matches(key, KNOWN, n=1, cutoff=0.75)
    hint = f"did you mean {close[0]}?" if close else "pinflow config show lists every setting"
    return ConfigError(f"unknown setting {key!r}", where=where, hint=hint)


def _require_plain(home: Path) -> None:
    if bad := odd_characters(str(home)):
        raise ConfigError(
            f"the home folder's path has characters that a URL or a file's name cannot hold: {bad}",
            where=ascii(str(home)),
            hint="choose another folder with --home",
        )


def _convert(values: Mapping[str, Any], origins: Mapping[str, str], home: Path | None) -> Config:
    tree: dict[str, Any] = {}
    for key, value in (KNOWN | dict(values)).items():
        filled = value.replace("{home}", str(home)) if isinstance(value, str) and home is not None else value
        section, dot, name = key.partition(".")
        if dot:
            tree.setdefault(section, {})[name] = filled
        else:
            tree[key] = filled
    try:
        return msgspec.convert(tree, Config, strict=False)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$.")
        key = path.rstrip("`")
        raise ConfigError(
            f"setting {key!r} does not fit: {message}",
            where=origins.get(key, "default"),
            hint="pinflow config show lists every setting with its value",
        ) from error
