"""The emulator goes on where it was when its database is restarted or dies in the middle of a run."""

from __future__ import annotations

import json
import signal
import subprocess
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from pinflow import source
from pinflow.log import EventLog, open_log
from tests.e2e.command import command, environment, gateway, until
from tests.gateway_client import BOUND_S, log_url, values

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers.mariadb import Account, MariaDb

POSTS = 2_000
ID = "0a6a638f5991"
TOPICS = [
    f"{ID}.pin",
    f"{ID}.geo",
    f"{ID}.user",
    *(f"streaming-{ID}-{name}" for name in ("pin", "geo", "user")),
]


@contextmanager
def emulating(account: Account, url: str, home: Path, log_file: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Every post once, looked up ten at a time, within a few seconds."""
    with (
        log_file.open("w") as said,
        subprocess.Popen(
            command("emulate", "--each-once", "--rate", "400/s", "--url", url, "--json", home=home),
            env=environment(PINFLOW__SOURCE__URL=account.url, PINFLOW__EMULATOR__BATCH_POSTS="10"),
            stdout=subprocess.PIPE,
            stderr=said,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def kept(log: EventLog, topic: str) -> int:
    return sum(extent.accepted for extent in log.ranges(topic)) if topic in log.topics.list() else 0


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_every_post_is_sent_once_though_the_database_goes_away_meanwhile(
    mariadb: MariaDb, account: Account, tmp_path: Path, how: str
) -> None:
    source.create(account.url, POSTS)
    log_file = tmp_path / "log_file"
    with (
        gateway(tmp_path) as url,
        closing(open_log(log_url(tmp_path))) as log,
        emulating(account, url, tmp_path, log_file) as process,
    ):
        try:
            until(lambda: kept(log, TOPICS[0]) > 100)
            getattr(mariadb, how)()
            until(lambda: "trying again" in log_file.read_text() or process.poll() is not None)
        finally:
            mariadb.restart()
        report = json.loads(process.communicate(timeout=BOUND_S)[0])
        assert process.returncode == 0, log_file.read_text()
        assert (report["posts"], report["skipped"]) == (POSTS, 0)
        assert report["sent"] == report["acknowledged"] == POSTS * len(TOPICS)
        for topic in TOPICS:
            numbers = [next(iter(json.loads(value or b"").values())) for value in values(log, topic)]
            assert sorted(numbers) == list(range(POSTS))
    assert "the source answers again" in log_file.read_text()
    assert account.password not in log_file.read_text()


def test_a_stop_while_the_database_is_away_ends_in_a_report(
    mariadb: MariaDb, account: Account, tmp_path: Path
) -> None:
    source.create(account.url, POSTS)
    log_file = tmp_path / "log_file"
    with (
        gateway(tmp_path) as url,
        closing(open_log(log_url(tmp_path))) as log,
        emulating(account, url, tmp_path, log_file) as process,
    ):
        try:
            until(lambda: kept(log, TOPICS[0]) > 100)
            mariadb.stop()
            until(lambda: "trying again" in log_file.read_text() or process.poll() is not None)
            process.send_signal(signal.SIGINT)
            report = json.loads(process.communicate(timeout=BOUND_S)[0])
        finally:
            mariadb.restart()
        assert process.returncode == 0, log_file.read_text()
        assert report["stopped"]
        assert (
            report["acknowledged"]
            == report["posts"] * len(TOPICS)
            == sum(kept(log, topic) for topic in TOPICS)
        )
