"""The configuration: one frozen model, filled from a file, the environment and flags, in that order.

`pinflow.toml` holds sections and keys; `PINFLOW__SECTION__KEY` overrides a key; a flag overrides both. Every value
remembers where it came from. `{home}` in a value stands for the home folder.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from pinflow.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FILE_NAME", "Config", "Settings", "flattened", "load", "masked", "override", "shown", "template"]

ENV_PREFIX = "PINFLOW__"
FILE_NAME = "pinflow.toml"

NOT_IN_A_HOME = "?#%*[]{}"
"""Characters that mean something else in the URLs made of the home folder, or in the names of its files."""

Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(ge=0)]
Timeout = Annotated[float, Meta(gt=0)]
Port = Annotated[int, Meta(ge=0, le=65535)]
UserId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_]{1,64}$")]

MiB = 1 << 20


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Source(_Section, frozen=True):
    """The relational database the posts come from."""

    url: str = "sqlite:///{home}/source.db"


class Log(_Section, frozen=True):
    """The durable log. `maintain` drops what every job has committed and is past the retention; 0 keeps for ever."""

    url: str = "sqlite:///{home}/log.db"
    partitions: Annotated[int, Meta(ge=1, le=1024)] = 4
    retention_seconds: Seconds = 0.0
    retention_bytes: Annotated[int, Meta(ge=0)] = 0


class Lake(_Section, frozen=True):
    """Landing objects and tables: a folder, or s3://bucket/prefix with what there is to say of it behind a ?."""

    url: Annotated[str, Meta(min_length=1)] = "{home}/lake"


class Engine(_Section, frozen=True):
    """What runs the SQL. `memory_mb` caps its memory; more is spilled to the home folder."""

    url: str = "duckdb"
    memory_mb: Positive = 1024
    threads: Positive = 2


