"""The wrapper that reads `Accept`: once for every route, and before anything is done."""

from __future__ import annotations

import pytest
from tests.gateway_scope import Inner, request

from pinflow.gateway.metrics import Metrics
from pinflow.gateway.negotiation import Negotiation
from pinflow.gateway.pending import Pending
from pinflow.gateway.reply import MEDIA_TYPE, Replies

HTML = [(b"accept", b"text/html")]
JSON = [(b"accept", b"application/json")]


@pytest.fixture
def inner() -> Inner:
    return Inner()


@pytest.fixture
def negotiation(inner: Inner) -> Negotiation:
    return Negotiation(inner, Replies(Metrics(Pending(1))))


@pytest.mark.parametrize(("method", "path"), [("POST", "/topics/a"), ("GET", "/topics"), ("GET", "/")])
def test_a_type_that_cannot_be_served_is_406_whether_the_route_posts_or_not(
    negotiation: Negotiation, inner: Inner, method: str, path: str
) -> None:
    reply = request(negotiation, method, path, HTML)
    assert reply.status == 406
    assert inner.scopes == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/healthz"),
        ("GET", "/metrics"),
        ("PUT", "/streams/a/record"),
        ("GET", "/nothing"),
        ("PUT", "/topics"),
    ],
)
def test_what_has_one_content_type_is_served_whatever_is_accepted(
    negotiation: Negotiation, inner: Inner, method: str, path: str
) -> None:
    assert request(negotiation, method, path, HTML).status == 0
    (scope,) = inner.scopes
    assert MEDIA_TYPE not in scope


def test_the_type_that_was_chosen_stands_in_the_scope(negotiation: Negotiation, inner: Inner) -> None:
    request(negotiation, "GET", "/topics", JSON)
    request(negotiation, "GET", "/topics")
    chosen, default = inner.scopes
    assert chosen[MEDIA_TYPE] == b"application/json"
    assert MEDIA_TYPE not in default
