"""Keep a home as a version of pinflow leaves it, for the upgrade test: everything in it is written by that version.

    python -m tests.tools.keep_home aae5b33 tests/unit/fixtures/homes/aae5b33.tar.xz

REVISION is checked out beside this worktree, and only its commands run. What is kept:

- `home/`: both sides filled through its gateway, with rejected records, cells made NULL, a replay that was swapped and
  a maintain behind it; then a step of each kind left where a kill leaves it (`tests.kept_home.KILLED`).
- `expected.json`: the ten answers of each side and the rows of each table, as that version reads them in `home/`
  (`before`), and in a copy in which it has finished those steps itself (`after`); a request with the answer that it
  got.

`tests/e2e/test_upgrade.py` has the present version do the same.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import urllib3

from tests.kept_home import FINISH, KEY, read_with
from tests.servers.ports import ROOT, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ID = "0a6a638f5991"
CRASH_AT = "PINFLOW_CRASH_AT"
POSTS = 60
BOUND_S = 120

RULES = "src/pinflow/datasets/user/reject.sql"
BEFORE = "WHEN `ind` IS NULL THEN"
PAST_RULE = "WHEN age = '33' THEN 'a rule of the past'"
"""What an earlier rule said before that line of the file: what it rejected is clean today."""

HASHED_TO = ("a", "b")
"""A key for each of two partitions."""

KAFKA = {"Content-Type": "application/vnd.kafka.json.v2+json"}


class Version:
    """The commands of a checkout, on a home."""

    def __init__(self, checkout: Path, home: Path) -> None:
        self._checkout = checkout
        self.home = home

    def run(self, *args: str, crash_at: str = "") -> str:
        """Run a command to its end, which a crash point may be; what it prints."""
        done = subprocess.run(
            self._command(*args),
            env=self._env(crash_at),
            capture_output=True,
            text=True,
            timeout=BOUND_S,
            check=False,
        )
        wanted = -signal.SIGKILL if crash_at else 0
        assert done.returncode == wanted, (args, done.returncode, done.stderr)
        return done.stdout

    @contextmanager
    def gateway(self) -> Iterator[str]:
        """Its gateway; the address."""
        ready = self.home / "gateway.url"
        process = subprocess.Popen(
            self._command("gateway", "--port", "0", "--ready-file", str(ready)),
            env=self._env(""),
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(lambda: ready.exists() or process.poll() is not None, "the gateway listens")
            yield ready.read_text()
        finally:
            process.terminate()
            process.wait()
            ready.unlink(missing_ok=True)

    def _command(self, *args: str) -> list[str]:
        return [sys.executable, "-m", "pinflow", *args, "--home", str(self.home)]

    def _env(self, crash_at: str) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PINFLOW")}
        armed = {CRASH_AT: crash_at} if crash_at else {}
        return clean | armed | {"PYTHONPATH": str(self._checkout / "src")}


def post(url: str, name: str, values: Sequence[object], partition: int, **headers: str) -> bytes:
    """Post values of a dataset through both endpoints; the answer of the first."""
    records = [{"value": value, "partition": partition} for value in values]
    first = send(url, "POST", f"topics/{ID}.{name}", {"records": records}, KAFKA | headers)
    entries = [{"data": value, "partition-key": HASHED_TO[partition]} for value in values]
    send(url, "PUT", f"streams/streaming-{ID}-{name}/records", {"records": entries}, {})
    return first


def send(url: str, method: str, path: str, body: object, headers: dict[str, str]) -> bytes:
    """Send JSON that has to be taken."""
    sent = {"Content-Type": "application/json"} | headers
    answer = urllib3.request(method, f"{url}/{path}", body=json.dumps(body), headers=sent, retries=False)
    assert answer.status == 200, answer.data
    return answer.data


def fill(now: Version, strict: Version) -> Any:
    """Fill the home; a request that was sent with a key, and its answer."""
    now.run("init")
    file = now.home / "pinflow.toml"
    file.write_text(file.read_text().replace("# partitions = 4", "partitions = 2"))
    now.run("source", "create", "--posts", str(POSTS))
    with now.gateway() as url:
        now.run("emulate", "--url", url, "--each-once", "--rate", "max")
        rejected = [{"ind": 900 + n, "age": "33", "first_name": "Ann"} for n in range(4)]
        post(url, "user", [*rejected, {"ind": 904, "age": "old"}, [1]], 0)
        post(url, "pin", [{"index": 905, "title": "a", "follower_count": "many"}, {"index": "no number"}], 1)
        post(url, "geo", [{"ind": 906, "country": "Chad", "latitude": "north"}, "text"], 0)
    for station in ("land", "batch", "stream"):
        strict.run(station, "--drain")
    now.run("replay", "batch", "pin")
    now.run("replay", "stream", "user")  # by today's rules: its rejected records have come clean
    with now.gateway() as url:
        for number in range(3):
            post(url, "pin", [{"index": 905, "title": f"again {number}", "follower_count": "2k"}], 1)
            post(url, "user", [{"ind": 904, "age": 40 + number}], 0)
        request = {"records": [{"value": {"ind": 907, "age": 50}}, {"value": {"ind": 908, "age": 51}}]}
        path = f"topics/{ID}.user"
        answer = send(url, "POST", path, request, KAFKA | {"Idempotency-Key": KEY})
    for station in ("land", "batch"):
        now.run(station, "--drain")
    strict.run("stream", "--drain")
    now.run("maintain")
    return {
        "path": path,
        "body": json.dumps(request),
        "headers": KAFKA | {"Idempotency-Key": KEY},
        "answer": answer.decode(),
    }


def kill(now: Version, strict: Version) -> None:
    """Leave steps unfinished: `KILLED` of `tests.kept_home` names them in this order."""
    with now.gateway() as url:
        post(url, "geo", [{"ind": 906, "country": "Togo"}], 0)
        post(url, "pin", [{"index": 910, "title": "b", "follower_count": "some"}, "x"], 0)
    for station in ("land", "batch", "stream"):
        now.run(station, "--drain")
    now.run("maintain", crash_at="maintain.planned")
    with now.gateway() as url:
        post(url, "user", [{"ind": 911, "age": "33"}, {"ind": 912, "age": "33"}], 1)
    now.run("land", "--drain")
    for station in ("batch", "stream"):
        strict.run(station, "--drain")
    with now.gateway() as url:
        post(
            url,
            "geo",
            [{"ind": 906, "country": "Mali"}, {"ind": 913, "country": "Peru", "longitude": "e"}, "y"],
            1,
        )
    now.run("land", "--drain")
    now.run("batch", "--drain", crash_at="batch.planned")
    now.run("stream", "--drain", crash_at="stream.half-committed")
    now.run("replay", "batch", "user", "--quarantine", crash_at="batch.planned")
    now.run("replay", "stream", "user", "--quarantine", crash_at="replay.moved")
    now.run("replay", "batch", "pin", crash_at="replay.fenced")
    now.run("replay", "stream", "pin", crash_at="replay.stamped")
    zone = now.home / "lake" / "topics" / "kept" / "partition=0"
    zone.mkdir(parents=True)
    (zone / "kept+0+0000000000.json").write_text('{"ind":1}\n{"ind":2}\n')
    now.run("land", "--adopt", "topics/", crash_at="land.planned")
    with now.gateway() as url:
        post(url, "geo", [{"ind": 914, "country": "Iran"}], 0)
    now.run("land", "--drain", crash_at="land.planned")


def keep(revision: str, kept: Path) -> None:
    """Make the home, and pack it."""
    with tempfile.TemporaryDirectory(prefix="pinflow-kept-") as name:
        folder = Path(name)
        today, past = folder / "today", folder / "past"
        try:
            for checkout in (today, past):
                subprocess.run(
                    ["git", "worktree", "add", "--quiet", "--detach", checkout, revision],
                    cwd=ROOT,
                    check=True,
                )
            text = (past / RULES).read_text()
            assert BEFORE in text
            (past / RULES).write_text(text.replace(BEFORE, f"{PAST_RULE}\n{BEFORE}"))
            now, strict = (Version(checkout, folder / "home") for checkout in (today, past))
            request = fill(now, strict)
            kill(now, strict)
            before = read_with(now.run)
            shutil.copytree(now.home, folder / "finished")
            finished = Version(today, folder / "finished")
            for command in FINISH:
                finished.run(*command)
            expected = {"request": request, "before": before, "after": read_with(finished.run)}
            (folder / "expected.json").write_text(json.dumps(expected, indent=1))
        finally:
            for checkout in (today, past):
                _git("remove", "--force", str(checkout))
        with tarfile.open(kept, "w:xz", preset=9) as archive:
            for each in ("home", "expected.json"):
                archive.add(folder / each, each)


def _git(*args: str) -> None:
    subprocess.run(["git", "worktree", *args], cwd=ROOT, check=True)


if __name__ == "__main__":
    keep(sys.argv[1], Path(sys.argv[2]).absolute())