class Gateway(_Section, frozen=True):
    """The HTTP door. Sizes in bytes; 0 as the port takes a free one.

    What answers a request again that carries an `Idempotency-Key` is kept for `idempotency_seconds`.
    Where `keys_file` is there, every request needs an API key of it. Beyond the loopback the gateway listens only with
    keys and TLS, unless it is `insecure`.
    """

    host: str = "127.0.0.1"
    port: Port = 8082
    create_topics: bool = True
    max_body_bytes: Positive = 32 * MiB
    max_inflated_bytes: Positive = 64 * MiB
    max_record_bytes: Positive = 10 * MiB
    max_pending_bytes: Positive = 256 * MiB
    max_requests: Positive = 1000
    max_connections: Positive = 4000
    max_header_bytes: Annotated[int, Meta(ge=1024)] = 32 * 1024
    header_seconds: Timeout = 10.0
    body_seconds: Timeout = 30.0
    keep_alive_seconds: Timeout = 30.0
    idempotency_seconds: Timeout = 86_400.0
    keys_file: str = "{home}/gateway-keys.json"
    tls_cert: str = ""
    tls_key: str = ""
    insecure: bool = False

    @property
    def url(self) -> str:
        """Where clients on this machine find it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls_cert else 'http'}://{host}:{self.port}"


class Land(_Section, frozen=True):
    """Log to landing zone. An object is flushed at a number of records, a size or an age, whichever is first."""

    flush_records: Positive = 50_000
    flush_bytes: Positive = 32 * MiB
    flush_seconds: Seconds = 5.0
    poll_seconds: Seconds = 0.2


class Stream(_Section, frozen=True):
    """Log to stream tables, in micro-batches of at most so many records and bytes a topic."""

    max_records: Positive = 200_000
    max_bytes: Positive = 128 * MiB
    poll_seconds: Seconds = 0.2


class Batch(_Section, frozen=True):
    """Landing zone to batch tables, in steps of at most so many records and bytes a topic, every so many seconds."""

    max_records: Positive = 500_000
    max_bytes: Positive = 256 * MiB
    every_seconds: Seconds = 30.0


class Worker(_Section, frozen=True):
    """How a job runs: how long it tries again while a part is away, and what it does when another worker holds it."""

    retry_seconds: Seconds = 60.0
    fenced: Literal["stop", "wait"] = "stop"
    takeover_seconds: Seconds = 10.0


class Maintain(_Section, frozen=True):
    """Upkeep: how long files that no table needs any more stay for readers, and how many plans a job keeps."""

    retention_hours: Annotated[int, Meta(ge=0)] = 24
    keep_steps: Positive = 100


class Query(_Section, frozen=True):
    """Limits of one query and its answer."""

    memory_mb: Positive = 1024
    max_rows: Positive = 1_000_000
    timeout_seconds: Annotated[float, Meta(gt=0, le=86_400)] = 60.0


class Emulator(_Section, frozen=True):
    """Who replays the posts, and where to. `url` empty means the gateway of this configuration.

    `api_key` is sent to it; better have it in the environment than in a file. `ca_file` is trusted beside the system's.
    """

    url: str = ""
    api_key: str = ""
    ca_file: str = ""
    seed: int = 100
    batch_posts: Positive = 500


class Config(_Section, frozen=True):
    """Everything pinflow can be told. `id` is the user id in the names of topics, streams and stream tables."""

    id: UserId = "0a6a638f5991"
    source: Source = Source()
    log: Log = Log()
    lake: Lake = Lake()
    engine: Engine = Engine()
    gateway: Gateway = Gateway()
    land: Land = Land()
    stream: Stream = Stream()
    batch: Batch = Batch()
    worker: Worker = Worker()
    maintain: Maintain = Maintain()
    query: Query = Query()
    emulator: Emulator = Emulator()


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
    config = _converted(values, origins, home)
    return Settings(home, config, {key: origins.get(key, "default") for key in KNOWN}, file)


def override(settings: Settings, flags: Mapping[str, Any]) -> Settings:
    """Settings with flags on top (`section.key` → value); a value of None is a flag not given.

    Raises:
        ConfigError: A value does not fit.
    """
    given = {key: value for key, value in flags.items() if value is not None}
    origins = settings.origins | dict.fromkeys(given, "flag")
    config = _converted(flattened(settings.config) | given, origins, None)
    return msgspec.structs.replace(settings, config=config, origins=origins)


def flattened(config: Config) -> dict[str, Any]:
    """Every setting as `section.key` → value, in the order of the model."""
    flat: dict[str, Any] = {}
    for name, value in msgspec.to_builtins(config).items():
        if isinstance(value, dict):
            flat |= {f"{name}.{key}": inner for key, inner in value.items()}
        else:
            flat[name] = value
    return flat


def template() -> str:
    """A configuration file that says every setting with its meaning and default, all commented out."""
    lines = [
        "# pinflow configuration. Every setting stands here with its default; take the # away to change one.",
        "",
    ]
    lines += [f"# id = {_toml(Config().id)}"]
    for field in msgspec.structs.fields(Config):
        section = getattr(Config(), field.name)
        if isinstance(section, _Section):
            meaning = " ".join((type(section).__doc__ or "").split())
            lines += ["", f"# {meaning}", f"[{field.name}]"]
            lines += [f"# {key} = {_toml(value)}" for key, value in msgspec.to_builtins(section).items()]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    return (
        str(value).lower()
        if isinstance(value, bool)
        else f'"{value}"'
        if isinstance(value, str)
        else str(value)
    )


def masked(value: object) -> str:
    """A value as text, with the password of a URL and secret-looking parameters hidden."""
    text = "true" if value is True else "false" if value is False else str(value)
    text = re.sub(r"(://[^/:@\s]*):[^@/\s]*@", r"\1:***@", text)
    return re.sub(r"(?i)([?&;][^=&;]*(?:secret|password|passwd|token|key)[^=&;]*=)[^&;]+", r"\1***", text)


def shown(key: str, value: object) -> str:
    """A setting's value as it may be shown: `masked`, and nothing of a setting that is a secret."""
    return HIDDEN if key in SECRETS and value else masked(value)


HIDDEN = "***"

SECRETS = frozenset({"emulator.api_key"})
"""Settings whose value is never shown, only whether there is one."""

KNOWN = flattened(Config())
"""Every setting with its default."""

_SECTIONS = {key.partition(".")[0] for key in KNOWN if "." in key}


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the configuration cannot be read: {error}", where=str(path), hint="pinflow init"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"the configuration is not TOML: {error}", where=str(path)) from error


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
    close = difflib.get_close_matches(key, KNOWN, n=1, cutoff=0.75)
    hint = f"did you mean {close[0]}?" if close else "pinflow config show lists every setting"
    return ConfigError(f"unknown setting {key!r}", where=where, hint=hint)


def _require_plain(home: Path) -> None:
    bad = sorted(set(str(home)) & set(NOT_IN_A_HOME))
    if bad or not str(home).isprintable():
        raise ConfigError(
            f"the home folder's path has characters that a URL cannot carry: {' '.join(bad)}",
            where=repr(str(home)),
            hint="choose another folder with --home",
        )


def _converted(values: Mapping[str, Any], origins: Mapping[str, str], home: Path | None) -> Config:
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
