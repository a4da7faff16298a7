"""An answer means on disk: it is never sent before the append has returned, nor before the WAL is synced."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.gateway_client import JSON, KAFKA_JSON, Wrapped, gateway, server_process, until, values

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BODY = b'{"records":[{"value":{"index":1}}]}'
POSTS = 5
TURNS = 200


def test_no_answer_is_sent_before_the_append_has_returned(tmp_path: Path) -> None:
    with gateway(tmp_path, wrap=Wrapped) as client:
        log: Any = client.log
        log.open.clear()

        async def watched() -> None:
            posts = [
                asyncio.create_task(client.http.post("/topics/a", content=BODY, headers=KAFKA_JSON)),
                asyncio.create_task(
                    client.http.put("/streams/a/record", content=b'{"Data":1}', headers=JSON)
                ),
            ]
            await until(log.entered.is_set)
            for _ in range(TURNS):
                assert (await client.http.get("/healthz")).status_code == 200
                assert not any(post.done() for post in posts)
            assert values(client.log, "a") == []
            log.open.set()
            assert [answer.status_code for answer in await asyncio.gather(*posts)] == [200, 200]
            assert len(values(client.log, "a")) == 2

        client.run(watched())


def test_the_wal_is_synced_before_the_answer_is_written(tmp_path: Path) -> None:
    strace = tracer(tmp_path)
    trace = tmp_path / "trace"
    calls = "trace=fsync,fdatasync,pwrite64,write,writev,sendto,sendmsg"
    tool = (strace, "-D", "-f", "-y", "-s", "32", "-o", str(trace), "-e", calls)
    # -D: the server, not strace, is the process that is started and stopped.
    with server_process(tmp_path, *tool) as (_, url), httpx.Client(base_url=url) as client:
        for _ in range(POSTS):
            assert client.post("/topics/a", content=BODY, headers=KAFKA_JSON).status_code == 200
    written = synced = answers = 0
    for call in completed(trace.read_text(errors="replace").splitlines()):
        if "-wal>" in call:
            written += call.startswith("pwrite64")
            if call.startswith(("fdatasync", "fsync")):
                assert call.endswith("= 0")
                synced = written
        elif "HTTP/1.1 200" in call:
            answers += 1
            assert written == synced, "an answer was written while the WAL was not synced"
            assert written, "an answer was written before anything was in the WAL"
            written = synced = 0
    assert answers == POSTS


def tracer(folder: Path) -> str:
    """The path of a strace that may trace here; in CI its absence fails the test."""
    found = shutil.which("strace")
    if found is not None:
        probe = [found, "-o", str(folder / "probe"), sys.executable, "-c", ""]
        if subprocess.run(probe, check=False, capture_output=True).returncode == 0:
            return found
    if os.environ.get("CI"):
        pytest.fail("strace is missing or may not trace, and CI has to run this test")
    pytest.skip("strace is missing or may not trace: apt-get install strace")


def completed(lines: list[str]) -> Iterator[str]:
    """The calls in the order they returned, but writes to a socket in the order they began."""
    begun: dict[str, str] = {}
    for line in lines:
        pid, _, call = line.partition(" ")
        call = call.strip()
        if call.endswith("<unfinished ...>"):
            begun[pid] = call.removesuffix("<unfinished ...>").strip()
            if "socket:" in call or "TCP" in call:
                yield begun.pop(pid)
        elif call.startswith("<..."):
            if pid in begun:
                yield begun.pop(pid) + re.sub(r"^<\.\.\. \w+ resumed>", "", call)
        else:
            yield call
