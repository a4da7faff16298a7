"""The innermost application: it serves pages, says what there is not, and never answers in place of the producer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.gateway_client import log_url
from tests.gateway_scope import request

from pinflow.gateway.committer import Committer
from pinflow.gateway.http.body import Bodies, Limits
from pinflow.gateway.metrics import Metrics
from pinflow.gateway.pages import Pages
from pinflow.gateway.pending import Pending
from pinflow.gateway.reply import Replies
from pinflow.gateway.topics import Topics
from pinflow.lake.landing.layout import path_limits
from pinflow.log import open_log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PUT_RECORD = [(b"x-amz-target", b"Kinesis_20131202.PutRecord")]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(Pending(1))


@pytest.fixture
def pages(tmp_path: Path, metrics: Metrics) -> Iterator[Pages]:
    log = open_log(log_url(tmp_path))
    topics = Topics(log, metrics, path_limits(str(tmp_path / "lake")), partitions=1, create=True)
    bodies = Bodies(Limits(1 << 20, 1 << 20))
    bodies.start()
    committer = Committer(log, metrics)
    yield Pages(topics, committer, Pending(1), metrics, bodies, Replies(metrics), max_record_bytes=1)
    bodies.stop()
    log.close()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/topics/a"),
        ("POST", "/topics/a/partitions/0"),
        ("PUT", "/streams/a/record"),
        ("PUT", "/streams/a/records"),
    ],
)
def test_a_request_that_posts_and_was_not_served_as_one_is_a_bug_and_not_a_200(
    pages: Pages, method: str, path: str
) -> None:
    with pytest.raises(RuntimeError, match=path):
        request(pages, method, path)


def test_so_is_the_put_of_an_sdk(pages: Pages) -> None:
    with pytest.raises(RuntimeError):
        request(pages, "POST", "/", PUT_RECORD)


def test_answers_are_counted_under_the_dialect_of_their_route(pages: Pages, metrics: Metrics) -> None:
    assert request(pages, "GET", "/openapi.json").status == 200
    assert request(pages, "DELETE", "/topics/a").status == 405
    assert request(pages, "GET", "/streams/a/x").status == 404
    counted = metrics.exposition().decode()
    for dialect, status in (("kafka", 200), ("kafka", 405), ("kinesis", 404)):
        assert f'pinflow_gateway_requests_total{{dialect="{dialect}",status="{status}"}} 1.0' in counted


def test_a_client_that_is_gone_gets_no_answer(pages: Pages) -> None:
    assert request(pages, "POST", "/streams/a", gone=True).status == 0
