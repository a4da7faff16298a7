"""Every section and setting of the configuration, with its default.

`{home}` in a value stands for the home folder.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

__all__ = [
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
    "Section",
    "Source",
    "Stream",
    "Worker",
]

Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(ge=0, le=1e9)]
Timeout = Annotated[float, Meta(gt=0, le=1e9)]
Port = Annotated[int, Meta(ge=0, le=65535)]
UserId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_]{1,64}$")]

MiB = 1 << 20


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A section: frozen, and unknown keys are an error."""


class Source(Section, frozen=True):
    """The relational database the posts come from."""

    url: str = "sqlite:///{home}/source.db"


class Log(Section, frozen=True):
    """The durable log. `maintain` drops records that every job has committed and are past the retention; 0 is never."""

    url: str = "sqlite:///{home}/log.db"
    partitions: Annotated[int, Meta(ge=1, le=1024)] = 4
    retention_seconds: Seconds = 0.0
    retention_bytes: Annotated[int, Meta(ge=0)] = 0


class Lake(Section, frozen=True):
    """Landing objects and tables: a folder, or s3://bucket/prefix with options behind a ?."""

    url: Annotated[str, Meta(min_length=1)] = "{home}/lake"


class EngineConfig(Section, frozen=True):
    """What runs the SQL. `memory_mb` caps its memory; more is spilled to the home folder."""

    url: str = "duckdb"
    memory_mb: Positive = 1024
    threads: Positive = 2


class Gateway(Section, frozen=True):
    """The HTTP server. Sizes in bytes; 0 as the port takes a free one.

    The answer to a request with an `Idempotency-Key` is kept for `idempotency_seconds`, in `answers_file` where the log
    cannot keep it. If `keys_file` exists, every request needs one of its API keys. Beyond the loopback the gateway
    listens only with keys and TLS, unless it is `insecure`.
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
    answers_file: str = "{home}/gateway-answers.db"
    keys_file: str = "{home}/gateway-keys.json"
    tls_cert: str = ""
    tls_key: str = ""
    insecure: bool = False

    @property
    def url(self) -> str:
        """Where clients on this machine find it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls_cert else 'http'}://{host}:{self.port}"


class Land(Section, frozen=True):
    """Log to landing zone. An object is flushed at a number of records, a size or an age, whichever is first."""

    flush_records: Positive = 50_000
    flush_bytes: Positive = 32 * MiB
    flush_seconds: Seconds = 5.0
    poll_seconds: Seconds = 0.2


class Stream(Section, frozen=True):
    """Log to stream tables, in micro-batches of at most this many records and bytes of a topic."""

    max_records: Positive = 200_000
    max_bytes: Positive = 128 * MiB
    poll_seconds: Seconds = 0.2


class Batch(Section, frozen=True):
    """Landing zone to batch tables, in steps of at most this many records and bytes of a topic."""

    max_records: Positive = 500_000
    max_bytes: Positive = 256 * MiB
    every_seconds: Seconds = 30.0


class Worker(Section, frozen=True):
    """How a job runs: how long it tries again while a part is away, and what it does when another worker holds it."""

    retry_seconds: Seconds = 60.0
    fenced: Literal["stop", "wait"] = "stop"
    takeover_seconds: Seconds = 10.0


class Maintain(Section, frozen=True):
    """Upkeep: how long files that no table needs any more stay for readers, and how many plans a job keeps.

    `pinflow up` runs it every `every_seconds`, and not at all with 0.
    """

    retention_hours: Annotated[int, Meta(ge=0)] = 24
    keep_steps: Positive = 100
    every_seconds: Seconds = 3600.0


class Query(Section, frozen=True):
    """Limits of one query and its answer."""

    memory_mb: Positive = 1024
    max_rows: Positive = 1_000_000
    timeout_seconds: Annotated[float, Meta(gt=0, le=86_400)] = 60.0


class Emulator(Section, frozen=True):
    """Replays posts to a gateway. An empty `url` means the gateway of this configuration.

    `api_key` is sent to it; keep it in the environment, not in a file. `ca_file` is trusted beside the system's.
    """

    url: str = ""
    api_key: str = ""
    ca_file: str = ""
    seed: int = 100
    batch_posts: Positive = 500


class Config(Section, frozen=True):
    """Every setting of pinflow. `id` is the user id in the names of topics, streams and stream tables."""

    id: UserId = "0a6a638f5991"
    source: Source = Source()
    log: Log = Log()
    lake: Lake = Lake()
    engine: EngineConfig = EngineConfig()
    gateway: Gateway = Gateway()
    land: Land = Land()
    stream: Stream = Stream()
    batch: Batch = Batch()
    worker: Worker = Worker()
    maintain: Maintain = Maintain()
    query: Query = Query()
    emulator: Emulator = Emulator()
