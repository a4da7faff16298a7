"""AWS credentials: found as every AWS tool finds them, the same for objects and tables, fresh when they change."""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from tests.children import run
from tests.servers.buckets import moved
from tests.servers.faults import Answer, Request, faulty
from tests.servers.ports import free_port

from pinflow.config import load
from pinflow.errors import TerminalError, UnavailableError
from pinflow.lake import Column, Table, open_store
from pinflow.lake.store.credentials import Keys, Wallet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.servers.faults import Forward

    from pinflow.config import Settings

SECRET = "no-secret-of-anybody"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing in the environment, and no folder of AWS's."""
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@contextmanager
def serving(answers: dict[str, Callable[[], bytes]]) -> Iterator[str]:
    """A server that answers GET and PUT by path: it stands in for those who give credentials to machines."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answers[self.path]() if self.path in answers else b""
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_PUT = do_GET  # noqa: N815 - as http.server calls it

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Giver:
    """Gives other credentials each time it is asked."""

    def __init__(self, lasting: timedelta) -> None:
        self.given = 0
        self._lasting = lasting

    def __call__(self) -> bytes:
        self.given += 1
        return json.dumps(
            {
                "AccessKeyId": f"KEY{self.given}",
                "SecretAccessKey": SECRET,
                "Token": f"TOKEN{self.given}",
                "Expiration": (datetime.now(UTC) + self._lasting).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "Code": "Success",
                "Type": "AWS-HMAC",
            }
        ).encode()


def test_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text(
        f"[default]\naws_access_key_id=FILE\naws_secret_access_key={SECRET}\n"
    )
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "TOKEN")
    assert Wallet(None).keys() == ("ENV", SECRET, "TOKEN")


def test_profiles_are_read_by_name_from_the_url_or_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lines = [
        f"[{name}]\naws_access_key_id={name.upper()}\naws_secret_access_key={SECRET}"
        for name in ("default", "a", "b")
    ]
    (tmp_path / "credentials").write_text("\n".join(lines))
    (tmp_path / "config").write_text("[profile b]\nregion = eu-north-1\n")
    assert Wallet(None).keys().access_key == "DEFAULT"
    assert Wallet("b").keys().access_key == "B"
    assert Wallet("b").region == "eu-north-1"
    monkeypatch.setenv("AWS_PROFILE", "a")
    assert Wallet(None).keys().access_key == "A"
    assert open_store("s3://posts/lake?profile=b").about == "s3://posts/lake (region eu-north-1)"
    assert (
        open_store("s3://posts/lake?profile=b&region=eu-west-3").about == "s3://posts/lake (region eu-west-3)"
    )


def test_a_profile_that_is_not_there_is_told() -> None:
    with pytest.raises(TerminalError, match="nobody"):
        Wallet("nobody").keys()


def test_no_credentials_at_all_is_told_by_every_call(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    store = open_store(bucket)
    table = Table(store, "posts", [Column("ind", "int")])
    calls: list[Callable[[], object]] = [
        lambda: store.get("x"),
        lambda: table.version_of("job"),
        table.exists,
    ]
    for call in calls:
        with pytest.raises(TerminalError, match="no AWS credentials were found"):
            call()


def test_a_container_gives_credentials_and_they_are_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    giver = Giver(timedelta(minutes=5))  # less than botocore keeps any
    with serving({"/creds": giver}) as url:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{url}/creds")
        wallet = Wallet(None)
        first = wallet.keys()
        assert first.access_key.startswith("KEY")
        assert wallet.keys().access_key != first.access_key
    with pytest.raises(UnavailableError, match="cannot be reached"):
        wallet.keys()


def test_an_instance_gives_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    roles = "/latest/meta-data/iam/security-credentials/"
    answers: dict[str, Callable[[], bytes]] = {
        "/latest/api/token": lambda: b"t",
        roles: lambda: b"role",
        f"{roles}role": Giver(timedelta(hours=6)),
    }
    with serving(answers) as url:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", url)
        assert Wallet(None).keys() == ("KEY1", SECRET, "TOKEN1")


def test_an_instance_that_is_not_there_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(TerminalError, match="no AWS credentials were found"):
        Wallet(None).keys()


def test_keys_are_never_shown() -> None:
    keys = Keys("AKIA", SECRET, "TOKEN")
    assert SECRET not in f"{keys} {keys!r} {[keys]}"
    assert "TOKEN" not in repr(keys)


def use_both(settings: Settings) -> None:
    """Objects and tables, with a table that is kept open while the credentials change."""
    store = open_store(settings.config.lake.url)
    table = Table(store, "posts", [Column("ind", "int")])
    for step in (1, 2, 3):
        store.put(f"object-{step}", b"")
        table.stamp("job", step)


def test_objects_and_tables_are_signed_alike_and_afresh(
    moto: str, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    giver = Giver(timedelta(minutes=5))
    signed: list[tuple[int, bool, str]] = []

    def recording(request: Request, forward: Forward) -> Answer:
        headers = {name.lower(): value for name, value in request.headers.items()}
        key = re.search(r"Credential=KEY(\d+)/", headers["authorization"])
        assert key is not None
        assert headers["x-amz-security-token"] == f"TOKEN{key[1]}"
        signed.append((int(key[1]), "/tables/" in request.path, headers["authorization"]))
        return forward(request)

    with serving({"/creds": giver}) as url, faulty(moto) as faults:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{url}/creds")
        faults.fault = recording
        lake = moved(bucket, faults.url) + "&region=eu-west-2"
        settings = load(tmp_path / "home", env={"PINFLOW__LAKE__URL": lake})
        assert run(use_both, settings) == 0
    assert len({number for number, of_table, _ in signed if of_table}) > 2
    assert len({number for number, of_table, _ in signed if not of_table}) > 1
    assert all("/eu-west-2/s3/aws4_request" in authorization for _, _, authorization in signed)
    assert all(SECRET not in authorization for _, _, authorization in signed)
