"""The backend of MySQL and MariaDB."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, create_engine, text
from sqlalchemy.exc import DBAPIError

from pinflow.errors import TerminalError, UnavailableError
from pinflow.source.mysql.check import describe_server, find_problems
from pinflow.source.mysql.columns import selection_of
from pinflow.source.mysql.failures import (
    NO_SUCH_DATABASE,
    NOT_YOUR_DATABASE,
    grant,
    number_of,
    translate_error,
)
from pinflow.source.mysql.options import connect_arguments
from pinflow.source.protocol import Backend

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Table

    from pinflow.errors import PinflowError
    from pinflow.findings import Finding
    from pinflow.source.protocol import Selection

__all__ = ["MySqlSource"]

IDLE_SECONDS = 280
"""A connection that was idle for this long is not used again: 300 s is a short `wait_timeout`, and after 350 s the NAT
gateways and load balancers of AWS forget it."""

LOCK_WAIT_SECONDS = 30
"""How long to wait for another fill, for the server to undo one that was killed, or for any other lock."""

SESSION = (
    "SET SESSION time_zone = '+00:00', sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION', "
    f"innodb_lock_wait_timeout = {LOCK_WAIT_SECONDS}, lock_wait_timeout = {LOCK_WAIT_SECONDS}"
)
"""TIMESTAMP columns come as UTC, a value that does not fit is an error instead of being cut, and waits end."""

LEAST_PACKET_BYTES = 2 << 20
"""PyMySQL sends a megabyte at once, or one row: ten texts of 64 KiB with every character escaped. At a longer statement
the server cuts the connection without a message."""

ISOLATION = "REPEATABLE READ"
"""The three rows of a post are read as of one moment, even while the source is replaced."""


class MySqlSource(Backend):
    """A source on a MySQL or MariaDB server."""

    def __init__(self, url: URL, where: str) -> None:
        self.where = where
        self._url = url
        self._database = str(url.database)

    def open(self, *, make: bool, long: bool) -> Engine:
        """See `Backend`."""
        arguments = connect_arguments(self._url, self.where, long=long)
        if make:
            self._make_database(arguments)
        return _engine(self._database, arguments)

    def claim(self, connection: Connection) -> None:
        """See `Backend`. A named lock is held until the connection is gone, however it goes."""
        name = f"pinflow {sha256(self._database.encode()).hexdigest()[:32]}"  # at most 64 characters
        query = text("SELECT GET_LOCK(:name, :seconds)")
        if connection.execute(query, {"name": name, "seconds": LOCK_WAIT_SECONDS}).scalar_one() != 1:
            raise UnavailableError(
                "another program fills the source, or one was killed and the server still undoes its work",
                where=self.where,
                hint="wait, then pinflow source show",
            )
        packet = connection.execute(text("SELECT @@max_allowed_packet")).scalar_one()
        if packet < LEAST_PACKET_BYTES:
            raise TerminalError(
                f"the server takes statements of {packet:,} bytes only, and {LEAST_PACKET_BYTES:,} are needed",
                where=self.where,
                hint="as an administrator of the server: SET GLOBAL max_allowed_packet = 16777216",
            )
        self._require_undoable(connection)

    def selection(self, connection: Connection, table: Table) -> Selection:
        """See `Backend`."""
        return selection_of(connection, table, self.where)

    def translate_error(self, error: DBAPIError) -> PinflowError:
        """See `Backend`."""
        return translate_error(error.orig, self.where, self._database)

    def describe(self, connection: Connection) -> str:
        """See `Backend`."""
        return describe_server(connection)

    def check(self, connection: Connection) -> list[Finding]:
        """See `Backend`."""
        return list(find_problems(connection))

    def _require_undoable(self, connection: Connection) -> None:
        for table, engine in connection.execute(text(ENGINES)):
            if engine is None:
                raise TerminalError(
                    f"{table} is a view, which cannot be filled",
                    where=self.where,
                    hint="fill the database with its tables",
                )
            if engine != "InnoDB":
                raise TerminalError(
                    f"table {table} is kept by {engine}, which cannot undo a fill that fails",
                    where=self.where,
                    hint=f"ALTER TABLE {table} ENGINE=InnoDB",
                )

    def _make_database(self, arguments: dict[str, Any]) -> None:
        """Make it if it is absent. A server does not show a user without rights on a database whether it is there."""
        absent = {NO_SUCH_DATABASE, NOT_YOUR_DATABASE}
        if self._accepts(_engine(self._database, arguments), "SELECT 1", but_for=absent):
            return
        name = self._database.replace("`", "``")
        create = f"CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
        if not self._accepts(_engine(None, arguments), create, but_for={NOT_YOUR_DATABASE}):
            raise TerminalError(
                f"there is no database {self._database}, or this user may not use it, nor make one",
                where=self.where,
                hint=f"as an administrator of the server: {create}; {grant(self._database)}",
            )

    def _accepts(self, engine: Engine, statement: str, *, but_for: set[int]) -> bool:
        """Whether the server runs a statement; not if it answers with one of these numbers, others are raised."""
        try:
            with engine.connect() as connection:
                connection.execute(text(statement.replace(":", "\\:")))
        except DBAPIError as error:
            if number_of(error.orig) in but_for:
                return False
            raise self.translate_error(error) from error
        finally:
            engine.dispose()
        return True


ENGINES = """
SELECT table_name, engine
FROM information_schema.tables
WHERE table_schema = DATABASE() AND table_name IN ('pinterest_data', 'geolocation_data', 'user_data')
"""


def _engine(database: str | None, arguments: dict[str, Any]) -> Engine:
    return create_engine(
        URL.create("mysql+pymysql", database=database),
        connect_args=arguments | {"init_command": SESSION},
        isolation_level=ISOLATION,
        paramstyle="format",  # a fill hands over tuples
        pool_pre_ping=True,
        pool_recycle=IDLE_SECONDS,
        hide_parameters=True,
    )
