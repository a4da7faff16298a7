"""The connection layer builds on the inside of uvicorn, and so fits the versions that it was tried with."""

from __future__ import annotations

from importlib.metadata import version

from pinflow.gateway.http.requests import TRIED_UVICORN


def test_the_connection_layer_was_tried_with_the_uvicorn_that_is_installed() -> None:
    installed = version("uvicorn")
    assert installed in TRIED_UVICORN, (
        f"the gateway's connection layer was not tried with uvicorn {installed}, only with {', '.join(TRIED_UVICORN)}:"
        " compare uvicorn/protocols/http/httptools_impl.py of the two with gateway/http (requests.py, protocol.py,"
        " cycle.py), run tests/unit/test_gateway_packets.py, test_gateway_hostile.py, test_gateway_overload.py,"
        " test_gateway_server.py and tests/property/test_gateway_packets.py, test_gateway_bytes.py, and then add it to"
        " TRIED_UVICORN"
    )
