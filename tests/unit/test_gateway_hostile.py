"""Clients that mean harm, on real sockets: each is ended within bounds, and the others are served meanwhile."""

from __future__ import annotations

import gzip
import json
import random
import resource
import socket
import ssl
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest
from tests.gateway_client import BOUND_S, JSON, KAFKA_JSON, server_process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BODY = b'{"records":[{"value":{"index":1}}]}'
QUICK = {
    "PINFLOW__GATEWAY__HEADER_SECONDS": "0.3",
    "PINFLOW__GATEWAY__BODY_SECONDS": "0.6",
    "PINFLOW__GATEWAY__KEEP_ALIVE_SECONDS": "0.5",
}
HEAD = b"POST /topics/a HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
STREAM_HEAD = b"PUT /streams/a/record HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
GET = b"GET /topics HTTP/1.1\r\nhost: x\r\n\r\n"
H2C = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAAAAIAAAABAAMAAABk\r\n"
"""What Java's HttpClient sends with a request."""

WEBSOCKET = b"connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
POST = HEAD + b"content-length: %d\r\n\r\n" % len(BODY) + BODY


WRONG = [
    (HEAD + b"content-length: 1\r\ncontent-length: 2\r\n\r\n{}", 400),
    (HEAD + b"content-length: -1\r\n\r\n{}", 400),
    (HEAD + b"content-length: x\r\n\r\n{}", 400),
    (HEAD + b"content-length: 99999999999999999999999\r\n\r\n{}", 400),
    (HEAD + b"content-length: 99999999999\r\n\r\n{}", 413),
    (HEAD + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n", 400),
    (HEAD + b"transfer-encoding: nonsense\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00", 400),
    (b"GET / HTTP/9.9\r\n\r\n", 400),
    (b"CONNECT x:80 HTTP/1.1\r\nhost: x\r\n\r\n", 400),
    (b"GET /topics HTTP/1.1\r\nhost x\r\n\r\n", 400),
]

SEEDS = [
    POST,
    HEAD + b"transfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY),
    HEAD + b'idempotency-key: "k"\r\ncontent-length: %d\r\n\r\n' % len(BODY) + BODY,
    STREAM_HEAD + b'content-length: 25\r\n\r\n{"Data":{"index":"\\u00e9"}}',
    (
        b"PUT /streams/a/records HTTP/1.1\r\nhost: x\r\n"
        b"content-type: application/json\r\ncontent-length: 44\r\n\r\n"
        b'{"records":[{"data":1,"partition-key":"1"}]}'
    ),
    b"GET /topics/a/partitions/0 HTTP/1.1\r\nhost: x\r\nauthorization: Basic eDp5\r\n\r\n",
    (
        b"POST /streams/b HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        b'content-length: 16\r\n\r\n{"ShardCount": 2}'
    ),
    b"DELETE /streams/b HTTP/1.1\r\nhost: x\r\n\r\n",
]


@contextmanager
def served(home: Path, **env: str) -> Iterator[str]:
    """A server's URL; at the end it still serves, and has said nothing of a fault."""
    with server_process(home, env=env) as (process, url):
        yield url
        serves(url)
        process.terminate()
        _, talk = process.communicate(timeout=BOUND_S)
        assert process.returncode == 0
        assert b"Traceback" not in talk
        assert b"unexpected" not in talk


def serves(url: str) -> None:
    """A normal client is served."""
    answer = httpx.post(f"{url}/topics/normal", content=BODY, headers=KAFKA_JSON, timeout=5)
    assert answer.status_code == 200, answer.text
    assert httpx.get(f"{url}/healthz", timeout=5).status_code == 200


def connect(url: str) -> socket.socket:
    host, _, port = url.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=BOUND_S)


def told(connection: socket.socket) -> bytes:
    """Everything until the server hangs up."""
    said = b""
    try:
        while data := connection.recv(1 << 16):
            said += data
    except ConnectionResetError:
        pass
    return said


