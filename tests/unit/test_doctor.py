"""doctor: what stands where a gateway should."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.servers.ports import free_port

from pinflow.jobs.reports import doctor as checks
from pinflow.jobs.reports.doctor import run_checks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinflow.config import Settings


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def gateway_at(settings: Settings, port: int) -> checks.Check:
    gateway = msgspec.structs.replace(settings.config.gateway, port=port)
    config = msgspec.structs.replace(settings.config, gateway=gateway)
    return run_checks(msgspec.structs.replace(settings, config=config))[-1]


def test_what_listens_and_does_not_answer_is_broken(
    settings: Settings, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "HEALTH_TIMEOUT_S", 0.2)
    found = gateway_at(settings, listener.getsockname()[1])
    assert (found.part, found.state) == ("gateway", "broken")
    assert "does not answer as a gateway" in found.found
    assert found.hint


def test_where_nothing_listens_is_no_gateway_yet(settings: Settings) -> None:
    assert gateway_at(settings, free_port()).state == "absent"
