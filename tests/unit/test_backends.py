"""A backend names the protocol of its part as its base, so that the type checker and Python miss a method taken out."""

from __future__ import annotations

import pytest

from pinflow.lake.store.objects import Access
from pinflow.lake.store.s3 import S3Access
from pinflow.source.mysql import MySqlSource
from pinflow.source.protocol import Backend
from pinflow.source.sqlite import SqliteSource

BACKENDS: list[tuple[type, type]] = [(SqliteSource, Backend), (MySqlSource, Backend), (S3Access, Access)]


@pytest.mark.parametrize(("backend", "protocol"), BACKENDS)
def test_a_backend_has_its_protocol_as_base_and_every_method_of_it(backend: type, protocol: type) -> None:
    assert protocol in backend.__mro__
    assert getattr(backend, "__abstractmethods__") == frozenset()  # noqa: B009 - types know it of no class


@pytest.mark.parametrize(("backend", "protocol"), BACKENDS)
def test_no_method_of_a_protocol_has_a_body_that_a_backend_could_inherit(
    backend: type, protocol: type
) -> None:
    methods = {name for name, value in vars(protocol).items() if callable(value) and not name.startswith("_")}
    assert methods == getattr(protocol, "__abstractmethods__")  # noqa: B009
    without = type("Without", (protocol,), {})
    with pytest.raises(TypeError, match="abstract"):
        without()
    assert methods <= vars(backend).keys()
