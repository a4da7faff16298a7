"""The gateway as a process on a real socket."""

from __future__ import annotations

import gzip
import signal
import socket
from typing import TYPE_CHECKING

import httpx
import pytest
from backports import zstd
from tests.gateway_client import BOUND_S, KAFKA_JSON, log_url, server_process, values

from pinflow.config import load
from pinflow.errors import UnavailableError
from pinflow.gateway import serve
from pinflow.log import open_log

if TYPE_CHECKING:
    from pathlib import Path

BODY = b'{"records":[{"value":{"index":1}}]}'


def test_posts_over_a_socket_are_in_the_log_when_the_server_has_ended(tmp_path: Path) -> None:
    big = b'{"records":[' + b",".join(b'{"value":{"index":%d}}' % number for number in range(20_000)) + b"]}"
    with server_process(tmp_path) as (process, url), httpx.Client(base_url=url, timeout=BOUND_S) as client:
        sent = [
            (BODY, {}),
            (gzip.compress(BODY), {"content-encoding": "gzip"}),
            (zstd.compress(BODY), {"content-encoding": "zstd"}),
            (gzip.compress(big), {"content-encoding": "gzip"}),
            (big, {}),
        ]
        for content, headers in sent:
            answer = client.post("/topics/a", content=content, headers=KAFKA_JSON | headers)
            assert answer.status_code == 200, answer.text
        chunked = client.post("/topics/a", content=iter([BODY[:5], BODY[5:]]), headers=KAFKA_JSON)
        assert chunked.status_code == 200
        assert client.request("HEAD", "/topics").content == b""
        assert "server" not in answer.headers
        process.send_signal(signal.SIGTERM)
        _, talk = process.communicate(timeout=BOUND_S)
    assert process.returncode == 0
    assert b"Traceback" not in talk
    log = open_log(log_url(tmp_path))
    assert len(values(log, "a")) == 40_004
    log.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_in_peace_though_connections_are_open(
    tmp_path: Path, number: signal.Signals
) -> None:
    with server_process(tmp_path) as (process, url), httpx.Client(base_url=url) as client:
        client.post("/topics/a", content=BODY, headers=KAFKA_JSON)
        host, _, port = url.removeprefix("http://").rpartition(":")
        with socket.create_connection((host, int(port))) as half:
            half.sendall(b"POST /topics/a HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{")
            client.get("/healthz")
            process.send_signal(number)
            _, talk = process.communicate(timeout=BOUND_S)
        assert process.returncode == 0
        assert b"Traceback" not in talk


def test_a_refused_body_leaves_the_connection_usable(tmp_path: Path) -> None:
    with server_process(tmp_path) as (_, url), httpx.Client(base_url=url, timeout=BOUND_S) as client:
        huge = client.post("/topics/a", content=bytes(33 << 20), headers=KAFKA_JSON)
        assert (huge.status_code, huge.json()["error_code"]) == (413, 413)
        assert client.post("/topics/a", content=BODY, headers=KAFKA_JSON).status_code == 200


def test_bytes_that_are_no_http_do_not_hurt(tmp_path: Path) -> None:
    with server_process(tmp_path) as (process, url):
        host, _, port = url.removeprefix("http://").rpartition(":")
        for noise in (
            b"\x00\xff\r\n\r\n",
            b"GET /\xff HTTP/1.1\r\n\r\n",
            b"POST /topics/a%ff HTTP/1.1\r\nhost: x\r\n\r\n",
        ):
            with socket.create_connection((host, int(port)), timeout=BOUND_S) as connection:
                connection.sendall(noise)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass
        assert httpx.get(f"{url}/healthz").status_code == 200
        process.terminate()
        _, talk = process.communicate(timeout=BOUND_S)
        assert b"Traceback" not in talk


def test_a_taken_port_says_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        environment = {"PINFLOW__GATEWAY__PORT": str(taken.getsockname()[1])}
        with pytest.raises(UnavailableError, match="cannot listen") as refused:
            serve(load(tmp_path, env=environment))
    assert "gateway.port" in refused.value.hint


@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid"])
def test_an_address_that_is_not_ours_says_what_to_do(tmp_path: Path, host: str) -> None:
    environment = {
        "PINFLOW__GATEWAY__PORT": "0",
        "PINFLOW__GATEWAY__HOST": host,
        "PINFLOW__GATEWAY__INSECURE": "true",
    }
    with pytest.raises(UnavailableError, match="cannot listen") as refused:
        serve(load(tmp_path, env=environment))
    assert "gateway.host" in refused.value.hint
