"""Errors of a MySQL server, or of the way to it, as errors of ours.

The numbers are those of the MySQL and MariaDB manuals: from 1000 on the server's, from 2000 on the client's.
"""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, NamedTuple

from pinflow.errors import AbsentError, TerminalError, UnavailableError

if TYPE_CHECKING:
    from pinflow.errors import PinflowError

__all__ = ["NOT_YOUR_DATABASE", "NO_SUCH_DATABASE", "grant", "number_of", "translate_error"]

NOT_YOUR_DATABASE = 1044
NO_SUCH_DATABASE = 1049
CANNOT_CONNECT = 2003


class ServerMeaning(NamedTuple):
    kind: type[PinflowError]
    what: str
    hint: str


LOGIN = ServerMeaning(
    TerminalError,
    "the database refuses this user or password",
    "check user and password: in source.url, MYSQL_USER and MYSQL_PWD, or the option file",
)
BUSY = ServerMeaning(
    UnavailableError, "the database takes no more connections", "raise its max_connections, or wait"
)
LOCKED = ServerMeaning(
    UnavailableError, "other work in the database held it up for too long", "try again a little later"
)
AWAY = ServerMeaning(
    UnavailableError,
    "the connection to the database was lost",
    "check that the server runs; pinflow source show says what it holds",
)
FULL = ServerMeaning(UnavailableError, "the database has no room left", "give its disk more room")
READ_ONLY = ServerMeaning(
    TerminalError, "the database only reads", "name the writer in source.url, not a replica of it"
)
VALUE = ServerMeaning(
    TerminalError,
    "a value does not fit its column, and nothing was changed",
    "texts have at most 65,535 bytes in a TEXT column; tables of other charsets: "
    "ALTER TABLE … CONVERT TO CHARACTER SET utf8mb4",
)
PRIVILEGE = ServerMeaning(
    TerminalError,
    "the database does not let this user do that",
    "as an administrator of the server: {grant}; to read only, SELECT is enough",
)

MEANINGS = {
    1045: LOGIN,
    1698: LOGIN,
    1044: PRIVILEGE,
    1142: PRIVILEGE,
    1143: PRIVILEGE,
    1227: PRIVILEGE,
    1370: PRIVILEGE,
    1049: ServerMeaning(
        AbsentError, "there is no source yet: the database is missing", "pinflow source create"
    ),
    1146: ServerMeaning(AbsentError, "there is no source yet: a table is missing", "pinflow source create"),
    1054: ServerMeaning(
        TerminalError,
        "a table is not as the source's tables are",
        "compare SHOW CREATE TABLE with docs/parts/source.md",
    ),
    1062: ServerMeaning(
        TerminalError,
        "another program wrote to the source at the same time, and nothing was changed",
        "pinflow source show",
    ),
    1040: BUSY,
    1203: BUSY,
    1226: BUSY,
    1205: LOCKED,
    1213: LOCKED,
    1412: LOCKED,
    1969: LOCKED,
    3024: LOCKED,
    1053: AWAY,
    1158: AWAY,
    1159: AWAY,
    1160: AWAY,
    1161: AWAY,
    1317: AWAY,
    1927: AWAY,
    2006: AWAY,
    2013: AWAY,
    2055: AWAY,
    4031: AWAY,
    0: AWAY,
    1021: FULL,
    1114: FULL,
    1290: READ_ONLY,
    1836: READ_ONLY,
    1153: ServerMeaning(
        TerminalError,
        "the server takes smaller statements only, and nothing was changed",
        "raise its max_allowed_packet to 2 MiB or more",
    ),
    1264: VALUE,
    1265: VALUE,
    1292: VALUE,
    1366: VALUE,
    1406: VALUE,
    2026: ServerMeaning(
        TerminalError,
        "source.url asks for TLS, and the server does not speak it",
        "switch TLS on at the server, or take the ssl_ parameters away",
    ),
    3159: ServerMeaning(
        TerminalError,
        "the server wants TLS, and source.url says ssl_disabled",
        "take ssl_disabled away",
    ),
}

UNKNOWN = ServerMeaning(
    UnavailableError,
    "the source database cannot be used now",
    "check source.url with pinflow config show, and that the database runs",
)

REFUSED = ServerMeaning(
    TerminalError, "the database refuses what it was asked", "look its number up in the manual of the server"
)


def translate_error(error: BaseException | None, where: str, database: str) -> PinflowError:
    """Our error of one of PyMySQL's."""
    number, message = number_of(error), _message_of(error)
    if number == CANNOT_CONNECT:
        meaning = _explain_unreachable(error)
    else:
        from_client = number < 1000 or 2000 <= number < 3000
        meaning = MEANINGS.get(number, UNKNOWN if from_client else REFUSED)
    return meaning.kind(
        f"{meaning.what}: {message} ({number})",
        where=where,
        hint=meaning.hint.format(grant=grant(database)),
    )


def grant(database: str) -> str:
    """The statement that gives a user all that a source needs."""
    name = database.replace("`", "``")
    return f"GRANT SELECT, INSERT, DELETE, CREATE ON `{name}`.* TO <user>"


def number_of(error: BaseException | None) -> int:
    """The number of an error of PyMySQL; -1 if it has none."""
    number = error.args[0] if error is not None and error.args else None
    return number if isinstance(number, int) else -1


def _message_of(error: BaseException | None) -> str:
    return str(error.args[1]) if error is not None and len(error.args) > 1 else str(error)


def _explain_unreachable(error: BaseException | None) -> ServerMeaning:
    """Why there is no connection: PyMySQL has one number for it and keeps the reason beside it."""
    reason = getattr(error, "original_exception", None)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return ServerMeaning(
            TerminalError,
            "the server's certificate is not to be trusted",
            "name the authority that signed it as ssl_ca in source.url, and the host as the certificate does",
        )
    if isinstance(reason, ssl.SSLError):
        return ServerMeaning(
            TerminalError, "TLS with the server fails", "check the ssl_ parameters of source.url"
        )
    if isinstance(reason, socket.gaierror):
        return ServerMeaning(
            UnavailableError, "the host of the source has no address", "check the host in source.url"
        )
    if isinstance(reason, ConnectionRefusedError):
        return ServerMeaning(
            UnavailableError,
            "no database listens there",
            "start the server, or check host and port in source.url",
        )
    if isinstance(reason, TimeoutError):
        return ServerMeaning(
            UnavailableError,
            "the database does not answer",
            "check the network on the way to it: firewall, security group, VPN",
        )
    return UNKNOWN
