"""What all commands share: the settings, how errors are reported, how a process is stopped."""

from __future__ import annotations

import errno
import functools
import logging
import os
import signal
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any, NoReturn

import click

from pinflow.cli.arguments import readable
from pinflow.cli.options import COMMON, common_options, given
from pinflow.cli.streams import OutputClosed, write_data
from pinflow.cli.text import visible
from pinflow.errors import PinflowError, UnavailableError
from pinflow.stations.process import STDIN_ENDS_IT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pinflow.config import Settings

__all__ = ["command_options", "echo_json", "stop_on_signals", "watch_stdin", "with_settings"]


def command_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command `--home`, `--config` and `--debug`, and hand it the settings as its first argument."""
    return common_options(with_settings(command))


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Hand a command the settings as its first argument, by what the common options say of them.

    A `PinflowError`, or an error of the operating system, is reported on stderr in a few lines and becomes the exit
    code.
    """

    @functools.wraps(command)
    def wrapped(**arguments: Any) -> None:
        from pinflow.config import find_home
        from pinflow.config import settings as load

        ctx = click.get_current_context()
        home, config_file, debug = (given(ctx, name) for name in COMMON)
        _set_up_logging(debug=bool(debug))
        settings: Settings | None = None
        try:
            home = find_home(home)
            settings = load(home, config=config_file)
            own = {name: value for name, value in arguments.items() if name not in COMMON}
            command(settings, **{name: readable(name, value) for name, value in own.items()})
        except PinflowError as error:
            _fail(error, settings, debug=debug)
        except (click.ClickException, click.exceptions.Exit, click.Abort, OutputClosed):
            raise
        except (KeyboardInterrupt, SystemExit):
            raise
        except OSError as error:
            _fail(_translate_error(error, home), settings, debug=debug)
        except BaseException as error:  # the last net, also for a panic of a library
            from pinflow.cli.unexpected import is_interrupt, report

            if is_interrupt(error):
                raise KeyboardInterrupt from error
            sys.exit(report(error, home, settings, debug=debug))

    return wrapped


def _translate_error(error: OSError, home: Path | None) -> PinflowError:
    where = error.filename if isinstance(error.filename, str) else str(home)
    hint = NEXT_AFTER.get(error.errno or 0, "pinflow doctor")
    return UnavailableError(
        f"the operating system reports: {error.strerror or error}", where=where, hint=hint
    )


NEXT_AFTER = {
    errno.EACCES: "run as a user who may, or choose another folder with --home",
    errno.EPERM: "run as a user who may, or choose another folder with --home",
    errno.EROFS: "mount the disk for writing, or choose another folder with --home",
    errno.ENOSPC: "free some space on the disk",
    errno.ENAMETOOLONG: "choose a shorter path with --home",
    errno.ENOENT: "choose another folder with --home",
    errno.ENOTDIR: "choose another folder with --home",
    errno.EMFILE: "allow more open files: ulimit -n 4096",
}
"""What to do about an error of the system, by its number."""


def _fail(error: PinflowError, settings: Settings | None, *, debug: bool) -> NoReturn:
    if debug:
        from pinflow.cli.unexpected import without_secrets

        click.echo(without_secrets(traceback.format_exc(), settings), err=True)
    click.echo(f"pinflow: {visible(str(error), keep=LINE_END)}", err=True)
    sys.exit(error.exit_code)


LINE_END = "\n"


def echo_json(value: object, *, indent: int = 2) -> None:
    """Print a value as one JSON document, on one line without `indent`."""
    from pinflow.cli.json_text import json_text

    write_data(f"{json_text(value, indent=indent)}\n")


def stop_on_signals() -> threading.Event:
    """An event that SIGINT and SIGTERM set, and the end of standard input too where a supervisor asks for it.

    A second SIGINT ends the process at once.
    """
    stop = threading.Event()

    def on_signal(signum: int, _frame: object) -> None:
        if stop.is_set() and signum == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()

    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    watch_stdin()
    return stop


def watch_stdin() -> None:
    """End this process by SIGTERM when its standard input closes, where a supervisor asks for it."""
    if not os.environ.get(STDIN_ENDS_IT):
        return

    def watch() -> None:
        while os.read(0, 1024):
            continue
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="stdin", daemon=True).start()


def _set_up_logging(*, debug: bool) -> None:
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.INFO,
        stream=sys.stderr,
        force=True,
    )
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_VisibleFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    for name in ("urllib3", "sqlglot", "sqlalchemy", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if not debug:  # what it warns of comes as an error of ours too, and without its traceback
        logging.getLogger("botocore").setLevel(logging.CRITICAL)


class _VisibleFormatter(logging.Formatter):
    """Log lines hold texts of clients, which may not act on a terminal that shows them."""

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record), keep=LINE_END)
