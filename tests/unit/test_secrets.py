"""No secret, and nothing of a record, is in any log, error, metric, description or `config show`."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from base64 import b64encode
from typing import TYPE_CHECKING

import httpx
from tests.certificates import certificates
from tests.gateway_client import BOUND_S, JSON, KAFKA_JSON, SOURCES, server_process

from pinflow import source
from pinflow.config import Config, flatten, show_setting
from pinflow.config.showing import SECRETS
from pinflow.gateway.auth.key_file import create_key, revoke_key

if TYPE_CHECKING:
    from pathlib import Path

RECORD = "SentinelOfARecord"
PASSWORD = "SentinelOfAPassword"
HEADER = "SentinelOfAHeader"


def run(home: Path, *args: str, **env: str) -> str:
    """All that a command says, on both channels, with tracebacks."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PINFLOW")}
    done = subprocess.run(
        [sys.executable, "-m", "pinflow", *args, "--home", str(home), "--debug"],
        env=clean | {"PYTHONPATH": str(SOURCES)} | env,
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        check=False,
    )
    return done.stdout + done.stderr


def test_a_setting_that_looks_like_a_secret_is_one() -> None:
    names = ("secret", "password", "token", "api_key")
    assert {key for key in flatten(Config()) if any(name in key for name in names)} == SECRETS
    assert show_setting("emulator.api_key", "") == ""


def test_sentinels_are_nowhere(tmp_path: Path) -> None:
    made = certificates(tmp_path)
    source.create(f"sqlite:///{tmp_path}/source.db", 20)
    file = tmp_path / "gateway-keys.json"
    _, text = create_key(file, "good", ["0a6a638f5991.*"])
    revoked, gone = create_key(file, "gone", ["*"])
    revoke_key(file, revoked.id)
    said: list[str] = [file.read_text()]
    tls = {"PINFLOW__GATEWAY__TLS_CERT": made.cert, "PINFLOW__GATEWAY__TLS_KEY": made.key}
    with server_process(tmp_path, env=tls) as (process, url):
        said += requests(url, made.ca, text, gone)
        for key in (text, gone):
            said.append(
                run(
                    tmp_path, "emulate", "--posts", "2", "--rate", "max", "--url", url,
                    PINFLOW__EMULATOR__CA_FILE=made.ca, PINFLOW__EMULATOR__API_KEY=key,
                )
            )  # fmt: skip
        process.terminate()
        said.append(process.communicate(timeout=BOUND_S)[1].decode())
    environment = {
        "PINFLOW__EMULATOR__API_KEY": text,
        "PINFLOW__SOURCE__URL": f"mysql+pymysql://me:a/{PASSWORD}@127.0.0.1:1/x",
        "MYSQL_PWD": PASSWORD,
        "PINFLOW__EMULATOR__URL": f"http://me:{PASSWORD}@127.0.0.1:1",
    }
    for args in (
        ("config", "show"),
        ("config", "show", "--json"),
        ("doctor",),
        ("emulate", "--posts", "1"),
        ("gateway", "keys", "list"),
        ("gateway", "keys", "list", "--json"),
        ("gateway", "--host", "0.0.0.0", "--port", "0"),
        ("init", "--force"),
    ):
        said.append(run(tmp_path, *args, **environment))
    said.append(run(tmp_path, "config", "show", **environment, PINFLOW__EMULATOR__SEED="x"))
    said.append((tmp_path / "pinflow.toml").read_text())
    everything = "\n".join(said)
    assert "emulator.api_key" in everything
    assert "40101" in everything
    for secret in (text, gone, *[key.split("_", 2)[2] for key in (text, gone)], PASSWORD, RECORD, HEADER):
        assert secret not in everything


def requests(url: str, ca: str, text: str, gone: str) -> list[str]:
    """What a gateway answers to good and bad requests that all hold sentinels."""
    said: list[str] = []
    bad = [
        f'{{"records":[{{"value":{{"a":"{RECORD}"}}}},{{"value":{RECORD}}}]}}',
        f'{{"records":"{RECORD}"}}',
        f'{{"records":[{{"value":"{RECORD}","partition":"{RECORD}"}}]}}',
        f'{{"records":[{{"value":1}}],"misspelt":"{RECORD}"}}',
        RECORD,
    ]
    with httpx.Client(base_url=url, verify=ssl.create_default_context(cafile=ca)) as client:
        for key in (text, gone):
            basic = b64encode(f"good:{key}".encode()).decode()
            for authorization in (f"Bearer {key}", f"Basic {basic}", f"Bearer {HEADER}", key):
                headers = {"authorization": authorization, "x-secret": HEADER, "idempotency-key": HEADER}
                for body in (*bad, f'{{"records":[{{"value":"{RECORD}"}}]}}'):
                    for topic in ("0a6a638f5991.pin", "other"):
                        kafka = client.post(f"/topics/{topic}", content=body, headers=KAFKA_JSON | headers)
                        kinesis = client.put(f"/streams/{topic}/record", content=body, headers=JSON | headers)
                        said += [kafka.text, kinesis.text, str(kafka.headers), str(kinesis.headers)]
                for path in ("/metrics", "/openapi.json", "/healthz", "/topics", "/streams", "/nothing"):
                    said.append(client.get(path, headers=headers).text)
    assert any('"error_code":null' in each for each in said)
    assert any("pinflow_gateway_requests" in each for each in said)
    return said
