"""A real MariaDB on a free port of the loopback, with data of its own and nothing of the system's configuration."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import pytest

from tests.certificates import Certificates, certificates
from tests.servers.ports import SEARCHED, free_port, wait_until
from tests.servers.quick import skip_in_quick_loop

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Account", "MariaDb", "account", "mariadb"]

STOP_S = 60.0


class Account(NamedTuple):
    """A user with all rights on one database, which is not made yet."""

    user: str
    password: str
    database: str
    port: int

    @property
    def url(self) -> str:
        """Of the source."""
        return f"mysql+pymysql://{self.user}:{self.password}@127.0.0.1:{self.port}/{self.database}"


class MariaDb:
    """The server: started, stopped, killed and started again on the same port and data."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        # A socket's path has room for about a hundred characters, and a test's folder may be deep.
        self._short = Path(tempfile.mkdtemp(prefix="pf-", dir="/tmp"))
        self._process: subprocess.Popen[bytes] | None = None
        self._as_root = ["--user=root"] if os.getuid() == 0 else []

    @cached_property
    def certificates(self) -> Certificates:
        """Those of a server that is started with TLS."""
        made = self._folder / "tls"
        made.mkdir()
        return certificates(made)

    def install(self) -> None:
        """Make the data folder; root of this machine has no password."""
        done = subprocess.run(
            [
                found("mariadb-install-db"), "--no-defaults", f"--datadir={self._folder / 'data'}",
                "--auth-root-authentication-method=normal", "--skip-test-db", *self._as_root,
            ],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self, *options: str, tls: bool = False) -> None:
        """Start it and wait until it takes connections."""
        made = self.certificates if tls else None
        crypt = [f"--ssl-cert={made.cert}", f"--ssl-key={made.key}"] if made else ["--skip-ssl"]
        with self.talk.open("ab") as talk:
            self._process = process = subprocess.Popen(
                [
                    found("mariadbd"), "--no-defaults", f"--datadir={self._folder / 'data'}",
                    f"--port={self.port}", "--bind-address=127.0.0.1", "--skip-name-resolve",
                    f"--socket={self._short / 's'}", f"--pid-file={self._folder / 'pid'}",
                    "--innodb-buffer-pool-size=64M", *self._as_root, *crypt, *options,
                ],
                stdout=talk, stderr=talk,
            )  # fmt: skip
        wait_until(lambda: self._answers() or process.poll() is not None, "mariadb answers")
        assert process.poll() is None, self.talk.read_text(errors="replace")

    def stop(self) -> None:
        """End it as an administrator does."""
        self._end(kill=False)

    def kill(self) -> None:
        """End it as a power failure does."""
        self._end(kill=True)

    def restart(self, *options: str, tls: bool = False) -> None:
        """Stop it, if it runs, and start it otherwise."""
        self.stop()
        self.start(*options, tls=tls)

    def remove(self) -> None:
        """End it and take its folder for the socket away."""
        self.stop()
        shutil.rmtree(self._short)

    @property
    def talk(self) -> Path:
        """What it says."""
        return self._folder / "mariadb.log"

    def execute(self, *statements: str, database: str | None = None) -> tuple[tuple[Any, ...], ...]:
        """Run statements as the administrator; the rows of the last."""
        import pymysql

        with (
            closing(
                pymysql.connect(
                    host="127.0.0.1", port=self.port, user="root", database=database, autocommit=True
                )
            ) as connection,
            connection.cursor() as cursor,
        ):
            for statement in statements:
                cursor.execute(statement)
            rows: tuple[tuple[Any, ...], ...] = cursor.fetchall()
            return rows

    def account(self, privileges: str = "ALL", password: str | None = None) -> Account:
        """A new user, with these privileges on a database of a new name."""
        name = f"posts_{uuid4().hex[:16]}"
        account = Account(
            f"u_{uuid4().hex[:12]}", uuid4().hex if password is None else password, name, self.port
        )
        written = account.password.replace("\\", "\\\\").replace("'", "''")
        self.execute(f"CREATE USER {account.user} IDENTIFIED BY '{written}'")
        if privileges:
            self.execute(f"GRANT {privileges} ON {name}.* TO {account.user}")
        return account

    def _answers(self) -> bool:
        import pymysql

        try:
            self.execute("SELECT 1")
        except pymysql.err.OperationalError:
            return False
        return True

    def _end(self, *, kill: bool) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill() if kill else process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def found(name: str) -> str:
    """The path of a program; without it the test fails in CI and is skipped elsewhere."""
    path = shutil.which(name, path=SEARCHED)
    if path is None:
        say = pytest.fail if os.environ.get("CI") else pytest.skip
        say(f"{name} is not installed: make system")
    return path


@contextmanager
def running(folder: Path) -> Iterator[MariaDb]:
    """A new server, gone at the end."""
    skip_in_quick_loop("MariaDB")
    found("mariadbd")
    server = MariaDb(folder)
    try:
        server.install()
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDb]:
    """The server of all tests of a process. Who stops it starts it again."""
    with running(tmp_path_factory.mktemp("mariadb")) as server:
        yield server


@pytest.fixture
def account(mariadb: MariaDb) -> Account:
    """A user and the name of a database, of this test alone."""
    return mariadb.account()
