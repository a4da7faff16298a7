"""How to reach a MySQL server: the URL, the option file it names and the environment, as arguments of PyMySQL.

We read them here, and not SQLAlchemy and PyMySQL, because between the two `ssl_verify_identity` loses `ssl_ca`,
a misspelt option ends in a TypeError, an option file that is not there is ignored, and passwords are Latin-1.
"""

from __future__ import annotations

import configparser
import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pinflow.config.option_kinds import TEXT, flag, number
from pinflow.config.url_options import OptionValues, UrlOption, UrlOptions
from pinflow.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import URL

__all__ = ["URL_OPTIONS", "connect_arguments"]

DEFAULT_PORT = 3306

PORT = number(0, 65_535, above=True)

CONNECT_SECONDS = 10
"""Time to reach the server, as in the mysql client."""

READ_SECONDS = 60
"""Silence of a server that looks posts up by number, before the connection counts as lost."""

LONG_SECONDS = 900
"""Silence of a server while it counts, deletes, commits or undoes millions of posts in one go."""

LONGEST_SECONDS = 86_400

SECONDS = number(0, LONGEST_SECONDS, above=True)

TLS = ("ssl_ca", "ssl_cert", "ssl_key", "ssl_verify_cert", "ssl_verify_identity", "ssl_check_hostname")

URL_OPTIONS = UrlOptions(
    part="a source on MySQL",
    setting="source.url",
    page="docs/parts/mysql.md",
    repeatable=False,
    options=(
        UrlOption(
            "ssl_ca",
            "PEM file with the authorities that may sign the server's certificate",
            TEXT,
            unset="the system's authorities",
        ),
        UrlOption(
            "ssl_verify_cert",
            "whether the certificate has to be signed by one of them",
            flag(),
            default="true",
        ),
        UrlOption(
            "ssl_verify_identity",
            "whether the certificate has to be the host's",
            flag(),
            unset="as `ssl_verify_cert`",
        ),
        UrlOption(
            "ssl_check_hostname", "the same, by another name", flag(), unset="as `ssl_verify_identity`"
        ),
        UrlOption("ssl_cert", "PEM file of a certificate to show to the server", TEXT),
        UrlOption(
            "ssl_key",
            "PEM file of its key, without a password",
            TEXT,
            unset="the key is in `ssl_cert`",
            secret=True,
        ),
        UrlOption("ssl_disabled", "never use TLS", flag(), default="false"),
        UrlOption("connect_timeout", "seconds to reach the server", SECONDS, default=str(CONNECT_SECONDS)),
        UrlOption(
            "read_timeout",
            "seconds of silence until a connection counts as lost",
            SECONDS,
            unset=f"`{READ_SECONDS}` for the emulator, `{LONG_SECONDS}` for all others",
        ),
        UrlOption(
            "write_timeout", "seconds that sending may stand still", SECONDS, default=str(READ_SECONDS)
        ),
        UrlOption("unix_socket", "the server's socket, instead of host and port", TEXT),
        UrlOption("read_default_file", "an option file of the mysql client", TEXT),
        UrlOption("read_default_group", "which group of the option file", TEXT, default="client"),
        UrlOption(
            "charset", "only `utf8mb4`, in which pinflow always reads and writes", TEXT, default="utf8mb4"
        ),
    ),
)

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
"""What is taken from an option file, and its name here."""

OF_OPTIONS = ("unix_socket", "ssl_ca", "ssl_cert", "ssl_key")
"""Those of them that the URL may give as an option, too."""


