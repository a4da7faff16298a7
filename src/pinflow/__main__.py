"""`python -m pinflow`, which Python begins with the working folder at the head of its path.

A file there that is named as a module, such as `json.py`, is not to be imported in its place.
"""

import os
import sys

if not sys.flags.safe_path and sys.path and sys.path[0] == os.getcwd():  # noqa: PTH109 - before any other import
    del sys.path[0]

from pinflow.cli.main import main

if __name__ == "__main__":
    main()
