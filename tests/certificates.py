"""Certificates for tests, made by openssl: an authority, and what it signed for this machine."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Certificates", "certificates"]


class Certificates(NamedTuple):
    """Paths of PEM files; `locked_key` is `key` behind a password."""

    ca: str
    cert: str
    key: str
    locked_key: str


def certificates(folder: Path) -> Certificates:
    """Make all of them in a folder."""

    def openssl(*args: str) -> None:
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)

    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    ca = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    openssl(
        "req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test", "-days", "2", *ca
    )
    openssl("req", *new, "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=localhost")
    (folder / "names").write_text(
        "subjectAltName=DNS:localhost,IP:127.0.0.1\nauthorityKeyIdentifier=keyid\nbasicConstraints=CA:FALSE\n"
    )
    sign = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"]
    openssl("x509", "-req", "-in", "request.pem", "-out", "cert.pem", *sign)
    openssl("ec", "-in", "key.pem", "-aes256", "-passout", "pass:word", "-out", "locked.pem")
    return Certificates(*[str(folder / name) for name in ("ca.pem", "cert.pem", "key.pem", "locked.pem")])
