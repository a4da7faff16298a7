"""The last net of the command: an error that nobody expected becomes three lines, and a file with the traceback."""

from __future__ import annotations

import os
import re
import shlex
import sys
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import click

from pinflow import __version__
from pinflow.cli.text import visible

if TYPE_CHECKING:
    from pinflow.config import Settings

__all__ = ["is_interrupt", "report", "without_secrets"]

LONGEST_MESSAGE = 300

SECRET_NAME = re.compile(r"(?i)secret|passw|_pwd|token|api_?key|private_?key")
"""Variables of the environment whose value is never written."""

SHORTEST_SECRET = 4
"""A shorter one would be found in every other word."""


def report(error: BaseException, home: Path | None, settings: Settings | None, *, debug: bool) -> int:
    """Report an unexpected error on stderr, write its traceback to a file, and return the exit code.

    The file is in the `logs` of the home if there is a home that can be written, else in the system's temporary folder.
    """
    trace = without_secrets("".join(traceback.format_exception(error)), settings)
    words = shlex.join(without_secrets(word, settings) for word in sys.argv[1:])
    head = (
        f"pinflow {__version__}, Python {sys.version.split()[0]}, {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    )
    file = _write(f"{head}\ncommand: {words}\n\n{trace}", home)
    what = without_secrets(str(error), settings).strip().split("\n", 1)[0][:LONGEST_MESSAGE]
    if debug:
        click.echo(trace, err=True)
    kind = type(error).__name__
    next_step = f"the traceback is in {file}; report the error with this file"
    if file is None:
        next_step = "no file could be written for the traceback; run it again with --debug"
    click.echo(
        f"pinflow: an unexpected error: {kind}{visible(f': {what}' if what else '')}\n"
        f"  where: {_where(error)}\n"
        f"  next:  {next_step}",
        err=True,
    )
    return 1


def is_interrupt(error: BaseException) -> bool:
    """Whether it is Ctrl-C while DuckDB works, which takes the signal and raises this."""
    return type(error) is RuntimeError and str(error) == "Query interrupted"


def without_secrets(text: str, settings: Settings | None) -> str:
    """The text without any password, key or token that this process knows of."""
    from pinflow.config import mask

    for secret in sorted(_secrets(settings), key=len, reverse=True):
        text = text.replace(secret, "***")
    return "\n".join(mask(line) for line in text.split("\n"))


def _secrets(settings: Settings | None) -> set[str]:
    from pinflow.config import secret_values

    found = set(secret_values(settings.config)) if settings is not None else set()
    found |= {value for name, value in os.environ.items() if SECRET_NAME.search(name)}
    found |= {unquote(secret) for secret in found}
    return {secret for secret in found if len(secret) >= SHORTEST_SECRET}


def _where(error: BaseException) -> str:
    """The innermost line of pinflow's own, for whoever fixes it."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if f"{os.sep}pinflow{os.sep}" in frame.filename] or list(frames)
    if not ours:
        return "before the command began"
    last = ours[-1]
    file = last.filename.rpartition(f"{os.sep}pinflow{os.sep}")[2]
    return f"{file}, line {last.lineno}, in {last.name}"


def _write(text: str, home: Path | None) -> str | None:
    name = f"error-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}-"
    folders = [Path(tempfile.gettempdir())] if home is None else [home / "logs", Path(tempfile.gettempdir())]
    for folder in folders:
        try:
            if home is not None and home.exists():
                folder.mkdir(exist_ok=True)
            number, path = tempfile.mkstemp(suffix=".txt", prefix=name, dir=folder)
            with os.fdopen(number, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
        except OSError:
            continue
        return path
    return None
