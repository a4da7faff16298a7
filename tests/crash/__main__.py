"""`python -m tests.crash --kills 2000`: the soak at any length."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from tests.crash.soak import soak


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Kill stations at random, then look for every acknowledged record."
    )
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    print(f"seed {given.seed}")
    with tempfile.TemporaryDirectory() as folder:
        print(soak(Path(folder) / "home", given.kills, seed=given.seed))


if __name__ == "__main__":
    main()