def one_answer(connection: socket.socket) -> int:
    """The status of the next answer, of a client that sent one request."""
    with connection.makefile("rb") as stream:
        head = stream.readline()
        length = 0
        while (line := stream.readline().strip()) != b"":
            name, _, value = line.partition(b": ")
            length = int(value) if name == b"content-length" else length
        stream.read(length)
    return int(head.split()[1])


def statuses(said: bytes) -> list[int]:
    return [int(part[:3]) for part in said.split(b"HTTP/1.1 ")[1:]]


@pytest.mark.parametrize("url_of_body", [HEAD, STREAM_HEAD], ids=["kafka", "kinesis"])
def test_headers_and_bodies_that_drip_are_ended_and_others_served(tmp_path: Path, url_of_body: bytes) -> None:
    with served(tmp_path, **QUICK) as url, ExitStack() as stack:
        silent, headers, empty, body = [stack.enter_context(connect(url)) for _ in range(4)]
        headers.sendall(url_of_body)
        empty.sendall(url_of_body + b"content-length: 100\r\n\r\n")
        body.sendall(url_of_body + b"content-length: 100\r\n\r\n")
        for _ in range(3):
            serves(url)
            headers.sendall(b"x: y\r\n")
            body.sendall(b"{")
            time.sleep(0.05)
        assert told(silent) == b""
        assert statuses(told(headers)) == [408]
        for each in (empty, body):
            said = told(each)
            assert statuses(said) == [408]
            assert (b"RequestTimeoutException" in said) == (url_of_body is STREAM_HEAD)
        assert httpx.get(f"{url}/healthz").json()["pending_requests"] == 0
        shown = httpx.get(f"{url}/metrics").text
        assert 'connections_ended_total{why="idle"} 1.0' in shown
        assert 'connections_ended_total{why="slow"}' in shown


def test_a_connection_that_is_kept_and_not_used_is_closed(tmp_path: Path) -> None:
    with served(tmp_path, **QUICK) as url, connect(url) as kept:
        kept.sendall(POST)
        assert statuses(told(kept)) == [200]


def test_a_client_that_does_not_read_is_ended(tmp_path: Path) -> None:
    many = b'{"records":[' + b",".join([b'{"value":1}'] * 200_000) + b"]}"
    with served(tmp_path, **QUICK | {"PINFLOW__GATEWAY__BODY_SECONDS": "2"}) as url, connect(url) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(HEAD + b"content-length: %d\r\n\r\n" % len(many) + many)
        until_metric(url, 'records_accepted_total{dialect="kafka"} 200000.0')
        serves(url)  # while the answer waits for its reader
        until_metric(url, 'connections_ended_total{why="reading"} 1.0')


def until_metric(url: str, line: str) -> None:
    give_up = time.monotonic() + BOUND_S
    while line not in httpx.get(f"{url}/metrics").text:
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.05)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\n\r\n",
        HEAD + b"x: " + b"y" * 40_000 + b"\r\n\r\n",
        HEAD + b"x" * 40_000 + b": y\r\n\r\n",
        HEAD + b"a: b\r\n" * 8_000 + b"\r\n",
        HEAD + b"x: " + b"y" * 1_000_000,
        b"\r\n" * 30_000,
        HEAD + b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n" + b"t: u\r\n" * 8_000 + b"\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\n1;" + b"e" * 1_000_000,
    ],
    ids=["url", "value", "name", "many", "endless", "blank", "trailers", "extension"],
)
def test_headers_without_end_are_431_and_hold_no_memory(tmp_path: Path, head: bytes) -> None:
    with served(tmp_path) as url, connect(url) as client:
        client.settimeout(5)
        with suppress(OSError):
            client.sendall(head)
        assert statuses(told(client))[:1] in ([431], [])
        until_metric(url, 'connections_ended_total{why="headers"} 1.0')
        serves(url)


