"""The relational source: its posts, its tables, and how it is made.

`create` draws a synthetic source, `load` reads one from files, `summary` sums up what it holds, `check` finds what is
wrong with its database, `open_posts` reads posts by number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinflow.errors import UsageError
from pinflow.progress import Silent
from pinflow.source.database import Database, fill, open_source
from pinflow.source.facts import SourceSummary, summary
from pinflow.source.loader import file_blocks
from pinflow.source.reader import Posts, open_posts
from pinflow.source.rows import Post
from pinflow.source.synthetic.synthetic import synthetic_blocks

if TYPE_CHECKING:
    from pathlib import Path

    from pinflow.findings import Finding
    from pinflow.progress import Progress

__all__ = [
    "Database",
    "Post",
    "Posts",
    "SourceSummary",
    "check",
    "create",
    "load",
    "open_posts",
    "open_source",
    "summary",
]

SILENT = Silent()


def create(
    url: str, posts: int = 11_154, seed: int = 100, *, replace: bool = False, progress: Progress = SILENT
) -> int:
    """Make a synthetic source of `posts` posts, numbered from 0, and return how many it holds.

    All or nothing: readers see the old rows until the new ones are committed. The same posts and seed give
    the same rows everywhere.

    Raises:
        UsageError: The number of posts is not positive.
        TerminalError: The source holds posts already and `replace` is not set.
        UnavailableError: The database cannot be reached, or is locked.
        ConfigError, MissingExtraError, CorruptError: The URL, its driver, or the database is not usable.
    """
    if posts < 1:
        raise UsageError(
            f"a source has at least one post, not {posts}", hint="pinflow source create --posts 11154"
        )
    progress.start(posts, "posts")
    try:
        return fill(url, synthetic_blocks(posts, seed), replace=replace, progress=progress)
    finally:
        progress.stop()


def check(url: str) -> list[Finding]:
    """Log in, find the tables with all their columns, and look for what is wrong with them. Changes nothing.

    Raises:
        AbsentError: There is no source there.
        TerminalError: A column is missing, or of a type that has no meaning there.
        PinflowError: The database cannot be looked at.
    """
    with open_source(url, long=True) as database:
        return database.check()


def load(url: str, folder: Path, *, replace: bool = False, progress: Progress = SILENT) -> int:
    """Read a source from `pin.jsonl`, `geo.jsonl` and `user.jsonl`, and return how many posts it holds.

    A line is a JSON object with exactly the table's columns; NULL is `null`. All or nothing.

    Raises:
        TerminalError: A file is missing or has a bad line (file and line are said), or the source holds posts
            already and `replace` is not set.
        UnavailableError: The database cannot be reached, or is locked.
        ConfigError, MissingExtraError, CorruptError: The URL, its driver, or the database is not usable.
    """
    progress.start(None, "posts")
    try:
        return fill(url, file_blocks(folder), replace=replace, progress=progress)
    finally:
        progress.stop()
