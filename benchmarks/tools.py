"""What a newcomer waits for: the first words, a source, the whole demo. Each beside a bare Python process.

python -m benchmarks.tools [--posts 1000000]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPEATS = 7


def seconds_of(*command: str) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--posts", type=int, default=1_000_000)
    posts = parser.parse_args().posts
    pinflow = (sys.executable, "-m", "pinflow")
    bare = statistics.median(seconds_of(sys.executable, "-c", "pass") for _ in range(REPEATS))
    first = statistics.median(seconds_of(*pinflow, "--help") for _ in range(REPEATS))
    print(f"{'--help':32} {first:8.3f} s   {first / bare:5.1f} bare Python processes")
    with tempfile.TemporaryDirectory() as folder:
        for number in (11_154, posts):
            home = str(Path(folder) / str(number))
            seconds = seconds_of(*pinflow, "source", "create", "--posts", str(number), "--home", home)
            print(
                f"{f'source create, {number:,} posts':32} {seconds:8.2f} s   {number / seconds:,.0f} posts/s"
            )
        home = str(Path(folder) / "demo")
        for name in ("demo", "demo again"):
            print(f"{name:32} {seconds_of(*pinflow, 'demo', '--home', home):8.2f} s")


if __name__ == "__main__":
    main()