def connect_arguments(url: URL, where: str, *, long: bool) -> dict[str, Any]:
    """Keyword arguments of `pymysql.connect`, but for the database.

    The URL has precedence; then the option file it names, or without one the environment.

    Raises:
        ConfigError: The URL, a file it names, or a value is not valid.
        MissingExtraError: The driver is not installed.
    """
    _require_driver()
    if not url.database:
        raise URL_OPTIONS.error(
            where, "the source's URL names no database", "put /pinterest_data behind the host"
        )
    options = URL_OPTIONS.check(_pairs(url), where)
    if options["charset"] != "utf8mb4":
        raise options.error(
            "the source is read and written in utf8mb4 only", "take charset away from the URL"
        )
    login = _environment()
    if "read_default_file" in options:
        login = _option_file(options)
        options = options.complete({name: login[name] for name in OF_OPTIONS if name in login})
    login |= {
        name: value
        for name, value in (("user", url.username), ("password", url.password), ("host", url.host))
        if value is not None
    }
    if url.port is not None:
        login["port"] = str(url.port)
    host = login.get("host", "localhost")
    _require_host(host, options)
    read_seconds = options["read_timeout"] or (LONG_SECONDS if long else READ_SECONDS)
    arguments: dict[str, Any] = {
        "host": host,
        "port": _port(login.get("port"), options),
        "charset": "utf8mb4",
        "connect_timeout": options["connect_timeout"],
        "read_timeout": read_seconds,
        "write_timeout": options["write_timeout"],
    }
    if "user" in login:
        arguments["user"] = login["user"]
    if "unix_socket" in options:
        arguments["unix_socket"] = options["unix_socket"]
    if "password" in login:
        arguments["password"] = login["password"].encode()
    return arguments | _tls(options)


def _require_driver() -> None:
    try:
        import cryptography  # noqa: F401, PLC0415 - PyMySQL logs in with it where there is no TLS
        import pymysql  # noqa: F401, PLC0415 - an optional part
    except ImportError as error:
        raise MissingExtraError("a source on mysql", "mysql") from error


def _pairs(url: URL) -> list[tuple[str, str]]:
    """The options of a URL; one that is given twice comes twice."""
    return [
        (name, text)
        for name, value in url.query.items()
        for text in ([value] if isinstance(value, str) else value)
    ]


def _environment() -> dict[str, str]:
    names = {"user": "MYSQL_USER", "password": "MYSQL_PWD"}
    return {key: os.environ[name] for key, name in names.items() if os.environ.get(name)}


def _option_file(options: OptionValues) -> dict[str, str]:
    from pymysql.optionfile import Parser  # noqa: PLC0415 - an optional part

    path, group = Path(options["read_default_file"]).expanduser(), options["read_default_group"]
    parser = Parser(strict=False)
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise options.error(f"the option file {path} cannot be read: {reason}", OPTION_FILE) from error
    except configparser.Error:
        # From None, because the error shows a line of the file, and that may be the password.
        raise options.error(f"the option file {path} is not in the form of one", OPTION_FILE) from None
    if not parser.has_section(group):
        raise options.error(f"the option file {path} has no [{group}]", OPTION_FILE)
    return {
        name: parser.get(group, key) or "" for key, name in FROM_FILE.items() if parser.has_option(group, key)
    }


def _require_host(host: str, options: OptionValues) -> None:
    try:
        host.encode("idna")
    except UnicodeError as error:
        raise options.error("the source's host is not a valid name of one", "check source.url") from error


def _port(text: str | None, options: OptionValues) -> int:
    try:
        port = DEFAULT_PORT if text is None else int(PORT.read(text))
    except ValueError:
        raise options.error(f"port={text} is not valid", f"use {PORT.takes}") from None
    return port


def _tls(options: OptionValues) -> dict[str, Any]:
    """As soon as an option names TLS the server must use it and, unless that is switched off, prove its name."""
    if options["ssl_disabled"]:
        return {"ssl_disabled": True}
    if not any(name in options for name in TLS):
        return {}
    context = _load("ssl_ca", options, lambda path: ssl.create_default_context(cafile=path))
    # As PyMySQL does: certificates that MySQL servers make for themselves are not strictly formed.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    verify = options["ssl_verify_cert"]
    asked = (options["ssl_check_hostname"], options["ssl_verify_identity"])
    context.check_hostname = next((each for each in asked if each is not None), verify)
    context.verify_mode = ssl.CERT_REQUIRED if verify or context.check_hostname else ssl.CERT_NONE
    if "ssl_cert" in options:
        key = options["ssl_key"]
        key = str(Path(key).expanduser()) if key else None
        _load("ssl_cert", options, lambda path: context.load_cert_chain(str(path), key, password=""))
    return {"ssl": context}


def _load(name: str, options: OptionValues, load: Callable[[str | None], Any]) -> Any:
    path = str(Path(options[name]).expanduser()) if options[name] else None
    try:
        return load(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise options.error(f"{name} = {path} cannot be loaded: {reason}", "name a PEM file") from error


OPTION_FILE = "write [client], user = … and password = … into it, each on a line"
