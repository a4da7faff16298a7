"""Filling a source and looking posts up in it: SQLite, and MariaDB on the same machine.

    python -m benchmarks.sources [--posts 100000]

Needs what `make test` needs for MariaDB: mariadbd on this machine.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path

from tests.servers.mariadb import MariaDb

from pinflow import source

LOOK_UPS = 10_000
AT_ONCE = 500


def measure(url: str, posts: int) -> tuple[float, float, float]:
    """Seconds to fill, and posts a second looked up many at once and one by one."""
    began = time.perf_counter()
    source.create(url, posts)
    filled = time.perf_counter() - began
    chance = random.Random(1)
    with source.open_posts(url) as held:
        numbers = chance.choices(list(held.numbers()), k=LOOK_UPS)
        began = time.perf_counter()
        for start in range(0, LOOK_UPS, AT_ONCE):
            held.fetch(numbers[start : start + AT_ONCE])
        many = LOOK_UPS / (time.perf_counter() - began)
        singly = numbers[: LOOK_UPS // 5]
        began = time.perf_counter()
        for number in singly:
            held.fetch([number])
        one = len(singly) / (time.perf_counter() - began)
    return filled, many, one


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--posts", type=int, default=100_000)
    posts = parser.parse_args().posts
    with tempfile.TemporaryDirectory() as folder:
        server = MariaDb(Path(folder))
        server.install()
        server.start()
        try:
            found = {
                "SQLite": measure(f"sqlite:///{folder}/source.db", posts),
                "MariaDB": measure(server.account().url, posts),
            }
        finally:
            server.remove()
    for name, (filled, many, one) in found.items():
        print(
            f"{name:8} fill {posts:,} posts {filled:6.1f} s   look up {many:8,.0f} posts/s {AT_ONCE} at once,"
            f" {one:7,.0f} one by one"
        )


if __name__ == "__main__":
    main()
