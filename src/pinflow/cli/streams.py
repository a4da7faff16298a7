"""The standard streams of a command: stdout is data and has to arrive, stderr is messages and never stops the work."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

from pinflow.errors import UnavailableError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["OutputClosed", "finish", "is_terminal", "mute", "prepare", "write_data"]


class OutputClosed(Exception):  # noqa: N818 - nothing went wrong: `pinflow query all | head -1` has what it wants
    """The reader of the output has ended."""


class _Data(io.FileIO):
    def write(self, data: ReadableBuffer) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise OutputClosed from None
        except OSError as error:
            raise UnavailableError(
                f"the output cannot be written: {error.strerror}",
                where="standard output",
                hint="see where it leads: to a full disk, or to a stream that is closed",
            ) from error


class _Messages(io.FileIO):
    def write(self, data: ReadableBuffer) -> int:
        try:
            return super().write(data)
        except OSError:  # nobody can read it, and the work goes on
            return memoryview(data).nbytes


def prepare() -> None:
    """Put `sys.stdout` and `sys.stderr` in order, unless a test has replaced them.

    A stream that is closed is opened: no file that is opened later may take its number, and be written to.
    """
    for number, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        _ensure_open(number, mode)
    if sys.stdout is sys.__stdout__:
        sys.stdout = _text(_Data(1, "w", closefd=False), sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text(_Messages(2, "w", closefd=False), sys.stderr)


def _ensure_open(number: int, mode: int) -> None:
    """Open /dev/null for a stream that is closed; for stdout so that a write fails, as it would have."""
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, mode)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)


def _text(raw: io.FileIO, before: TextIO | None) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=before.encoding if before is not None else "utf-8",
        errors="backslashreplace",
        line_buffering=raw.isatty() or raw.fileno() == 2,
        write_through=bool(getattr(before, "write_through", False)),
    )


def finish() -> None:
    """Write what is still to be written.

    Raises:
        UnavailableError, OutputClosed: It cannot be. It is given up then.
    """
    try:
        sys.stdout.flush()
    except (UnavailableError, OutputClosed):
        mute()
        raise


def mute() -> None:
    """Write nothing more to stdout, not even what Python flushes when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def is_terminal(stream: TextIO) -> bool:
    """Whether a person reads the stream, whatever FORCE_COLOR says."""
    return stream.isatty()


def write_data(text: str) -> None:
    """Write data that another program may read: in UTF-8, whatever the locale says."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
    sys.stdout.buffer.flush()
