"""`make bench`: every benchmark in turn."""

from __future__ import annotations

import subprocess
import sys

NAMES = ("tools", "pipeline", "gateway", "latency", "logs", "sources")


def main() -> None:
    for name in NAMES:
        print(f"== {name}", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)


if __name__ == "__main__":
    main()