@pytest.mark.parametrize(("request_bytes", "status"), WRONG)
def test_wrong_lengths_and_wrong_http_are_refused(tmp_path: Path, request_bytes: bytes, status: int) -> None:
    with served(tmp_path) as url, connect(url) as client:
        client.sendall(request_bytes)
        client.shutdown(socket.SHUT_WR)
        said = told(client)
        assert statuses(said) == [status], said
        assert json.loads(said.partition(b"\r\n\r\n")[2])["error_code"] == status


@pytest.mark.parametrize("route", [b"POST /topics/a", b"PUT /streams/a/record"])
@pytest.mark.parametrize("offer", [H2C, WEBSOCKET], ids=["h2c", "websocket"])
def test_an_offer_to_upgrade_is_served_as_if_it_were_not_there(
    tmp_path: Path, route: bytes, offer: bytes
) -> None:
    hidden = b"PUT /streams/hidden/record HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"
    body = BODY if route.startswith(b"POST") else b'{"Data": %s}' % json.dumps(hidden.decode()).encode()
    head = route + b" HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n" + offer
    offering = head + b"content-length: %d\r\n\r\n" % len(body)
    refused = head + b"content-length: %d\r\n\r\n" % len(hidden) + hidden
    with served(tmp_path) as url, connect(url) as client:
        for _ in range(2):
            client.sendall(offering)
            serves(url)  # the body comes in a packet of its own
            client.sendall(body)
            assert one_answer(client) == 200
        client.sendall((offering + body) * 3 + refused + GET)
        client.shutdown(socket.SHUT_WR)
        said = told(client)
        assert statuses(said)[:3] == [200] * 3
        assert statuses(said)[3] in {400, 422}
        assert statuses(said)[4:] == [200]
        assert b'"hidden"' not in said
        assert httpx.get(f"{url}/topics").json() == ["a", "normal"]


def test_the_bytes_of_a_hostile_client_give_the_same_answers_in_any_packets(tmp_path: Path) -> None:
    dice = random.Random(6)
    corpus = [request for request, _ in WRONG] + SEEDS + [mutated(dice, SEEDS) for _ in range(200)]
    corpus = [each for each in corpus if b"/streams/b" not in each]  # is it there? that depends on the order
    with served(tmp_path) as url:
        serves(url)
        assert answers_to(url, [POST]) == [200]
        for request in corpus:
            whole = answers_to(url, [request])
            assert whole == answers_to(url, [request[at : at + 1] for at in range(len(request))]), request
            at = dice.randrange(len(request))
            assert whole == answers_to(url, [request[:at], request[at:]]), request


def answers_to(url: str, packets: list[bytes]) -> list[int]:
    with connect(url) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError):  # it is refused before its end
            for packet in packets:
                client.sendall(packet)
            client.shutdown(socket.SHUT_WR)
        return statuses(told(client))


def test_a_body_behind_an_offer_has_to_come_in_time(tmp_path: Path) -> None:
    with served(tmp_path, PINFLOW__GATEWAY__BODY_SECONDS="0.6") as url, connect(url) as slow:
        slow.sendall(HEAD + H2C + b"content-length: 100\r\n\r\n{")
        assert statuses(told(slow)) == [408]


def test_headers_and_chunks_of_an_offer_are_bounded_too(tmp_path: Path) -> None:
    with served(tmp_path) as url, connect(url) as chunk, connect(url) as head:
        for client, sent in (
            (chunk, HEAD + H2C + b"transfer-encoding: chunked\r\n\r\n1;" + b"e" * 1_000_000),
            (head, HEAD + H2C + b"x: y\r\n" * 6_000 + b"\r\n"),
        ):
            with suppress(OSError):
                client.sendall(sent)
            assert statuses(told(client)) in ([431], [])
        until_metric(url, 'connections_ended_total{why="headers"} 2.0')


def test_a_connection_is_idle_again_when_a_body_that_nobody_read_has_come(tmp_path: Path) -> None:
    with served(tmp_path, PINFLOW__GATEWAY__KEEP_ALIVE_SECONDS="0.5") as url, connect(url) as client:
        client.sendall(b"POST /nothing HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n")
        assert one_answer(client) == 404
        client.sendall(b"{}")
        assert told(client) == b""


