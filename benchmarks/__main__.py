"""`make bench`: every benchmark in turn."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

NAMES = ("tools", "road", "gateway", "latency")


def main() -> None:
    for name in NAMES:
        print(f"== {name}", flush=True)
        subprocess.run([sys.executable, str(Path(__file__).with_name(f"{name}.py"))], check=True)


if __name__ == "__main__":
    main()
