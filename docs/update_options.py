"""Rewrite the tables of URL options in docs/parts with what the backends declare.

    python docs/update_options.py

A table stands below a line `<!-- options: <backend> -->`, up to the next blank line.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from pinflow.lake.store import s3_url
from pinflow.log.kafka import url as kafka_url
from pinflow.log.kinesis import url as kinesis_url
from pinflow.source.mysql import options as mysql_options

if TYPE_CHECKING:
    from pinflow.config.url_options import UrlOptions

__all__ = ["DECLARED", "ROOT", "main", "rewritten"]

ROOT = Path(__file__).parent.parent

DECLARED: dict[str, UrlOptions] = {
    "kafka": kafka_url.URL_OPTIONS,
    "kinesis": kinesis_url.URL_OPTIONS,
    "mysql": mysql_options.URL_OPTIONS,
    "s3": s3_url.URL_OPTIONS,
}
"""Backend → the options of its URLs."""

TABLE = re.compile(r"^<!-- options: (?P<backend>[a-z0-9]+) -->\n(?:\|.*\n)*", re.MULTILINE)


def rewritten(page: str) -> str:
    """A page with every table of options as it is declared now."""
    return TABLE.sub(
        lambda found: f"<!-- options: {found['backend']} -->\n{DECLARED[found['backend']].table()}", page
    )


def main() -> None:
    """Rewrite every page, and name those that changed."""
    for declared in DECLARED.values():
        path = ROOT / declared.page
        before = path.read_text(encoding="utf-8")
        after = rewritten(before)
        if after != before:
            path.write_text(after, encoding="utf-8")
            print(declared.page)


if __name__ == "__main__":
    main()