def test_a_body_that_nobody_reads_and_that_never_comes_ends_the_connection_without_a_second_answer(
    tmp_path: Path,
) -> None:
    with served(tmp_path, **QUICK) as url, connect(url) as client:
        client.sendall(b"POST /nothing HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n")
        assert statuses(told(client)) == [404]
        until_metric(url, 'connections_ended_total{why="slow"} 1.0')


def test_blank_lines_do_not_keep_a_connection(tmp_path: Path) -> None:
    with served(tmp_path, PINFLOW__GATEWAY__KEEP_ALIVE_SECONDS="0.5") as url, connect(url) as client:
        client.sendall(POST)
        assert one_answer(client) == 200
        client.settimeout(0.05)
        give_up = time.monotonic() + BOUND_S
        with suppress(ConnectionError):
            while time.monotonic() < give_up:
                client.sendall(b"\r\n")
                with suppress(TimeoutError):
                    assert client.recv(1 << 16) == b""
                    break
        assert time.monotonic() < give_up, "it is still open"


def test_a_length_of_thousands_of_digits_is_a_length(tmp_path: Path) -> None:
    with served(tmp_path) as url, connect(url) as client:
        client.sendall(HEAD + b"content-length: %05000d\r\n\r\n" % len(BODY) + BODY)
        client.shutdown(socket.SHUT_WR)
        assert statuses(told(client)) == [200]


def test_a_body_shorter_than_it_says_appends_nothing(tmp_path: Path) -> None:
    with served(tmp_path) as url:
        with connect(url) as client:
            client.sendall(HEAD + b"content-length: 1000\r\n\r\n" + BODY)
            client.shutdown(socket.SHUT_WR)
            assert statuses(told(client)) == []
        assert httpx.get(f"{url}/topics").json() == []


def test_pipelined_requests_are_answered_in_order_up_to_a_bound(tmp_path: Path) -> None:
    with served(tmp_path) as url:
        with connect(url) as client:
            client.sendall(GET + b"GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n" + POST)
            client.shutdown(socket.SHUT_WR)
            assert statuses(told(client)) == [200, 404, 200]
        with connect(url) as client:
            client.sendall(GET * 2_000)
            answers = statuses(told(client))
            assert set(answers) == {200}
            assert 10 < len(answers) < 100


def test_deep_json_and_bombs_are_refused_at_once(tmp_path: Path) -> None:
    deep = b"[" * 200_000 + b"]" * 200_000
    nested = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    bomb = gzip.compress(gzip.compress(bytes(200 << 20)))
    once = gzip.decompress(bomb)
    with served(tmp_path) as url, httpx.Client(base_url=url, timeout=BOUND_S) as client:
        for bad in (deep, nested):
            kafka = client.post("/topics/a", content=b'{"records":[{"value":%s}]}' % bad, headers=KAFKA_JSON)
            kinesis = client.put("/streams/a/record", content=b'{"Data":%s}' % bad, headers=JSON)
            assert (kafka.status_code, kinesis.status_code) == (422, 400)
            assert client.post("/topics/a", content=bad, headers=KAFKA_JSON).status_code == 422
        for content, encoding, status in (
            (once, "gzip", 413),
            (bomb, "gzip", 422),
            (bomb, "gzip, gzip", 415),
        ):
            headers = KAFKA_JSON | {"content-encoding": encoding}
            assert client.post("/topics/a", content=content, headers=headers).status_code == status


