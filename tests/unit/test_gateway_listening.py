"""Where the gateway listens: refused beyond this machine without keys and TLS; TLS by files; the command of keys."""

from __future__ import annotations

import json
import socket
import ssl
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest
from click.testing import CliRunner
from tests.certificates import Certificates, certificates
from tests.gateway_client import KAFKA_JSON, log_url, server_process, values

from pinflow import source
from pinflow.cli.main import cli
from pinflow.config import Gateway, load
from pinflow.emulator import emulate
from pinflow.errors import ConfigError, TerminalError, UnavailableError
from pinflow.gateway import serve
from pinflow.gateway.auth.key_file import create_key
from pinflow.gateway.http.listening import require_safe, tls_context
from pinflow.log import open_log

if TYPE_CHECKING:
    from pathlib import Path

BODY = b'{"records":[{"value":{"index":1}}]}'
ID = "0a6a638f5991"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "", "no such host"])
def test_beyond_this_machine_keys_and_tls_are_both_needed(host: str) -> None:
    for keys, cert, lacking in ((False, "", "API keys and TLS"), (True, "", "TLS"), (False, "x", "API keys")):
        with pytest.raises(ConfigError, match=f"without {lacking}\n") as raised:
            require_safe(Gateway(host=host, tls_cert=cert), keys=keys)
        assert "--insecure" in raised.value.hint
    require_safe(Gateway(host=host, tls_cert="x"), keys=True)
    require_safe(Gateway(host=host, insecure=True), keys=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_within_this_machine_neither_is_needed(host: str) -> None:
    require_safe(Gateway(host=host), keys=False)


def test_the_refusal_comes_before_anything_listens(tmp_path: Path) -> None:
    environment = {"PINFLOW__GATEWAY__PORT": "0", "PINFLOW__GATEWAY__HOST": "0.0.0.0"}
    with pytest.raises(ConfigError, match="beyond this machine"):
        serve(load(tmp_path, env=environment))
    assert not (tmp_path / "log.db").exists()


def test_tls_files_that_do_not_load_are_told(tmp_path: Path, files: Certificates) -> None:
    for settings in (
        {"tls_key": files.key},
        {"tls_cert": str(tmp_path / "none"), "tls_key": files.key},
        {"tls_cert": files.cert, "tls_key": files.ca},
        {"tls_cert": files.cert, "tls_key": files.locked_key},
        {"tls_cert": files.cert},
    ):
        with pytest.raises(ConfigError, match="TLS"):
            tls_context(msgspec.structs.replace(Gateway(), **settings))


def test_tls_serves_those_who_trust_the_authority_and_the_emulator(
    tmp_path: Path, files: Certificates
) -> None:
    environment = {"PINFLOW__GATEWAY__TLS_CERT": files.cert, "PINFLOW__GATEWAY__TLS_KEY": files.key}
    _, text = create_key(tmp_path / "gateway-keys.json", "emulator", ["*"])
    database = f"sqlite:///{tmp_path}/source.db"
    source.create(database, 12_000)
    with server_process(tmp_path, env=environment) as (_, url):
        assert url.startswith("https://127.0.0.1:")
        trust = ssl.create_default_context(cafile=files.ca)
        with httpx.Client(base_url=url, verify=trust) as client:
            headers = KAFKA_JSON | {"authorization": f"Bearer {text}"}
            assert client.post("/topics/a", content=BODY, headers=headers).status_code == 200
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/healthz")
        options: dict[str, Any] = {"posts": 5, "rate": "max"}
        report = emulate(database, url, ID, api_key=text, ca_file=files.ca, **options)
        assert (report.acknowledged, report.refused) == (30, 0)
        with pytest.raises(UnavailableError):
            emulate(database, url, ID, api_key=text, **options)
        with pytest.raises(TerminalError, match="401") as raised:
            emulate(database, url, ID, ca_file=files.ca, **options)
        assert "PINFLOW__EMULATOR__API_KEY" in raised.value.hint
        with pytest.raises(ConfigError, match="authority"):
            emulate(database, url, ID, ca_file=files.key, **options)
    log = open_log(log_url(tmp_path))
    assert len(values(log, f"{ID}.pin")) == 5
    log.close()


def test_bytes_that_are_no_tls_do_not_hurt(tmp_path: Path, files: Certificates) -> None:
    environment = {"PINFLOW__GATEWAY__TLS_CERT": files.cert, "PINFLOW__GATEWAY__TLS_KEY": files.key}
    with server_process(tmp_path, env=environment) as (process, url):
        host, _, port = url.removeprefix("https://").rpartition(":")
        for noise in (b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n", b"\x16\x03\x01\xff\xff", b""):
            with socket.create_connection((host, int(port)), timeout=10) as connection:
                connection.sendall(noise)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass
        assert (
            httpx.get(f"{url}/healthz", verify=ssl.create_default_context(cafile=files.ca)).status_code == 200
        )
        process.terminate()
        _, talk = process.communicate(timeout=30)
        assert b"Traceback" not in talk


def run(*args: str, code: int = 0) -> str:
    done = CliRunner().invoke(cli, list(args))
    assert done.exit_code == code, done.output
    return done.stdout


def test_keys_are_made_listed_and_revoked_by_command(tmp_path: Path) -> None:
    home = ["--home", str(tmp_path)]
    assert json.loads(run("gateway", "keys", "list", "--json", *home)) == []
    text = run(
        "gateway", "keys", "create", "--name", "one", "--topics", "a.*", "--topics", "b", *home
    ).strip()
    assert text.startswith("pf_")
    made = json.loads(run("gateway", "keys", "create", "--name", "two", "--json", *home))
    listed = json.loads(run("gateway", "keys", "list", "--json", *home))
    assert [(key["name"], key["topics"]) for key in listed] == [("one", ["a.*", "b"]), ("two", ["*"])]
    shown = run("gateway", "keys", "list", *home)
    assert "one" in shown
    for secret in (text, made["key"]):
        assert secret.split("_", 2)[2] not in shown
    run("gateway", "keys", "revoke", made["id"], *home)
    run("gateway", "keys", "revoke", made["id"], *home, code=1)
    assert [key["name"] for key in json.loads(run("gateway", "keys", "list", "--json", *home))] == ["one"]


def test_an_option_of_serving_before_a_subcommand_is_refused_rather_than_passed_over(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["gateway", "--port", "1", "keys", "list", "--home", str(tmp_path)])
    assert done.exit_code == 2
    assert "--port is an option of serving" in done.output


def test_the_command_refuses_to_listen_to_everybody(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["gateway", "--host", "0.0.0.0", "--port", "0", "--home", str(tmp_path)])
    assert done.exit_code == 2
    assert "does not listen beyond this machine" in done.output
