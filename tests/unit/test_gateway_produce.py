"""The wrapper that posts: it serves what the route says, and passes the rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.gateway_client import log_url
from tests.gateway_scope import Inner, request

from pinflow.config import Gateway
from pinflow.gateway.committer import Committer
from pinflow.gateway.http.body import Bodies, Limits
from pinflow.gateway.metrics import Metrics
from pinflow.gateway.pending import Pending
from pinflow.gateway.produce import Producer
from pinflow.gateway.reply import Replies
from pinflow.gateway.topics import Topics
from pinflow.lake.landing.layout import path_limits
from pinflow.log import open_log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def inner() -> Inner:
    return Inner()


@pytest.fixture
def producer(tmp_path: Path, inner: Inner) -> Iterator[Producer]:
    log = open_log(log_url(tmp_path))
    pending = Pending(1 << 20)
    metrics = Metrics(pending)
    topics = Topics(log, metrics, path_limits(str(tmp_path / "lake")), partitions=1, create=True)
    bodies, replies = Bodies(Limits(1 << 20, 1 << 20)), Replies(metrics)
    bodies.start()
    yield Producer(
        inner, Committer(log, metrics), topics, pending, metrics, bodies, replies, gateway=Gateway()
    )
    bodies.stop()
    log.close()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/topics/a", 415),
        ("POST", "/topics/a/partitions/0", 415),
        ("PUT", "/streams/a/record", 415),
        ("PUT", "/streams/a/records/", 415),
    ],
)
def test_what_posts_is_answered_here(
    producer: Producer, inner: Inner, method: str, path: str, status: int
) -> None:
    assert request(producer, method, path).status == status
    assert inner.scopes == []


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/topics/a"), ("PUT", "/topics/a"), ("POST", "/streams/a"), ("POST", "/"), ("POST", "/x")],
)
def test_what_does_not_post_is_passed_on_unread(
    producer: Producer, inner: Inner, method: str, path: str
) -> None:
    assert request(producer, method, path).status == 0
    assert [scope["path"] for scope in inner.scopes] == [path]


def test_a_client_that_is_gone_gets_no_answer(producer: Producer, inner: Inner) -> None:
    assert request(producer, "POST", "/topics/a", gone=True).status == 0
    assert inner.scopes == []