def test_thousands_of_idle_connections_keep_nobody_out(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4_000), hard))
    try:
        with served(tmp_path, PINFLOW__GATEWAY__MAX_CONNECTIONS="500") as url, ExitStack() as stack:
            for number in range(1_500):
                idle = stack.enter_context(connect(url))
                if number % 3 == 0:
                    idle.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
                if number % 300 == 0:
                    serves(url)
            serves(url)
            shown = httpx.get(f"{url}/metrics").text
            assert 'connections_ended_total{why="eviction"}' in shown
            (count,) = [
                line for line in shown.splitlines() if line.startswith("pinflow_gateway_connections ")
            ]
            assert float(count.split()[1]) <= 500
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_where_every_connection_is_busy_a_new_one_is_503_and_has_a_place_again_in_time(
    tmp_path: Path,
) -> None:
    with served(tmp_path, **QUICK, PINFLOW__GATEWAY__MAX_CONNECTIONS="20") as url, ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(connect(url)).sendall(HEAD)
        with connect(url) as late:
            late.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            said = told(late)
        assert statuses(said) in ([503], [])
        give_up = time.monotonic() + BOUND_S
        while True:
            try:
                serves(url)
                break
            except (AssertionError, httpx.HTTPError):
                assert time.monotonic() < give_up, "no place came free"


def test_many_large_bodies_that_never_end_leave_room_and_memory(tmp_path: Path) -> None:
    piece = bytes(1 << 20)
    with (
        server_process(tmp_path, env={"PINFLOW__GATEWAY__MAX_PENDING_BYTES": str(32 << 20)}) as (
            process,
            url,
        ),
        ExitStack() as stack,
    ):
        for _ in range(40):
            client = stack.enter_context(connect(url))
            client.settimeout(0.2)
            try:
                client.sendall(HEAD + b"content-length: 30000000\r\n\r\n")
                for _ in range(3):
                    client.sendall(piece)
            except OSError:
                pass  # it was refused meanwhile
        for _ in range(5):
            serves(url)
        assert httpx.get(f"{url}/healthz").json()["pending_bytes"] <= 32 << 20
        assert psutil.Process(process.pid).memory_info().rss < 400 << 20


def test_random_bytes_over_both_dialects_find_no_500(tmp_path: Path) -> None:
    dice = random.Random(5)
    seen: set[int] = set()
    with served(tmp_path, **QUICK) as url:
        for turn in range(1_500):
            with connect(url) as client:
                client.sendall(mutated(dice, SEEDS))
                client.shutdown(socket.SHUT_WR)
                seen |= set(statuses(told(client)))
            if turn % 300 == 0:
                serves(url)
    assert {200, 400, 404, 422} <= seen
    assert not {status for status in seen if status >= 500}


def mutated(dice: random.Random, seeds: list[bytes]) -> bytes:
    """A request with a few bytes changed, cut out, doubled, or joined with another's."""
    text = bytearray(dice.choice(seeds))
    for _ in range(dice.randint(0, 4)):
        place = dice.randrange(len(text))
        span = dice.choice([1, 2, 8, 40])
        match dice.randrange(5):
            case 0:
                text[place : place + 1] = bytes([dice.randrange(256)])
            case 1:
                del text[place : place + span]
            case 2:
                text[place:place] = text[place : place + span]
            case 3:
                text[place:place] = dice.choice(
                    [b"\r\n", b"\x00", b"%ff", b"\xff", b"0", b'"', b"/", b": ", b"{"]
                )
            case _:
                text += dice.choice(seeds)
        if not text:
            text += b"\n"
    return bytes(text)


def test_a_tls_handshake_that_never_ends_is_ended(tmp_path: Path) -> None:
    from tests.certificates import certificates

    made = certificates(tmp_path)
    environment = {
        "PINFLOW__GATEWAY__TLS_CERT": made.cert,
        "PINFLOW__GATEWAY__TLS_KEY": made.key,
        "PINFLOW__GATEWAY__HEADER_SECONDS": "0.3",
    }
    with (
        server_process(tmp_path, env=environment) as (_, url),
        connect(url.replace("https", "http")) as silent,
    ):
        assert told(silent) == b""
        trust = ssl.create_default_context(cafile=made.ca)
        assert httpx.get(f"{url}/healthz", verify=trust).status_code == 200
