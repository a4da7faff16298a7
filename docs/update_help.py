"""Rewrite the help texts in docs/commands with what the commands say now.

    python docs/update_help.py

A help text stands in a fenced block with `<!-- help: pinflow <command> -->` on the line before it.
"""

from __future__ import annotations

import re
from pathlib import Path

from click.testing import CliRunner

from pinflow.cli.main import cli

__all__ = ["BLOCK", "PAGES", "help_text", "main"]

PAGES = Path(__file__).parent / "commands"

WIDTH = 100
"""Columns of the help text: the most that the commands use on any terminal."""

BLOCK = re.compile(
    r"^<!-- help: pinflow(?P<command>(?: [a-z]+)*) -->\n```text\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


def help_text(command: str) -> str:
    """What `pinflow <command> --help` prints on a terminal of `WIDTH` columns."""
    args = [*command.split(), "--help"]
    done = CliRunner().invoke(cli, args, prog_name="pinflow", terminal_width=WIDTH)
    if done.exit_code:
        raise ValueError(f"there is no command {command!r}: {done.output}")
    return done.output


def rewritten(page: str) -> str:
    """A page with every help text as it is now."""
    return BLOCK.sub(lambda block: _block(block["command"]), page)


def _block(command: str) -> str:
    return f"<!-- help: pinflow{command} -->\n```text\n{help_text(command)}```"


def main() -> None:
    """Rewrite every page, and name those that changed."""
    for path in sorted(PAGES.glob("*.md")):
        before = path.read_text(encoding="utf-8")
        after = rewritten(before)
        if after != before:
            path.write_text(after, encoding="utf-8")
            print(path.relative_to(PAGES.parent.parent))


if __name__ == "__main__":
    main()
