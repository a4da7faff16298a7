"""Where the program begins: the command `pinflow`, and `python -m pinflow`.

1. Python begins `python -m` with the working folder at the head of its path. A file there that is named as a module,
   such as `json.py`, is not to be imported in its place.
2. Ctrl-C while the command is imported ends it without a word.
"""

import os
import sys


def _working_folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - nothing may be imported yet
    except FileNotFoundError:  # it was deleted
        return ""


if not sys.flags.safe_path and sys.path[:1] in ([""], [_working_folder()]):  # 1
    del sys.path[0]


def main() -> None:
    """Run the command line; see `pinflow.cli.main.main`."""
    import signal  # noqa: PLC0415 - after 1

    interrupted = signal.getsignal(signal.SIGINT)
    if interrupted is signal.default_int_handler:  # 2; where it is ignored, as in the background, that stays
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from pinflow.cli.main import main as run  # noqa: PLC0415 - after 2

    signal.signal(signal.SIGINT, interrupted)
    run()


if __name__ == "__main__":
    main()
