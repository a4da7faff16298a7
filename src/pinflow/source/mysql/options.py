"""How to reach a MySQL server: the URL, the option file it names and the environment, as arguments of PyMySQL.

We read them here, and not SQLAlchemy and PyMySQL, because between the two `ssl_verify_identity` loses `ssl_ca`,
a misspelt parameter ends in a TypeError, an option file that is not there is passed over, and passwords are
Latin-1.
"""

from __future__ import annotations

import configparser
import difflib
import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pinflow.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import URL

__all__ = ["options_of"]

DEFAULT_PORT = 3306

CONNECT_SECONDS = 10
"""Time to reach the server, as in the mysql client."""

READ_SECONDS = 60
"""Silence of a server that looks posts up by number, before the connection counts as lost."""

LONG_SECONDS = 900
"""Silence of a server while it counts, deletes, commits or undoes millions of posts in one go."""

TRUE = frozenset({"true", "1", "yes", "on"})
FALSE = frozenset({"false", "0", "no", "off"})

TLS = ("ssl_ca", "ssl_cert", "ssl_key", "ssl_verify_cert", "ssl_verify_identity", "ssl_check_hostname")

TIMEOUTS = ("connect_timeout", "read_timeout", "write_timeout")

PARAMETERS = frozenset(
    {*TLS, *TIMEOUTS, "ssl_disabled", "charset", "unix_socket", "read_default_file", "read_default_group"}
)
"""What may stand behind the question mark of a URL."""

FROM_FILE = {
    "user": "user",
    "password": "password",
    "host": "host",
    "port": "port",
    "socket": "unix_socket",
    "ssl-ca": "ssl_ca",
    "ssl-cert": "ssl_cert",
    "ssl-key": "ssl_key",
}
"""What is taken from an option file, and what it is called here."""


def options_of(url: URL, where: str, *, long: bool) -> dict[str, Any]:
    """Keyword arguments of `pymysql.connect`, but for the database.

    What the URL says counts most; then the option file it names, or without one the environment.

    Raises:
        ConfigError: The URL, a file it names, or a value does not fit.
        MissingExtraError: The driver is not installed.
    """
    _require_driver()
    if not url.database:
        raise _misfit("the source's URL names no database", where, "put /pinterest_data behind the host")
    given = _parameters(url, where) | {
        name: value
        for name, value in (("user", url.username), ("password", url.password), ("host", url.host))
        if value is not None
    }
    if url.port is not None:
        given["port"] = str(url.port)
    file = given.pop("read_default_file", None)
    group = given.pop("read_default_group", "client")
    given = (_environment() if file is None else _option_file(file, group, where)) | given
    host = given.get("host", "localhost")
    _require_host(host, where)
    arguments: dict[str, Any] = {
        "host": host,
        "port": int(_number(given, "port", DEFAULT_PORT, where)),
        "charset": "utf8mb4",
        "connect_timeout": _number(given, "connect_timeout", CONNECT_SECONDS, where),
        "read_timeout": _number(given, "read_timeout", LONG_SECONDS if long else READ_SECONDS, where),
        "write_timeout": _number(given, "write_timeout", READ_SECONDS, where),
        **{name: given[name] for name in ("user", "unix_socket") if name in given},
    }
    if "password" in given:
        arguments["password"] = given["password"].encode()
    return arguments | _tls(given, where)


def _require_driver() -> None:
    try:
        import cryptography  # noqa: F401, PLC0415 - PyMySQL logs in with it where there is no TLS
        import pymysql  # noqa: F401, PLC0415 - an optional part
    except ImportError as error:
        raise MissingExtraError("a source on mysql", "mysql") from error


