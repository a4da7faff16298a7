"""The one table of routes: what a method of a path asks for. A request's is read once and travels in its ASGI scope.

Whether a request needs a key and for which topic, who serves it, in which dialect it is answered and under which label
it is counted all follow from its `Route`.
"""

from __future__ import annotations

import enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from pinflow.gateway.answer import Dialect, RecordFormat
from pinflow.gateway.dialects import kafka_rest, kinesis_rest, kinesis_target
from pinflow.gateway.dialects.kinesis_target import operation_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, MutableMapping

__all__ = ["ROUTES", "NoRoute", "Page", "PageRoute", "ProduceRoute", "Route", "find_route", "route_of"]

SCOPE_KEY = "pinflow.route"
"""Where in the scope a request's route stands, once it is read."""


class Page(enum.Enum):
    """What is served besides posting."""

    ROOT = enum.auto()
    SDK_CALL = enum.auto()
    """What an AWS SDK asks for, other than to post."""
    BROKERS = enum.auto()
    HEALTH = enum.auto()
    METRICS = enum.auto()
    OPENAPI = enum.auto()
    TOPICS = enum.auto()
    TOPIC = enum.auto()
    PARTITIONS = enum.auto()
    PARTITION = enum.auto()
    OFFSETS = enum.auto()
    STREAMS = enum.auto()
    DESCRIBE_STREAM = enum.auto()
    CREATE_STREAM = enum.auto()
    DELETE_STREAM = enum.auto()


ROUTES: Mapping[str, Mapping[str, Page | RecordFormat]] = {
    "/": {"GET": Page.ROOT, "POST": Page.SDK_CALL},
    "/brokers": {"GET": Page.BROKERS},
    "/healthz": {"GET": Page.HEALTH},
    "/metrics": {"GET": Page.METRICS},
    "/openapi.json": {"GET": Page.OPENAPI},
    "/topics": {"GET": Page.TOPICS},
    "/topics/{topic}": {"GET": Page.TOPIC, "POST": kafka_rest.RECORDS},
    "/topics/{topic}/partitions": {"GET": Page.PARTITIONS},
    "/topics/{topic}/partitions/{partition}": {"GET": Page.PARTITION, "POST": kafka_rest.RECORDS},
    "/topics/{topic}/partitions/{partition}/offsets": {"GET": Page.OFFSETS},
    "/streams": {"GET": Page.STREAMS},
    "/streams/{stream}": {
        "GET": Page.DESCRIBE_STREAM,
        "POST": Page.CREATE_STREAM,
        "DELETE": Page.DELETE_STREAM,
    },
    "/streams/{stream}/record": {"PUT": kinesis_rest.RECORD},
    "/streams/{stream}/records": {"PUT": kinesis_rest.RECORDS},
}
"""Path → method → what is served, or the format of the records that are posted. Where there is GET there is HEAD."""

FIXED = frozenset({"/healthz", "/metrics", "/openapi.json"})
"""Pages of one content type, for programs that do not ask for another."""

PUBLIC = frozenset({"/healthz"})
"""Paths that need no API key."""

REMEMBERED = 512
"""Routes that are kept: clients post to the same few paths again and again."""

LONGEST_REMEMBERED = 512
"""Characters of such a path, so that what is kept stays small whatever clients send."""


