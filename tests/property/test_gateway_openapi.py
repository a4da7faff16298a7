"""The gateway does what its description says, whatever is sent."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.python.asgi import shutdown_lifespans
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.gateway_client import log_url

from pinflow.config import Config
from pinflow.gateway import create_app
from pinflow.log import open_log

if TYPE_CHECKING:
    from collections.abc import Iterator

DESCRIPTION = json.loads(files("pinflow.gateway").joinpath("openapi.json").read_bytes())
METHODS = ("get", "post", "put", "delete")
OPERATIONS = [
    (path, method) for path, item in DESCRIPTION["paths"].items() for method in METHODS if method in item
]
WITH_BODY = [(path, method) for path, method in OPERATIONS if method in {"post", "put"}]

SETTINGS = settings(
    max_examples=40,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    log = open_log(log_url(tmp_path_factory.mktemp("openapi")))
    yield schemathesis.openapi.from_asgi("/openapi.json", create_app(log, Config()))
    shutdown_lifespans()
    log.close()


@schemathesis.serializer("application/x-ndjson")
def as_lines(_context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


@schemathesis.serializer("application/x-amz-json-1.1")
def as_aws_json(_context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_answer_is_as_described(described: Any, path: str, method: str) -> None:
    statuses = call(described[path][method], GenerationMode.POSITIVE)
    if method != "delete" and "{topic}" not in path.removesuffix("{topic}"):
        assert 200 in statuses or method == "get"


@pytest.mark.parametrize(("path", "method"), WITH_BODY)
def test_every_answer_to_a_wrong_body_is_as_described(described: Any, path: str, method: str) -> None:
    assert max(call(described[path][method], GenerationMode.NEGATIVE)) >= 400


def call(operation: Any, mode: GenerationMode) -> set[int]:
    """Send generated requests, check the answers, and return their statuses."""
    statuses: set[int] = set()

    @SETTINGS
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: schemathesis.Case[Any]) -> None:
        statuses.add(case.call_and_validate(checks=CHECKS).status_code)

    check()
    return statuses
