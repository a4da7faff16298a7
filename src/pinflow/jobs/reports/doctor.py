"""doctor: every configured part, checked by using it."""

from __future__ import annotations

import os
import shutil
import ssl
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import msgspec
import urllib3

from pinflow.config import mask
from pinflow.errors import AbsentError, PinflowError
from pinflow.jobs.reports.integrity import find_damage
from pinflow.jobs.runtime import Runtime
from pinflow.source import open_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pinflow.config import Settings
    from pinflow.findings import Finding

__all__ = ["Check", "run_checks"]

State = Literal["ok", "absent", "broken"]

LEAST_FREE_BYTES = 1 << 30
"""Below a gibibyte free a busy log fills the disk within minutes."""

HEALTH_TIMEOUT_S = 2.0
"""A gateway on this machine answers in milliseconds, and one that cannot write its log within two seconds."""


class Check(msgspec.Struct, frozen=True):
    """The state of one part: `ok`, `absent` (not made or started yet, which is fine), or `broken`."""

    part: str
    state: State
    found: str
    hint: str = ""


def run_checks(settings: Settings) -> list[Check]:
    """Check home, source, log, lake, records, engine and gateway, in this order. Writes only probes of its own."""
    checks: tuple[tuple[str, Callable[[Settings], Check]], ...] = (
        ("home", _home),
        ("source", _source),
        ("log", _log),
        ("lake", _lake),
        ("records", _records),
        ("engine", _engine),
        ("gateway", _gateway),
    )
    return [_check_or_report(part, check, settings) for part, check in checks]


def _check_or_report(part: str, check: Callable[[Settings], Check], settings: Settings) -> Check:
    try:
        return check(settings)
    except AbsentError as error:
        return Check(part, "absent", f"{error.what} ({mask(error.where)})", error.hint)
    except PinflowError as error:
        return Check(
            part, "broken", f"{error.what} ({mask(error.where)})" if error.where else error.what, error.hint
        )


def _summarize(part: str, found: str, findings: Iterable[Finding]) -> Check:
    """A part with its findings; broken ones come first."""
    ordered = sorted(findings, key=lambda finding: not finding.broken)
    return Check(
        part,
        "broken" if any(each.broken for each in ordered) else "ok",
        "; ".join([found, *(each.what for each in ordered)]),
        "; ".join(dict.fromkeys(each.hint for each in ordered if each.hint)),
    )


def _home(settings: Settings) -> Check:
    if not settings.home.exists():
        return Check("home", "absent", str(settings.home), "pinflow init, or pinflow demo")
    if not os.access(settings.home, os.W_OK):
        return Check("home", "broken", f"{settings.home} cannot be written", "give the folder to this user")
    free = shutil.disk_usage(settings.home).free
    if free < LEAST_FREE_BYTES:
        return Check(
            "home", "broken", f"{free >> 20} MiB are free at {settings.home}", "free some space on the disk"
        )
    return Check("home", "ok", f"{settings.home}, {free >> 30} GiB free")


def _source(settings: Settings) -> Check:
    url = settings.config.source.url
    with open_source(url, long=True) as source:
        findings, posts, server = source.check(), max(source.count_rows().values()), source.describe()
    return _summarize("source", f"{posts:,} posts at {mask(url)} ({server})", findings)


def _log(settings: Settings) -> Check:
    url = settings.config.log.url
    with Runtime(settings, read_only=True) as runtime:
        topics = runtime.log.topics.list()
        findings = runtime.log.check()
        if runtime.log.capabilities.managed:  # counting its records may be to read them all
            found = f"{len(topics)} topics"
        else:
            records = sum(held.accepted for topic in topics for held in runtime.log.ranges(topic))
            found = f"{records:,} records in {len(topics)} topics"
    return _summarize("log", f"{found} at {mask(url)}", findings)


def _lake(settings: Settings) -> Check:
    with Runtime(settings, read_only=True) as runtime:
        wrong = runtime.store.check()
        if wrong:
            hints = "; ".join(dict.fromkeys(finding.hint for finding in wrong))
            return Check("lake", "broken", f"{wrong[0].what} ({runtime.store.url})", hints)
        objects = runtime.landing.manifest.snapshot().num_rows()
        return Check("lake", "ok", f"{objects:,} landed objects at {runtime.store.about}")


def _records(settings: Settings) -> Check:
    with Runtime(settings, read_only=True) as runtime:
        read = {"log": not runtime.log.capabilities.managed, "landed objects": not runtime.store.is_remote}
        found = find_damage(runtime, objects=read["landed objects"])
    if not found:
        lines = [f"{what}: unchanged since it was written" for what, it_was in read.items() if it_was]
        lines += [
            f"{what}: not read, as another system stores them" for what, it_was in read.items() if not it_was
        ]
        hint = "" if read["landed objects"] else "pinflow audit --deep reads all landed objects"
        return Check("records", "ok", "; ".join(lines), hint)
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    return Check(
        "records", "broken", found[0] + more, "pinflow audit --deep names each; restore them from a copy"
    )


def _engine(settings: Settings) -> Check:
    with Runtime(settings, read_only=True) as runtime:
        session = runtime.engine.session([])
        try:
            session.ask("SELECT 1 AS one", where="doctor")
        finally:
            session.close()
    return Check(
        "engine", "ok", f"{settings.config.engine.url}, {settings.config.engine.memory_mb} MiB of memory"
    )


def _gateway(settings: Settings) -> Check:
    url = f"{settings.config.gateway.url}/healthz"
    # It is only asked whether it lives, and sent nothing, so that its certificate need not be trusted.
    context = ssl._create_unverified_context()  # noqa: S323, SLF001
    try:
        with urllib3.PoolManager(ssl_context=context, retries=False) as http:
            answer = http.request("GET", url, timeout=HEALTH_TIMEOUT_S)
    except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError):
        return Check(
            "gateway",
            "absent",
            f"nothing listens at {urlsplit(url).netloc}",
            "pinflow gateway, or pinflow up",
        )
    except urllib3.exceptions.HTTPError as error:
        return Check(
            "gateway",
            "broken",
            f"what listens at {urlsplit(url).netloc} does not answer as a gateway: {type(error).__name__}",
            "see whether another program has the port, and whether the gateway has TLS",
        )
    if answer.status != 200:
        return Check("gateway", "broken", f"{url} answers {answer.status}", "read the gateway's log")
    return Check("gateway", "ok", url.removesuffix("/healthz"))
