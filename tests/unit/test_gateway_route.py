"""The table of routes: what each method of each path asks for, and what follows from it."""

from __future__ import annotations

from typing import Any

import pytest

from pinflow.gateway.dialects import kafka_rest, kinesis_rest, kinesis_target
from pinflow.gateway.route import ROUTES, NoRoute, Page, PageRoute, ProduceRoute, find_route, route_of

PUT_RECORD = [(b"x-amz-target", b"Kinesis_20131202.PutRecord")]
LIST_STREAMS = [(b"x-amz-target", b"Kinesis_20131202.ListStreams")]


@pytest.mark.parametrize(
    ("method", "path", "found"),
    [
        ("POST", "/topics/a", ("a", None)),
        ("POST", "/topics/a/partitions/7", ("a", 7)),
        ("POST", "/topics/a/partitions/x", ("a", -1)),
        ("PUT", "/streams/a/record", ("a", None)),
        ("PUT", "/streams/a/records", ("a", None)),
        ("GET", "/topics/a", None),
        ("POST", "/topics/", None),
        ("POST", "/topics/a//", None),
        ("POST", "/topics/a/partitions/", None),
        ("POST", "/streams/a/record", None),
        ("PUT", "/streams/a/other", None),
        ("PUT", "/streams//record", None),
        ("POST", "*", None),
        ("POST", "", None),
    ],
)
def test_which_requests_post(method: str, path: str, found: tuple[str, int | None] | None) -> None:
    route = find_route(method, path)
    assert ((route.topic, route.partition) if isinstance(route, ProduceRoute) else None) == found


@pytest.mark.parametrize(("path", "served"), ROUTES.items())
def test_every_line_of_the_table_is_found_with_the_names_in_its_path(path: str, served: Any) -> None:
    asked = path.replace("{topic}", "t").replace("{stream}", "t").replace("{partition}", "7")
    for method, what in served.items():
        route = find_route(method, asked)
        found = route.page if isinstance(route, PageRoute) else getattr(route, "format", None)
        assert found is what
        assert route.topic == ("t" if "{topic}" in path or "{stream}" in path else None)
        assert route.partition == (7 if "{partition}" in path else None)
        assert route.dialect is (kinesis_rest.DIALECT if "streams" in path else kafka_rest.DIALECT)


def test_head_is_served_where_get_is() -> None:
    head = find_route("HEAD", "/topics/a")
    assert isinstance(head, PageRoute)
    assert head.page is Page.TOPIC
    assert isinstance(find_route("HEAD", "/streams/a/record"), NoRoute)


def test_a_call_of_an_sdk_is_told_apart_by_its_header_and_at_the_root_only() -> None:
    posts, lists = (find_route("POST", "/", headers) for headers in (PUT_RECORD, LIST_STREAMS))
    assert isinstance(posts, ProduceRoute)
    assert posts.format is kinesis_target.PUTS["PutRecord"]
    assert isinstance(lists, PageRoute)
    assert (lists.page, lists.operation) == (Page.SDK_CALL, "ListStreams")
    assert posts.dialect is lists.dialect is kinesis_target.DIALECT
    assert posts.topic is None, "the body names it"
    assert find_route("POST", "/topics/a", PUT_RECORD).dialect is kafka_rest.DIALECT


def test_a_wrong_method_learns_the_right_ones_and_a_wrong_path_learns_nothing() -> None:
    wrong_method, wrong_path = find_route("PUT", "/topics/a"), find_route("GET", "/topics/a/b")
    assert isinstance(wrong_method, NoRoute)
    assert isinstance(wrong_path, NoRoute)
    assert (wrong_method.allow, wrong_path.allow) == ("GET, HEAD, POST", "")
    assert wrong_method.topic == wrong_path.topic == "a", "a key for other topics is refused here too"


def test_only_health_needs_no_key() -> None:
    public = [path for path in ROUTES if find_route("GET", path).public]
    assert public == ["/healthz"]
    assert find_route("POST", "/healthz").public


@pytest.mark.parametrize(
    ("path", "raw_path", "read"),
    [
        ("/topics/a/", b"/topics/a/", "/topics/a"),
        ("/topics/a//", b"/topics/a//", "/topics/a/"),
        ("/topics/a/", b"/topics/a%2F", "/topics/a/"),
        ("/", b"/", "/"),
    ],
)
def test_a_slash_at_the_end_is_passed_over_unless_it_is_part_of_a_name(
    path: str, raw_path: bytes, read: str
) -> None:
    assert route_of({"method": "GET", "path": path, "raw_path": raw_path}).path == read


def test_a_route_is_read_once_and_travels_in_the_scope() -> None:
    scope: dict[str, Any] = {"method": "POST", "path": "/topics/a", "headers": []}
    route = route_of(scope)
    scope["path"] = "/changed"
    assert route_of(scope) is route


def test_what_is_no_request_yet_is_answered_in_the_kafka_dialect() -> None:
    assert route_of({}).dialect is kafka_rest.DIALECT
