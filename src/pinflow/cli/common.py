"""What all commands share: the home folder, how errors are told, how a station is stopped."""

from __future__ import annotations

import functools
import logging
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pinflow.errors import PinflowError, UnavailableError
from pinflow.stations.process import STDIN_ENDS_IT

if TYPE_CHECKING:
    from collections.abc import Callable


__all__ = ["command_options", "echo_json", "json_option", "stop_on_signals", "watch_stdin"]

json_option = click.option("--json", "as_json", is_flag=True, help="Report as JSON on stdout.")


def command_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command `--home`, `--config` and `--debug`, and hand it the settings as its first argument.

    A `PinflowError`, or an error of the operating system, is told on stderr in a few lines and becomes the exit code.
    """

    @click.option(
        "--home",
        type=click.Path(file_okay=False, readable=False, path_type=Path),
        envvar="PINFLOW_HOME",
        default=Path(".pinflow"),
        show_default=True,
        help="The folder that holds everything.",
    )
    @click.option(
        "--config",
        "config_file",
        type=click.Path(dir_okay=False, readable=False, path_type=Path),
        envvar="PINFLOW_CONFIG",
        help="The configuration  [default: pinflow.toml in the home folder]",
    )
    @click.option("--debug", is_flag=True, help="Show tracebacks and more talk.")
    @functools.wraps(command)
    def wrapped(home: Path, config_file: Path | None, *, debug: bool, **arguments: Any) -> None:
        from pinflow.config import load

        _talk(debug=debug)
        try:
            command(load(home.expanduser().absolute(), file=config_file), **arguments)
        except PinflowError as error:
            _fail(error, debug=debug)
        except BrokenPipeError:
            raise
        except OSError as error:
            where = str(error.filename or home)
            told = UnavailableError(
                f"the system refuses: {error.strerror or error}", where=where, hint="pinflow doctor"
            )
            _fail(told, debug=debug)

    return wrapped


def _fail(error: PinflowError, *, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    click.echo(f"pinflow: {error}", err=True)
    sys.exit(error.exit_code)


def echo_json(value: object) -> None:
    """Print a value as JSON, two blanks deep."""
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def stop_on_signals() -> threading.Event:
    """An event that SIGINT and SIGTERM set, and the end of standard input too where a supervisor asks for it.

    A second SIGINT ends the process at once.
    """
    stop = threading.Event()

    def told(signum: int, _frame: object) -> None:
        if stop.is_set() and signum == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()

    signal.signal(signal.SIGINT, told)
    signal.signal(signal.SIGTERM, told)
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


def _talk(*, debug: bool) -> None:
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        force=True,
    )
    for name in ("urllib3", "sqlglot", "sqlalchemy", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if not debug:  # what it warns of comes as an error of ours too, and without its traceback
        logging.getLogger("botocore").setLevel(logging.CRITICAL)
