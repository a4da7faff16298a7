"""`python -m pinflow`, which Python begins with the working folder at the head of its path.

A file there that is named as a module, such as `json.py`, is not to be imported in its place.
"""

import os
import sys


def _working_folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - nothing may be imported yet
    except FileNotFoundError:  # it was deleted
        return ""


if not sys.flags.safe_path and sys.path[:1] in ([""], [_working_folder()]):
    del sys.path[0]

from pinflow.cli.main import main  # noqa: E402 - after the path is in order

if __name__ == "__main__":
    main()