class _AnyRoute(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What every route says.

    Attributes:
        path: Its path, without the slash at its end.
        dialect: In which it is answered.
        topic: The topic or stream that the path names; None where it names none.
        partition: The partition that it names; -1, which no topic has, where that is not a number.
        public: Whether it needs no API key.
        negotiates: Whether its `Accept` chooses the content type of the answer.
    """

    path: str
    dialect: Dialect
    topic: str | None = None
    partition: int | None = None
    public: bool = False
    negotiates: bool = False


class ProduceRoute(_AnyRoute, frozen=True, gc=False, kw_only=True):
    """Records are posted, in a format. Where the path names no topic the body does."""

    format: RecordFormat


class PageRoute(_AnyRoute, frozen=True, gc=False, kw_only=True):
    """Anything else is asked for. `operation` is the one that an AWS SDK names."""

    page: Page
    operation: str | None = None


class NoRoute(_AnyRoute, frozen=True, gc=False, kw_only=True):
    """There is nothing at the path, or only for the methods of `allow`, as the header of that name has them."""

    allow: str = ""


Route = ProduceRoute | PageRoute | NoRoute
"""Where a request goes."""


def route_of(scope: MutableMapping[str, Any]) -> Route:
    """The route of a request, read from its scope the first time.

    A slash at the end of the path is passed over, as the real services do, unless it is an escaped one: that is part of
    a name, which no topic can have.
    """
    route: Route | None = scope.get(SCOPE_KEY)
    if route is None:
        path: str = scope.get("path", "")
        if path[-1:] == "/" and path != "/" and (scope.get("raw_path") or b"")[-3:].lower() != b"%2f":
            path = path[:-1]
        route = scope[SCOPE_KEY] = find_route(scope.get("method", ""), path, scope.get("headers", ()))
    return route


def find_route(method: str, path: str, headers: Iterable[tuple[bytes, bytes]] = ()) -> Route:
    """Look a request up in the table. The headers count only where an AWS SDK posts, to `/`."""
    operation = operation_of(headers) if path == "/" else None
    if operation is not None or len(path) > LONGEST_REMEMBERED:
        return _look_up(method, path, operation)
    return _look_up_remembered(method, path, None)


def _look_up(method: str, path: str, operation: str | None) -> Route:
    node, names = _walk(path)
    topic = names[0] if names else None
    if node is None or not node.served:
        return NoRoute(path=path, dialect=_dialect_of(path), topic=_topic_in(path))
    dialect = node.dialect if operation is None else kinesis_target.DIALECT
    served = node.served.get(method)
    if served is Page.SDK_CALL and operation in kinesis_target.PUTS:
        served = kinesis_target.PUTS[operation]
    if served is None:
        return NoRoute(path=path, dialect=dialect, topic=topic, public=node.public, allow=node.allow)
    partition = kafka_rest.partition_number(names[1]) if len(names) > 1 else None
    if isinstance(served, RecordFormat):
        return ProduceRoute(
            path=path,
            dialect=dialect,
            topic=topic,
            partition=partition,
            negotiates=dialect is kafka_rest.DIALECT,
            format=served,
        )
    return PageRoute(
        path=path,
        dialect=dialect,
        topic=topic,
        partition=partition,
        public=node.public,
        negotiates=dialect is kafka_rest.DIALECT and path not in FIXED,
        page=served,
        operation=operation,
    )


_look_up_remembered = lru_cache(REMEMBERED)(_look_up)


class _Node:
    """A part of a path: the parts that may follow it, and what is served where the path ends with it."""

    def __init__(self) -> None:
        self.parts: dict[str, _Node] = {}
        self.any: _Node | None = None
        self.served: dict[str, Page | RecordFormat] = {}
        self.allow = ""
        self.dialect = kafka_rest.DIALECT
        self.public = False

    def add(self, path: str, served: Mapping[str, Page | RecordFormat]) -> None:
        node = self
        for part in path.split("/"):
            if part.startswith("{"):
                node.any = node.any or _Node()
                node = node.any
            else:
                node = node.parts.setdefault(part, _Node())
        node.served = dict(served) | ({"HEAD": served["GET"]} if "GET" in served else {})
        node.allow = ", ".join(sorted(node.served))
        node.dialect = _dialect_of(path)
        node.public = path in PUBLIC


def _walk(path: str) -> tuple[_Node | None, list[str]]:
    """The node at which a path ends, None if it leaves the table, and the names in it."""
    node = TREE
    names: list[str] = []
    for part in path.split("/"):
        following = node.parts.get(part)
        if following is None:
            following = node.any
            if following is None or not part:
                return None, names
            names.append(part)
        node = following
    return node, names


def _dialect_of(path: str) -> Dialect:
    return kinesis_rest.DIALECT if path == "/streams" or path.startswith("/streams/") else kafka_rest.DIALECT


def _topic_in(path: str) -> str | None:
    """The topic in a path that leads nowhere, so that a key learns nothing of topics that it is not for."""
    parts = path.split("/")
    return parts[2] if len(parts) > 2 and parts[1] in {"topics", "streams"} else None


TREE = _Node()
for _path, _served in ROUTES.items():
    TREE.add(_path, _served)
