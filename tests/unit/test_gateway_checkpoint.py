"""The wrapper with the guard: what is let in goes on with its caller, and the rest is answered here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.gateway_scope import Inner, request

from pinflow.gateway.auth.guard import Guard, caller_of
from pinflow.gateway.auth.key_file import create_key
from pinflow.gateway.auth.middleware import Checkpoint
from pinflow.gateway.metrics import Metrics
from pinflow.gateway.pending import Pending
from pinflow.gateway.reply import Replies

if TYPE_CHECKING:
    from pathlib import Path

METRICS = Metrics(Pending(1))


@pytest.fixture
def inner() -> Inner:
    return Inner()


@pytest.fixture
def bearer(tmp_path: Path) -> list[tuple[bytes, bytes]]:
    _, text = create_key(tmp_path / "keys", "one", ["a.*"])
    return [(b"authorization", f"Bearer {text}".encode())]


@pytest.fixture
def checkpoint(tmp_path: Path, bearer: object, inner: Inner) -> Checkpoint:
    assert bearer
    return Checkpoint(inner, Guard(tmp_path / "keys"), Replies(METRICS))


def test_a_request_with_a_key_goes_on_and_its_caller_is_known(
    checkpoint: Checkpoint, inner: Inner, bearer: list[tuple[bytes, bytes]]
) -> None:
    assert request(checkpoint, "POST", "/topics/a.pin", bearer).status == 0
    (scope,) = inner.scopes
    caller = caller_of(scope)
    assert caller is not None
    assert caller.name == "one"


@pytest.mark.parametrize(
    ("method", "path", "field"),
    [("POST", "/topics/a.pin", b'"error_code":40101'), ("PUT", "/streams/a.s/record", b'"__type"')],
)
def test_a_request_without_a_key_is_answered_in_its_dialect_and_goes_no_further(
    checkpoint: Checkpoint, inner: Inner, method: str, path: str, field: bytes
) -> None:
    reply = request(checkpoint, method, path)
    assert reply.status == 401
    assert field in reply.body
    assert inner.scopes == []


def test_the_topic_that_a_key_is_for_is_the_one_of_the_route(
    checkpoint: Checkpoint, inner: Inner, bearer: list[tuple[bytes, bytes]]
) -> None:
    for path in ("/topics/b", "/topics/b/", "/topics/b/partitions/0", "/streams/b/record", "/topics/b/x/y"):
        assert request(checkpoint, "PUT", path, bearer).status == 403
    assert inner.scopes == []
    for path in ("/topics", "/healthz", "/nothing"):
        request(checkpoint, "GET", path, bearer)
    assert len(inner.scopes) == 3


def test_a_gateway_without_a_file_of_keys_lets_everybody_in(inner: Inner) -> None:
    request(Checkpoint(inner, Guard(None), Replies(METRICS)), "POST", "/topics/a")
    (scope,) = inner.scopes
    assert caller_of(scope) is None