def _parameters(url: URL, where: str) -> dict[str, str]:
    for name, value in url.query.items():
        if name not in PARAMETERS:
            close = difflib.get_close_matches(name, PARAMETERS, n=1)
            raise _misfit(
                f"the source's URL has an unknown parameter {name!r}",
                where,
                f"did you mean {close[0]}?" if close else f"use one of: {', '.join(sorted(PARAMETERS))}",
            )
        if not isinstance(value, str):
            raise _misfit(f"the source's URL says {name} more than once", where, "say it once")
    if url.query.get("charset", "utf8mb4") != "utf8mb4":
        raise _misfit(
            "the source is read and written in utf8mb4 only", where, "take charset away from the URL"
        )
    return {name: str(value) for name, value in url.query.items() if name != "charset"}


def _environment() -> dict[str, str]:
    names = {"user": "MYSQL_USER", "password": "MYSQL_PWD"}
    return {key: os.environ[name] for key, name in names.items() if os.environ.get(name)}


def _option_file(file: str, group: str, where: str) -> dict[str, str]:
    from pymysql.optionfile import Parser  # noqa: PLC0415 - an optional part

    path = Path(file).expanduser()
    options = Parser(strict=False)
    try:
        options.read_string(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise _misfit(f"the option file {path} cannot be read: {reason}", where, OPTION_FILE) from error
    except configparser.Error:
        # From None, because the error shows a line of the file, and that may be the password.
        raise _misfit(f"the option file {path} is not in the form of one", where, OPTION_FILE) from None
    if not options.has_section(group):
        raise _misfit(f"the option file {path} has no [{group}]", where, OPTION_FILE)
    return {
        name: options.get(group, key) or ""
        for key, name in FROM_FILE.items()
        if options.has_option(group, key)
    }


def _require_host(host: str, where: str) -> None:
    try:
        host.encode("idna")
    except UnicodeError as error:
        raise _misfit("the source's host is no name of one", where, "check source.url") from error


def _number(given: Mapping[str, str], name: str, default: int, where: str) -> float:
    most = 65_535 if name == "port" else 86_400
    try:
        number = float(given.get(name, default))
    except ValueError:
        number = 0.0
    if not 0 < number <= most:
        raise _misfit(
            f"{name} is no positive number up to {most}: {given[name]!r}", where, "mend it in source.url"
        )
    return number


def _tls(given: Mapping[str, str], where: str) -> dict[str, Any]:
    """As soon as anything is said of TLS the server must speak it and, unless that is switched off, prove its name."""
    if _flag(given, "ssl_disabled", where, default=False):
        return {"ssl_disabled": True}
    if not any(name in given for name in TLS):
        return {}
    context = _file("ssl_ca", given, where, lambda path: ssl.create_default_context(cafile=path))
    # As PyMySQL does: certificates that MySQL servers make for themselves are not strictly formed.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    verify = _flag(given, "ssl_verify_cert", where, default=True)
    name = "ssl_check_hostname" if "ssl_check_hostname" in given else "ssl_verify_identity"
    context.check_hostname = _flag(given, name, where, default=verify)
    context.verify_mode = ssl.CERT_REQUIRED if verify or context.check_hostname else ssl.CERT_NONE
    if "ssl_cert" in given:
        key = given.get("ssl_key")
        key = str(Path(key).expanduser()) if key else None
        _file("ssl_cert", given, where, lambda path: context.load_cert_chain(str(path), key, password=""))
    return {"ssl": context}


def _file(name: str, given: Mapping[str, str], where: str, load: Callable[[str | None], Any]) -> Any:
    path = str(Path(given[name]).expanduser()) if given.get(name) else None
    try:
        return load(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise _misfit(f"{name} = {path} cannot be loaded: {reason}", where, "name a PEM file") from error


def _flag(given: Mapping[str, str], name: str, where: str, *, default: bool) -> bool:
    value = given.get(name)
    if value is None:
        return default
    if value.lower() not in TRUE | FALSE:
        raise _misfit(f"{name} is neither true nor false: {value!r}", where, "mend it in source.url")
    return value.lower() in TRUE


def _misfit(what: str, where: str, hint: str) -> ConfigError:
    return ConfigError(what, where=f"source.url = {where}", hint=hint)


OPTION_FILE = "write [client], user = … and password = … into it, each on a line"
